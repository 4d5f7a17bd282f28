"""The geometry-aware schedule read as Polyak's step: the loss over the squared gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.schedules import SLOPE, Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register(
    requires=SLOPE,
    losses=("mse",),
    c=Option(above=0.0, shown=True, meaning="η_t λ_t where one mode holds the residual"),
)
def polyak(moment: Moment) -> Tensor:
    """η_t = 2c·L_t/Σ_k c_k ξ_k ‖∂L/∂W_k‖²; c = 1/2 is Polyak's step for L* = 0. [operational]

    For mse it is c/λ_t where the residual is an eigenvector of λ_t, and else larger [derived]. It
    needs no eigenvector, and no loss but one whose least value is 0.
    """
    assert moment.loss is not None and moment.slope is not None
    return 2 * moment.options["c"] * moment.loss / moment.slope
