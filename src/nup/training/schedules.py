"""Learning-rate schedules and gradient scalings, one registry each.

A schedule turns what it needs (the given η, the step, λ_t, or Taylor coefficients along the update)
into η_t for all members of a stack. A gradient scaling gives ξ_{k,t} and combines with any
schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nup.errors import UserError
from nup.specs.specification import ScheduleSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Moment:
    """What a schedule may look at in one step, for all members.

    ``options`` holds each option of the schedule as a tensor [E]; ``sharpness`` is λ_t [E] and
    ``taylor`` the coefficients (T1, T2, T2 without the curvature of the network) [E], present only
    if the schedule asks for them; ``previous`` is η_{t−1} [E], None at the first step.
    """

    step: int
    steps: int
    learning_rate: Tensor
    options: Mapping[str, Tensor]
    sharpness: Tensor | None = None
    taylor: tuple[Tensor, Tensor, Tensor] | None = None
    previous: Tensor | None = None


@dataclass(frozen=True)
class Schedule:
    """A schedule: its rule, options with defaults (None: must be given), what it measures."""

    name: str
    rule: Callable[[Moment], Tensor]
    options: Mapping[str, float | None] = field(default_factory=dict)
    needs: str = ""  # "", "sharpness" or "taylor"

    @property
    def takes_learning_rate(self) -> bool:
        """Whether η is given; a schedule that measures finds it itself."""
        return not self.needs


def _constant(moment: Moment) -> Tensor:
    """η_t = η. [lit]"""
    return moment.learning_rate


def _warmup(moment: Moment) -> Tensor:
    """η_t rises linearly to η over the first ``fraction`` of the steps, then stays. [lit]"""
    length = (moment.options["fraction"] * moment.steps).clamp_min(1.0)
    return moment.learning_rate * ((moment.step + 1) / length).clamp_max(1.0)


def _cosine(moment: Moment) -> Tensor:
    """Half a cosine from η to η·``final``, after a linear ``warmup`` fraction. [lit]"""
    rise = (moment.options["warmup"] * moment.steps).clamp_min(1.0)
    progress = ((moment.step + 1 - rise) / (moment.steps - rise).clamp_min(1.0)).clamp_min(0.0)
    final = moment.options["final"]
    fall = final + (1 - final) * (1 + (math.pi * progress).cos()) / 2
    return moment.learning_rate * fall * ((moment.step + 1) / rise).clamp_max(1.0)


def _sharpness(moment: Moment) -> Tensor:
    """η_t = c/λ_t: one reading of the paper's geometry-aware schedule. [operational]"""
    assert moment.sharpness is not None
    return moment.options["c"] / moment.sharpness


def _taylor(moment: Moment) -> Tensor:
    """η_t = c·(−L′)/L″ along the actual update; c = 1 greedy, c = 2 the edge. [operational]

    Where L″ ≤ 0 the last rate is kept; at the first step L″ of the linearized network stands in.
    """
    assert moment.taylor is not None
    first, second, linearized = moment.taylor
    c = moment.options["c"]
    fallback = -c * first / (2 * linearized) if moment.previous is None else moment.previous
    return (-c * first / (2 * second)).where(second > 0, fallback)


SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule("constant", _constant),
        Schedule("warmup", _warmup, {"fraction": 0.1}),
        Schedule("cosine", _cosine, {"warmup": 0.0, "final": 0.0}),
        Schedule("sharpness", _sharpness, {"c": None}, needs="sharpness"),
        Schedule("taylor", _taylor, {"c": None}, needs="taylor"),
    )
}

#: Allowed values of each schedule option, as (least, greatest, least is allowed).
OPTION_RANGES: dict[str, tuple[float, float, bool]] = {
    "c": (0.0, math.inf, False),
    "fraction": (0.0, 1.0, True),
    "warmup": (0.0, 1.0, True),
    "final": (0.0, 1.0, True),
}


def depthwise_scale(
    input_power: Tensor, backward_power: Tensor, output_backward_power: Tensor
) -> Tensor:
    """ξ_{k,t} = 1/(F_{k−1,t} B_{k,t}): cancels the forward and backward norms. [operational]

    F_{k−1} = mean_i ‖x_{k−1}(i)‖²/m_{k−1} (``input_power``) and B_k = Σ_i ‖∂L/∂h_k(i)‖² over
    Σ_i ‖∂L/∂h_l(i)‖² (``backward_power`` over ``output_backward_power``), each [E]. Both are 1 at
    initialization on the Edge of Chaos, so that ξ starts at about 1.
    """
    import torch

    ratio = backward_power / output_backward_power
    scale = 1.0 / (input_power * ratio)
    # A layer without signal has no gradient to scale.
    return torch.nan_to_num(scale, nan=1.0, posinf=1.0)


SCALINGS = ("none", "depthwise")


def names() -> tuple[str, ...]:
    """Names of the schedules."""
    return tuple(SCHEDULES)


def scalings() -> tuple[str, ...]:
    """Names of the gradient scalings."""
    return SCALINGS


def check(spec: ScheduleSpec, learning_rate: float | None) -> None:
    """Raise ``UserError`` if ``spec`` is no schedule, or does not go with ``learning_rate``."""
    if spec.name not in SCHEDULES:
        raise UserError(f"unknown schedule {spec.name!r}: expected one of {', '.join(SCHEDULES)}")
    if spec.gradient_scaling not in SCALINGS:
        raise UserError(
            f"unknown gradient scaling {spec.gradient_scaling!r}: "
            f"expected one of {', '.join(SCALINGS)}"
        )
    schedule = SCHEDULES[spec.name]
    if unknown := sorted(set(spec.options) - set(schedule.options)):
        takes = f"takes {', '.join(schedule.options)}" if schedule.options else "takes no options"
        raise UserError(f"unknown option {unknown[0]!r}: schedule {spec.name!r} {takes}")
    for option, default in schedule.options.items():
        _check_option(spec.name, option, spec.options.get(option, default))
    if schedule.takes_learning_rate and learning_rate is None:
        raise UserError(f"schedule {spec.name!r} needs a learning rate, got none")
    if not schedule.takes_learning_rate and learning_rate is not None:
        raise UserError(
            f"schedule {spec.name!r} finds its own rate from what it measures: "
            f"leave the learning rate out (got {learning_rate!r})"
        )
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise UserError(f"learning rate must be a finite number > 0, got {learning_rate!r}")


def _check_option(schedule: str, option: str, value: Any) -> None:
    least, greatest, closed = OPTION_RANGES[option]
    if value is None:
        raise UserError(f"schedule {schedule!r} needs option {option!r}, a number > {least:g}")
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and value < math.inf
    if not number or not least <= value <= greatest or (value == least and not closed):
        sign = "≥" if closed else ">"
        upper = f" and ≤ {greatest:g}" if greatest < math.inf else ""
        raise UserError(
            f"option {option!r} of schedule {schedule!r} must be a number {sign} {least:g}{upper}, "
            f"got {value!r}"
        )


def member_options(specs: Sequence[ScheduleSpec]) -> dict[str, list[float]]:
    """Each option of a stack's schedule as one value a member, defaults filled in."""
    defaults = SCHEDULES[specs[0].name].options
    return {
        option: [float(spec.options.get(option, default)) for spec in specs]
        for option, default in defaults.items()
    }
