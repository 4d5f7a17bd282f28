"""Quality of the features on the probe set, the kernel's alignment, and movement of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nup.training.observables import Sizes, register, series

if TYPE_CHECKING:
    from torch import Tensor

    from nup.training.context import Context


def _norms(matrices: Sequence[Tensor]) -> dict[str, Tensor]:
    """Frobenius and spectral norm of every layer's matrix. Each [E, l]"""
    import torch

    from nup.curvature.spectral_norm import spectral_norm

    return {
        "frobenius": torch.stack([matrix.norm(dim=(-2, -1)) for matrix in matrices], -1),
        "spectral": torch.stack([spectral_norm(matrix) for matrix in matrices], -1),
    }


def _start(context: Context) -> dict[str, Tensor]:
    return _norms(context.weights)


def _used(sizes: Sizes) -> float:
    # A pass, cotangents of every output, and two copies of a layer's weights.
    copies = 3 + 2 * sizes.outputs
    return sizes.item * (copies * sizes.units * sizes.probe + 2 * sizes.largest)


@register(
    cadence=50,
    steps={
        "ntk_alignment": series(
            "centred alignment of the probe set's NTK with Y Yᵀ, features cadence"
        ),
    },
    layers={
        "soft_rank": series("tr(G)²/tr(G²), G = X_k X_kᵀ/n on the probe set"),
        "cosine_rank": series("n²/‖C‖_F², C the cosines of the rows of X_k"),
        "gram_rank": series(
            "tr(AB)²/tr(ABAB), A = X_{k-1} X_{k-1}ᵀ, B = Δ_k Δ_kᵀ, Δ_k = ∂L/∂h_k on the probe set"
        ),
        "stable_rank": series("tr(G)/‖G‖"),
        "alignment": series("centred kernel alignment of G with Y Yᵀ"),
        "movement_frobenius": series("‖W_k−W_k(0)‖_F/‖W_k(0)‖_F"),
        "movement_spectral": series("‖W_k−W_k(0)‖_2/‖W_k(0)‖_2"),
    },
    start=_start,
    used=_used,
    # Kernels and spectra.
    passes={"probe": 20},
)
def features(context: Context) -> Mapping[str, Tensor]:
    """Ranks and alignment of every layer's features, of the last layer its outputs.

    Four readings of v2's "soft rank variant" [operational]: ``soft_rank`` weighs samples by their
    norms, ``cosine_rank`` does not, and ``gram_rank`` is the soft rank of the layer's gradient, in
    which its input and ∂L/∂h_k meet [derived]; ``stable_rank`` is tr(G)/‖G‖ [lit].
    """
    from nup.curvature.ntk import kernel_alignment, neural_tangent_kernel

    targets, initial = context.targets["probe"], context.memories["features"]
    target_gram = targets @ targets.mT
    moved = _norms(context.displacement)
    kernel = neural_tangent_kernel(
        context.network, context.weights, context.inputs["probe"], context.multipliers
    )
    hidden = [*context.probe.features[1:], context.probe.preactivations[-1]]
    return {
        "ntk_alignment": kernel_alignment(kernel, target_gram),
        **quality(hidden, target_gram),
        "gram_rank": gram_ranks(context.probe.features, context.probe_cotangents),
        **{f"movement_{name}": moved[name] / initial[name] for name in initial},
    }


def quality(hidden: Sequence[Tensor], target_gram: Tensor) -> dict[str, Tensor]:
    """Ranks and alignment of features [E, n, m_k]; NaN where these underflow. Each [E, l]"""
    import torch

    from nup.curvature.ntk import kernel_alignment, resolved
    from nup.curvature.spectral_norm import spectral_norm

    names = ("soft_rank", "cosine_rank", "stable_rank", "alignment")
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for x in hidden:
        gram = x @ x.mT  # [E, n, n]
        sizes = gram.abs().amax((-2, -1), keepdim=True).sqrt()
        gram = resolved(gram)
        powers, squares = gram.diagonal(dim1=-2, dim2=-1), gram.square()
        trace, alive = powers.sum(-1), powers > 0
        # A sample without features has no cosine, and does not count.
        inverse = torch.where(alive, 1 / powers, torch.zeros_like(powers))[..., None]
        cosines = (inverse.mT @ squares @ inverse).squeeze(-1).squeeze(-1)  # ‖C‖²
        found["soft_rank"].append(trace**2 / squares.sum((-2, -1)))
        found["cosine_rank"].append(alive.sum(-1) ** 2 / cosines)
        found["stable_rank"].append(trace / spectral_norm(x / sizes.where(sizes > 0, 1)).square())
        found["alignment"].append(kernel_alignment(gram, target_gram))
    return {name: torch.stack(values, -1) for name, values in found.items()}


def gram_ranks(features: Sequence[Tensor], cotangents: Sequence[Tensor]) -> Tensor:
    """tr(AB)²/tr(ABAB) of x_{k−1} [E, n, m_{k−1}] and ∂L/∂h_k [E, n, m_k] of layers. [E, l]"""
    import torch

    found = []
    for x, delta in zip(features, cotangents, strict=True):
        # Both are scaled to size 1: their fourth powers may not be numbers of single precision.
        x, delta = (each / each.norm(dim=(-2, -1), keepdim=True) for each in (x, delta))
        product = (x @ x.mT) @ (delta @ delta.mT)  # A B [E, n, n]
        trace = product.diagonal(dim1=-2, dim2=-1).sum(-1)
        found.append(trace**2 / (product * product.mT).sum((-2, -1)))
    return torch.stack(found, -1)
