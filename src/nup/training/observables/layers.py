"""Motion of each layer's weights, with its gradient scale and the size of its preactivations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import register, series

if TYPE_CHECKING:
    from nup.training.backends import Sums
    from nup.training.observables import Array


@register(
    per_step=True,
    cadence=10,
    layers={
        "update_norm": series("‖ΔW_k(t)‖ (Frobenius); null at the final state"),
        "cosine": series("cos of ΔW_k(t) with W_k(t) − W_k(0); null at t = 0"),
        "gradient_scale": series("ξ_{k,t}; 1 without scaling"),
        "preactivation_rms": series("RMS of h_k over units and the samples of the step's batch"),
    },
)
def layers(sums: Sums) -> Mapping[str, Array]:
    """Per layer: norm and cosine of the update, ξ_k, and the RMS of h_k."""
    return {
        "update_norm": sums.rate[..., None] * sums.updates**0.5,
        "cosine": -sums.products / (sums.updates * sums.displacements) ** 0.5,
        "gradient_scale": sums.scales,
        "preactivation_rms": (sums.heights / sums.counts) ** 0.5,
    }
