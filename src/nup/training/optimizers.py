"""Optimizers, one registry: from the scaled gradient to the direction that η_t multiplies.

Training forms U_k = c_k ξ_k ∂L/∂W_k and updates W_k ← W_k − η_t D_k. An optimizer turns U_k into
D_k, for all members of a stack at once; for ``sgd`` they are the same. What it remembers of earlier
steps is a state of the stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nup.errors import UserError
from nup.specs.specification import OptimizerSpec, RunSpec

if TYPE_CHECKING:
    from torch import Tensor


class State(Protocol):
    """An optimizer at work on one stack."""

    def direction(self, weights: Sequence[Tensor], update: Sequence[Tensor]) -> Sequence[Tensor]:
        """D_k from the scaled gradients U_k, each [E, m_k, m_{k-1}]; ``update`` is overwritten."""

    def keep(self, members: Tensor) -> None:
        """Keep only the members with these indices."""


class _GradientDescent:
    """D_k = U_k."""

    def __init__(self, weights: Sequence[Tensor], options: Mapping[str, float]) -> None:
        pass

    def direction(self, weights: Sequence[Tensor], update: Sequence[Tensor]) -> Sequence[Tensor]:
        return update

    def keep(self, members: Tensor) -> None:
        pass


class _AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019). [lit]

    At step t = 1, 2, … with moments M ← β₁M + (1−β₁)U and V ← β₂V + (1−β₂)U²,
    D = M̂/(√V̂ + ε) + weight_decay·W, where M̂ = M/(1−β₁ᵗ) and V̂ = V/(1−β₂ᵗ). So W ← W − η_t D is
    the step of ``torch.optim.AdamW`` at the rate η_t.
    """

    def __init__(self, weights: Sequence[Tensor], options: Mapping[str, float]) -> None:
        self._first = [weight.new_zeros(weight.shape) for weight in weights]
        self._second = [weight.new_zeros(weight.shape) for weight in weights]
        self._options = options
        self._steps = 0

    def direction(self, weights: Sequence[Tensor], update: Sequence[Tensor]) -> Sequence[Tensor]:
        self._steps += 1
        beta1, beta2 = self._options["beta1"], self._options["beta2"]
        bias1, bias2 = 1 - beta1**self._steps, 1 - beta2**self._steps
        for weight, u, first, second in zip(
            weights, update, self._first, self._second, strict=True
        ):
            first.lerp_(u, 1 - beta1)
            second.mul_(beta2).addcmul_(u, u, value=1 - beta2)
            # In the memory of U: (1−β₁ᵗ)(√V̂ + ε), then M over it.
            u.copy_(second).sqrt_().mul_(bias1 / math.sqrt(bias2)).add_(
                bias1 * self._options["eps"]
            )
            u.reciprocal_().mul_(first).add_(weight, alpha=self._options["weight_decay"])
        return update

    def keep(self, members: Tensor) -> None:
        self._first = [moment[members] for moment in self._first]
        self._second = [moment[members] for moment in self._second]


@dataclass(frozen=True)
class Optimizer:
    """An optimizer: its state on a stack, its options with their defaults, and what it holds.

    ``moments`` is how many numbers it remembers a weight. ``rescales``: it divides the gradient by
    its own size. Then c_k and ξ_k have no effect, and λ_t and the schedules that measure say
    nothing about its update.
    """

    name: str
    state: Callable[[Sequence[Tensor], Mapping[str, float]], State]
    options: Mapping[str, float] = field(default_factory=dict)
    moments: int = 0
    rescales: bool = False


OPTIMIZERS: dict[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", _GradientDescent),
        Optimizer(
            "adamw",
            _AdamW,
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
    if spec.record.curvature or spec.record.hessian:
        raise UserError(
            f"{why} λ_t, which record.curvature and record.hessian ask for, is not that of its "
            "update: set both to 0 in a grid of its own"
        )


def start(spec: RunSpec, lr_factors: Sequence[float], weights: Sequence[Tensor]) -> State:
    """The optimizer of a stack at step 0. ``weights`` are its W_k [E, m_k, m_{k-1}].

    Raises ``UserError`` as ``check`` does.
    """
    check(spec, lr_factors)
    options = resolve(spec.optimizer.name, spec.optimizer.options).options
    return OPTIMIZERS[spec.optimizer.name].state(weights, options)
