"""Geometry-aware learning rates as schedulers of torch: c over the sharpness, and its rivals.

Each looks at the loss of the module on a batch of its own, the *probe*: the training data for full
batches, else a fixed part of it. The rate that it sets is that of the next step, at the weights as
they are and with ξ of the last call of ``scale_gradients``. Its optimizer takes plain gradient
descent: for momentum and Adam λ is not the curvature that the update sees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad as gradient_of
from torch.func import grad_and_value
from torch.optim.lr_scheduler import LRScheduler

from nup.curvature.lanczos import (
    COLD_PRODUCTS,
    COLD_TOLERANCE,
    MOST_PRODUCTS,
    TOLERANCE,
    top_eigenpair,
)
from nup.errors import UserError
from nup.networks.mlp import generator
from nup.torch.curvature import Batch, Function, LossFunction, check_kind, factors_of
from nup.torch.groups import multipliers
from nup.torch.scaling import current_scales


class GeometryLR(LRScheduler):
    """η from the loss on a probe, every few steps; groups keep their multipliers.

    Args:
        optimizer: ``SGD`` without momentum, best with groups of ``param_groups``.
        model: any module without chance.
        loss: of outputs and targets.
        probe: inputs and targets on which the geometry is looked at.
        c: the schedule's constant; 2 is the edge of stability.
        every: steps from one measurement to the next; the rate stays between them.
        last_epoch: as of torch's schedulers.

    Attributes:
        rate: η, to be multiplied by a group's multiplier.
        measured: what was last measured, by name.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        loss: LossFunction,
        probe: Batch,
        c: float,
        every: int = 1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, torch.optim.SGD) or any(
            group["momentum"] for group in optimizer.param_groups
        ):
            raise UserError(
                f"{type(self).__name__}: expected torch.optim.SGD without momentum, whose update "
                f"the sharpness is about, got {type(optimizer).__name__}"
            )
        if not c > 0 or every < 1:
            raise UserError(f"expected c > 0 and every ≥ 1, got c = {c!r}, every = {every!r}")
        self.model, self.loss, self.probe, self.c, self.every = model, loss, probe, c, every
        self.rate = float("nan")
        self.measured: dict[str, float] = {}
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """Rates of the groups for the next step."""
        if self.last_epoch % self.every == 0:
            rate = self._measure()
            if 0 < rate < float("inf"):
                self.rate = rate
        if not self.rate > 0:
            raise UserError(
                f"{type(self).__name__}: expected a loss with slope and curvature on the probe, "
                f"got {self.measured}; look at the module, its weights and the probe"
            )
        return [self.rate * each for each in multipliers(self.optimizer)]

    def _measure(self) -> float:
        """η of the next step, with ``measured``; the last one stays if it is not positive."""
        raise NotImplementedError

    def _function(self) -> Function:
        scales = current_scales(self.model)
        return Function(
            self.model, self.loss, self.probe, factors_of(self.model, self.optimizer, scales)
        )

    def state_dict(self) -> dict[str, Any]:
        """The state without the module, the loss and the probe."""
        kept = {"model", "loss", "probe", "optimizer"}
        found = {name: value for name, value in self.__dict__.items() if name not in kept}
        return {name: value for name, value in found.items() if not callable(value)}


class SharpnessLR(GeometryLR):
    """η_t = c/λ_t, λ_t the largest eigenvalue of the preconditioned Gauss–Newton matrix.

    One reading of the paper's geometry-aware schedule [operational]. λ_t is followed from step to
    step by a Krylov space that starts from the last eigenvector; ``kind="hessian"`` takes the
    Hessian's.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        loss: LossFunction,
        probe: Batch,
        c: float = 2.0,
        every: int = 1,
        kind: str = "gauss_newton",
        last_epoch: int = -1,
    ) -> None:
        check_kind(kind)
        self.kind = kind
        self.start: Tensor | None = None
        super().__init__(optimizer, model, loss, probe, c, every, last_epoch)

    def _measure(self) -> float:
        function = self._function()
        parameters = function.parameters
        size = sum(each.numel() for each in parameters.values())
        first = self.start is None
        if self.start is None:
            drawn = torch.randn(1, size, generator=generator(0, "eigenvector"), dtype=torch.float64)
            self.start = drawn.to(next(iter(parameters.values())))
        pair = top_eigenpair(
            function.product(self.kind),
            self.start,
            COLD_TOLERANCE if first else TOLERANCE,
            min(MOST_PRODUCTS, size),
            definite=self.kind == "gauss_newton",
            least=COLD_PRODUCTS if first else 0,
        )
        if bool(torch.isfinite(pair.vector).all()):
            self.start = pair.vector
        value = float(pair.value)
        self.measured = {"sharpness": value, "products": float(pair.products)}
        return self.c / value if value > 0 else float("inf")


class TaylorLR(GeometryLR):
    """η_t = c·(−L′)/L″ along the update; c = 1 is greedy, 2 the edge. [operational]

    Where L″ ≤ 0 the last rate stays; at the first step L″ of the linearized module stands in.
    """

    def _measure(self) -> float:
        function = self._function()
        at = function.parameters
        gradient = gradient_of(function.value)(at)
        update = {name: each * function.weights.get(name, 1.0) for name, each in gradient.items()}

        def along(rate: Tensor) -> Tensor:
            return function.value({name: at[name] - rate * update[name] for name in at})

        zero = next(iter(at.values())).new_zeros(())
        first, second = _two_derivatives(along, zero)
        if second <= 0 and not self.rate > 0:
            v = torch.cat(
                [(each * function.root(name)).flatten() for name, each in gradient.items()]
            )[None]
            second = float((v * function.product("gauss_newton")(v)).sum())
        self.measured = {"slope": first, "curvature": second}
        return -self.c * first / second if second > 0 else self.rate


def _two_derivatives(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[float, float]:
    second, first = grad_and_value(gradient_of(function))(at)
    return float(first), float(second)


class PolyakLR(GeometryLR):
    """η_t = 2c·(L_t − L*)/Σ_k c_k ξ_k ‖∂L/∂W_k‖²; c = ½ is Polyak's step. [operational]

    For squared errors it is c/λ_t where the residual is an eigenvector of λ_t, else larger
    [derived]. Only for losses whose least value is known.

    Args:
        least: L*, the least value of the loss: 0 for squared errors.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        loss: LossFunction,
        probe: Batch,
        c: float = 0.5,
        every: int = 1,
        least: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.least = least
        super().__init__(optimizer, model, loss, probe, c, every, last_epoch)

    def _measure(self) -> float:
        function = self._function()
        gradient, value = grad_and_value(function.value)(function.parameters)
        slope = sum(
            float((each.square() * function.weights.get(name, 1.0)).sum())
            for name, each in gradient.items()
        )
        excess = float(value) - self.least
        self.measured = {"loss": float(value), "slope": slope}
        return 2 * self.c * excess / slope if slope > 0 else float("inf")
