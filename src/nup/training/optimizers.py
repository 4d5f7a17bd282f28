"""Optimizers, one registry: from the scaled gradient to the direction that η_t multiplies.

Training forms U_k = c_k ξ_k ∂L/∂W_k and updates W_k ← W_k − η_t D_k. An optimizer turns U_k into
D_k, for all members of a stack at once; for ``sgd`` they are the same. What it remembers of earlier
steps is a state of the stack.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nup.errors import UserError
from nup.specs.specification import OptimizerSpec, RunSpec
from nup.training.observables import cadence

if TYPE_CHECKING:
    from torch import Tensor


class Rule(Protocol):
    """The rule of an optimizer, on all weights of a stack end to end. [E, N]"""

    def __call__(
        self,
        parameters: Tensor,
        update: Tensor,
        moments: tuple[Tensor, ...],
        step: int,
        options: Mapping[str, float],
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The direction D of ``step`` = 0, 1, … from U, and the moments after it.

        Moments start at zero. U and the moments given may be overwritten.
        """


def sgd(
    parameters: Tensor,  # noqa: ARG001
    update: Tensor,
    moments: tuple[Tensor, ...],
    step: int,  # noqa: ARG001
    options: Mapping[str, float],  # noqa: ARG001
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Gradient descent: D = U."""
    return update, moments


def adamw(
    parameters: Tensor,
    update: Tensor,
    moments: tuple[Tensor, ...],
    step: int,
    options: Mapping[str, float],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019). [lit]

    At step t = 1, 2, … with moments M ← β₁M + (1−β₁)U and V ← β₂V + (1−β₂)U²,
    D = M̂/(√V̂ + ε) + weight_decay·W, where M̂ = M/(1−β₁ᵗ) and V̂ = V/(1−β₂ᵗ). So W ← W − η_t D is
    the step of ``torch.optim.AdamW`` at the rate η_t.
    """
    beta1, beta2 = options["beta1"], options["beta2"]
    bias1, bias2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    first = moments[0].lerp_(update, 1 - beta1)
    second = moments[1].mul_(beta2).addcmul_(update, update, value=1 - beta2)
    size = (second / bias2).sqrt_().add_(options["eps"])
    direction = (first / bias1).div_(size).add_(parameters, alpha=options["weight_decay"])
    return direction, (first, second)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer: its rule, its options with their defaults, and what it holds.

    ``moments`` is how many numbers it remembers a weight. ``rescales``: it divides the gradient by
    its own size. Then c_k and ξ_k have no effect, and λ_t and the schedules that measure say
    nothing about its update.
    """

    name: str
    rule: Rule
    options: Mapping[str, float] = field(default_factory=dict)
    moments: int = 0
    rescales: bool = False


OPTIMIZERS: dict[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", sgd),
        Optimizer(
            "adamw",
            adamw,
            {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
            moments=2,
            rescales=True,
        ),
    )
}

#: Allowed values of each option, as (least, least is allowed, bound above that is not).
OPTION_RANGES: dict[str, tuple[float, bool, float]] = {
    "beta1": (0.0, True, 1.0),
    "beta2": (0.0, True, 1.0),
    "eps": (0.0, False, math.inf),
    "weight_decay": (0.0, True, math.inf),
}


def names() -> tuple[str, ...]:
    """Names of the optimizers."""
    return tuple(OPTIMIZERS)


def resolve(name: str, options: Mapping[str, Any]) -> OptimizerSpec:
    """The specification with every option of the optimizer, as a float.

    Raises ``UserError`` for an unknown optimizer or option, or a value outside its range.
    """
    if name not in OPTIMIZERS:
        raise UserError(f"unknown optimizer {name!r}: expected one of {', '.join(OPTIMIZERS)}")
    defaults = OPTIMIZERS[name].options
    if unknown := sorted(set(options) - set(defaults)):
        takes = f"takes {', '.join(defaults)}" if defaults else "takes no options"
        raise UserError(f"unknown option {unknown[0]!r}: optimizer {name!r} {takes}")
    given = {**defaults, **options}
    for option, value in given.items():
        _check_option(name, option, value)
    return OptimizerSpec(name, {option: float(value) for option, value in given.items()})


def _check_option(optimizer: str, option: str, value: Any) -> None:
    least, closed, bound = OPTION_RANGES[option]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value < bound or (value == least and not closed):
        above = f"{'≥' if closed else '>'} {least:g}"
        below = f" and < {bound:g}" if bound < math.inf else ""
        raise UserError(
            f"option {option!r} of optimizer {optimizer!r} must be a number {above}{below}, "
            f"got {value!r}"
        )


def label(spec: OptimizerSpec) -> str:
    """The name, with the options that are no defaults: ``adamw``, ``adamw(weight_decay=0)``."""
    defaults = OPTIMIZERS[spec.name].options
    changed = {name: value for name, value in spec.options.items() if value != defaults[name]}
    values = ",".join(f"{name}={value:g}" for name, value in sorted(changed.items()))
    return f"{spec.name}({values})" if values else spec.name


def check(spec: RunSpec, lr_factors: Sequence[float]) -> None:
    """Raise ``UserError`` if the run's optimizer does not go with the rest of it.

    ``lr_factors`` are the c_k of its parameterization.
    """
    resolve(spec.optimizer.name, spec.optimizer.options)
    if not OPTIMIZERS[spec.optimizer.name].rescales:
        return
    name, schedule = spec.optimizer.name, spec.schedule
    why = f"optimizer {name!r} divides the gradient by its own size, so"
    if any(factor != 1 for factor in lr_factors):
        raise UserError(
            f"{why} the layers' factors c_k of parameterization {spec.parameterization!r} would "
            "have no effect: use one whose factors are all 1, which is 'sp'"
        )
    if schedule.gradient_scaling != "none":
        raise UserError(
            f"{why} gradient scaling {schedule.gradient_scaling!r} would have no effect: "
            "use 'none', or optimizer 'sgd'"
        )
    if schedule.name in ("sharpness", "taylor"):
        raise UserError(
            f"{why} schedule {schedule.name!r}, which measures the curvature met by gradient "
            "descent, gives it no rate: use constant, warmup or cosine, or optimizer 'sgd'"
        )
    if cadence(spec, "curvature") or cadence(spec, "hessian"):
        raise UserError(
            f"{why} λ_t, which record.curvature and record.hessian ask for, is not that of its "
            "update: set both to 0 in a grid of its own"
        )
