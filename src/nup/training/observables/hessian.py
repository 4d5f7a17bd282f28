"""The largest algebraic eigenvalue of the preconditioned Hessian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import HESSIAN, register, series

if TYPE_CHECKING:
    from nup.training.backends import Sums
    from nup.training.observables import Array


@register(
    per_step=True,
    requires=HESSIAN,
    always=True,
    edges={"hessian_edge": "hessian_sharpness"},
    steps={
        "hessian_sharpness": series(
            "largest algebraic eigenvalue of the preconditioned Hessian, on the hessian cadence"
        ),
        "hessian_residual": series("‖Hv − λv‖/|λ| of its eigenpair"),
        "hessian_edge": series("η_t times hessian_sharpness; null at the final state"),
    },
    # About 20 products, each like two steps.
    passes={"train": 40},
)
def hessian(sums: Sums) -> Mapping[str, Array]:
    """Top eigenvalue of the Hessian with its relative residual."""
    return {
        "hessian_sharpness": sums.hessian[..., 0],
        "hessian_residual": sums.hessian[..., 1],
    }
