"""Optimizers: from the scaled gradient to the direction that η_t multiplies.

Training forms U_k = c_k ξ_k ∂L/∂W_k and updates W_k ← W_k − η_t D_k. An optimizer turns U_k into
D_k, for all members of a stack at once; for ``sgd`` they are the same. What it remembers of earlier
steps is part of the stack's state. Each is one module of this package, or part of a plug-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nup.errors import UserError
from nup.registry import Entry, Option, Registry
from nup.specs import OptimizerSpec, RunSpec
from nup.training.observables import recorded
from nup.training.schedules import SCHEDULES

if TYPE_CHECKING:
    from torch import Tensor

    Moments = tuple[Tensor, ...]


class Rule(Protocol):
    """The rule of an optimizer, on all weights of a stack end to end. [E, N]"""

    __name__: str
    __module__: str

    def __call__(
        self,
        parameters: Tensor,
        update: Tensor,
        moments: Moments,
        step: int,
        options: Mapping[str, float],
    ) -> tuple[Tensor, Moments]:
        """The direction D of ``step`` = 0, 1, … from U, and the moments after it.

        Moments start at zero. U and the moments given may be overwritten.
        """


@dataclass(frozen=True)
class Optimizer(Entry):
    """A registered optimizer.

    Args:
        rule: from U to D.
        moments: how many numbers it remembers a weight.
        rescales: it divides the gradient by its own size. Then c_k and ξ_k have no effect, and λ_t
            and the schedules that measure say nothing about its update.
    """

    rule: Rule = field(kw_only=True)
    moments: int = field(default=0, kw_only=True)
    rescales: bool = field(default=False, kw_only=True)


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", __name__)


def register(
    *, moments: int = 0, rescales: bool = False, **options: Option
) -> Callable[[Rule], Rule]:
    """Register the decorated rule under its own name, with the ``options`` that it takes."""
    return OPTIMIZERS.decorator(Optimizer, options=options, moments=moments, rescales=rescales)


def resolve(name: str, options: Mapping[str, Any]) -> OptimizerSpec:
    """The specification with every option of the optimizer.

    Raises:
        UserError: an unknown optimizer or option, or a value outside its range.
    """
    resolved = OPTIMIZERS.resolve(name, options)
    return OptimizerSpec(name, {key: float(value) for key, value in resolved.items()})


def label(spec: OptimizerSpec) -> str:
    """The canonical label: ``sgd``, ``adamw``, ``adamw(weight_decay=0)``."""
    return OPTIMIZERS.label(spec.name, spec.options)


def check(spec: RunSpec, lr_factors: Sequence[float]) -> None:
    """Check that the run's optimizer goes with the rest of it.

    Args:
        spec: the run.
        lr_factors: c_k of its parameterization.

    Raises:
        UserError: it divides the gradient by its own size, and the run asks for what that undoes.
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
    if SCHEDULES[schedule.name].requires:
        raise UserError(
            f"{why} schedule {schedule.name!r}, which measures what gradient "
            "descent meets, gives it no rate: use one that is given its rate, or optimizer 'sgd'"
        )
    eigenvalues = [
        each.name for each in recorded(spec) if each.requires in ("sharpness", "hessian")
    ]
    if eigenvalues:
        keys = " and ".join(f"record.{key}" for key in eigenvalues)
        raise UserError(
            f"{why} λ_t, for which {keys} ask{'s' if len(eigenvalues) == 1 else ''}, is not that "
            "of its update: set it to 0 in a grid of its own"
        )
