"""Motion of the whole parameter vector: the update, the displacement, and the cosine of the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import register, series

if TYPE_CHECKING:
    from nup.training.backends import Sums
    from nup.training.observables import Array


@register(
    per_step=True,
    cadence=1,
    steps={
        "update_norm": series("‖Δ_t‖ of the whole parameter vector"),
        "displacement": series("‖θ_t − θ_0‖"),
        "cosine": series("cos of Δ_t with θ_t − θ_0; null at t = 0"),
    },
)
def steps(sums: Sums) -> Mapping[str, Array]:
    """Norms of Δ_t and θ_t − θ_0, and the cosine of the new with the cumulative update."""
    update, displacement = sums.updates.sum(-1), sums.displacements.sum(-1)
    return {
        "update_norm": sums.rate * update**0.5,
        "displacement": displacement**0.5,
        # Δ_t = −η U_t, and η > 0.
        "cosine": -sums.products.sum(-1) / (update * displacement) ** 0.5,
    }
