"""Taylor coefficients of the loss along the update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import TAYLOR, register, series

if TYPE_CHECKING:
    from nup.training.backends import Sums
    from nup.training.observables import Array


@register(
    per_step=True,
    requires=TAYLOR,
    always=True,
    steps={
        "taylor_1": series("T1 of η ↦ L(θ_t − η u)"),
        "taylor_2": series("T2"),
        "taylor_3": series("T3"),
    },
    # Each order costs about 2/3 of a step.
    passes={"batch": 2},
)
def taylor(sums: Sums) -> Mapping[str, Array]:
    """T1, T2 and T3 of η ↦ L(θ_t − η u), u the update's direction."""
    return {f"taylor_{order}": sums.taylor[..., order - 1] for order in (1, 2, 3)}
