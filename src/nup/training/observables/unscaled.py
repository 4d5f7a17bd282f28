"""Curvature without gradient scaling: λ of the factors c_k alone, whatever ξ a run trains with.

Rates and ends of training with ξ and without it are held against each other in these. Where ξ = 1
they are what ``curvature`` and ``hessian`` record at less cost. [operational]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import HESSIAN, register, series

if TYPE_CHECKING:
    from torch import Tensor

    from nup.training.context import Context

#: Relative residual of the eigenpairs.
TOLERANCE = 1e-3


@register(
    edges={"edge_unscaled": "sharpness_unscaled"},
    steps={
        "sharpness_unscaled": series("λ_t of the Gauss–Newton matrix with c_k alone, ξ = 1"),
        "edge_unscaled": series("η_t times sharpness_unscaled; null at the final state"),
    },
    passes={"train": 40},
)
def unscaled_curvature(context: Context) -> Mapping[str, Tensor]:
    """λ_t with the factors c_k alone."""
    return {"sharpness_unscaled": _eigenvalue(context, hessian=False)}


@register(
    requires=HESSIAN,
    steps={
        "hessian_sharpness_unscaled": series(
            "largest algebraic eigenvalue of the Hessian preconditioned by c_k alone, ξ = 1"
        ),
    },
    passes={"train": 80},
)
def unscaled_hessian(context: Context) -> Mapping[str, Tensor]:
    """Top eigenvalue of the Hessian with the factors c_k alone."""
    return {"hessian_sharpness_unscaled": _eigenvalue(context, hessian=True)}


def _eigenvalue(context: Context, hessian: bool) -> Tensor:
    members = range(len(context.state.members))
    return context.backend.unscaled_eigenvalue(context.state, members, TOLERANCE, hessian)
