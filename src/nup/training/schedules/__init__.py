"""Learning-rate schedules: from what a step may look at to η_t, for all members of a stack.

Each schedule is one module of this package, or part of a plug-in: a rule, its options with their
ranges, and what it requires to be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nup.errors import UserError
from nup.registry import Entry, Option, Registry
from nup.specs import ScheduleSpec
from nup.training.scalings import SCALINGS

if TYPE_CHECKING:
    from torch import Tensor

#: What a schedule may require to be measured before each step.
SHARPNESS, TAYLOR, SLOPE = "sharpness", "taylor", "slope"


@dataclass
class Moment:
    """What a schedule may look at in one step, for all members.

    ``options`` holds each option of the schedule as a tensor [E]; ``previous`` is η_{t−1} [E], None
    at the first step. What the schedule requires is present: ``sharpness``, λ_t [E]; ``taylor``,
    the coefficients (T1, T2, T2 without the curvature of the network) [E]; for ``slope``, the
    ``loss`` L_t of the step's batch [E] and its ``slope`` Σ_k c_k ξ_k ‖∂L/∂W_k‖² [E].
    """

    step: int
    steps: int
    learning_rate: Tensor
    options: Mapping[str, Tensor]
    sharpness: Tensor | None = None
    taylor: tuple[Tensor, Tensor, Tensor] | None = None
    loss: Tensor | None = None
    slope: Tensor | None = None
    previous: Tensor | None = None


Rule = Callable[[Moment], "Tensor"]


@dataclass(frozen=True)
class Schedule(Entry):
    """A registered schedule: its rule, and what it requires: nothing, or one of the above.

    ``takes_learning_rate`` says whether η is given; else the schedule finds it by itself.
    ``losses`` are those for which it is defined; all if empty.
    """

    rule: Rule = field(kw_only=True)
    requires: str = field(default="", kw_only=True)
    takes_learning_rate: bool = field(default=True, kw_only=True)
    losses: tuple[str, ...] = field(default=(), kw_only=True)


SCHEDULES: Registry[Schedule] = Registry("schedule", __name__)


def register(
    *,
    requires: str = "",
    takes_learning_rate: bool | None = None,
    losses: tuple[str, ...] = (),
    **options: Option,
) -> Callable[[Rule], Rule]:
    """Register the decorated rule under its own name, with the ``options`` that it takes.

    ``requires`` is ``""``, ``"sharpness"``, ``"taylor"`` or ``"slope"``. A schedule that measures
    finds its own rate, unless ``takes_learning_rate`` says otherwise. ``losses`` are those for
    which it is defined; all if empty.
    """
    if requires not in ("", SHARPNESS, TAYLOR, SLOPE):
        raise ValueError(
            f"requires: expected '', 'sharpness', 'taylor' or 'slope', got {requires!r}"
        )
    takes = not requires if takes_learning_rate is None else takes_learning_rate
    return SCHEDULES.decorator(
        Schedule, options=options, requires=requires, takes_learning_rate=takes, losses=losses
    )


def label(spec: ScheduleSpec) -> str:
    """The canonical label of a schedule with its gradient scaling.

    >>> label(ScheduleSpec("sharpness", {"c": 2.5}, "depthwise")), label(ScheduleSpec("warmup"))
    ('sharpness(c=2.5)+depthwise', 'warmup')
    """
    scaling = scaling_label(spec)
    return SCHEDULES.label(spec.name, spec.options) + ("" if scaling == "none" else f"+{scaling}")


def scaling_label(spec: ScheduleSpec) -> str:
    """The canonical label of the gradient scaling: ``none``, ``depthwise``."""
    return SCALINGS.label(spec.gradient_scaling, spec.scaling_options)


def resolve(spec: ScheduleSpec) -> ScheduleSpec:
    """The same schedule with every option, so that equal schedules have equal specifications.

    Raises:
        UserError: an unknown schedule, scaling or option, or a value out of range.
    """
    return ScheduleSpec(
        spec.name,
        SCHEDULES.resolve(spec.name, spec.options),
        spec.gradient_scaling,
        SCALINGS.resolve(spec.gradient_scaling, spec.scaling_options),
    )


def check(spec: ScheduleSpec, learning_rate: float | None, loss: str) -> None:
    """Raise ``UserError`` if ``spec`` is no schedule, or does not go with rate or loss."""
    resolve(spec)
    schedule = SCHEDULES[spec.name]
    if schedule.losses and loss not in schedule.losses:
        raise UserError(
            f"schedule {spec.name!r} is defined for loss {' and '.join(schedule.losses)} alone, "
            f"got {loss!r}: choose another schedule, such as sharpness or taylor, or that loss"
        )
    if schedule.takes_learning_rate and learning_rate is None:
        raise UserError(f"schedule {spec.name!r} needs a learning rate, got none")
    if not schedule.takes_learning_rate and learning_rate is not None:
        raise UserError(
            f"schedule {spec.name!r} finds its own rate from what it measures: "
            f"leave the learning rate out (got {learning_rate!r})"
        )
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise UserError(f"learning rate must be a finite number > 0, got {learning_rate!r}")


def member_options(specs: Sequence[ScheduleSpec]) -> dict[str, list[float]]:
    """Each option of a stack's schedule as one value a member, defaults filled in."""
    resolved = [SCHEDULES.resolve(spec.name, spec.options) for spec in specs]
    return {key: [float(values[key]) for values in resolved] for key in resolved[0]}
