"""λ_t, the top eigenvalue of the preconditioned Gauss–Newton matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import SHARPNESS, register, series

if TYPE_CHECKING:
    from nup.training.backends import Sums
    from nup.training.observables import Array


@register(
    per_step=True,
    cadence=50,
    requires=SHARPNESS,
    always=True,
    edges={"edge": "sharpness"},
    steps={
        "sharpness": series("λ_t, preconditioned Gauss–Newton, on the curvature cadence"),
        "sharpness_residual": series("‖Mv − λv‖/λ of the eigenpair"),
        "sharpness_products": series("products with the matrix that finding λ_t took"),
        "edge": series("η_t λ_t, to be held against 2"),
    },
    # Beyond the edge of stability, where a measurement takes most products.
    passes={"train": 8},
)
def curvature(sums: Sums) -> Mapping[str, Array]:
    """λ_t with its relative residual and the products that it took."""
    return {
        "sharpness": sums.sharpness[..., 0],
        "sharpness_residual": sums.sharpness[..., 1],
        "sharpness_products": sums.sharpness[..., 2],
    }
