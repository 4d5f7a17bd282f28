"""The depthwise gradient scaling read as one over the norms of the samples' Gram matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nup.training.scalings import COTANGENTS, FEATURES, Signals, register

if TYPE_CHECKING:
    from torch import Tensor


def _norm(samples: Tensor) -> Tensor:
    """‖Z Zᵀ‖_F = ‖Zᵀ Z‖_F of samples Z [E, n, m], by the smaller of the two. [E]"""
    n, units = samples.shape[-2:]
    gram = samples.mT @ samples if units < n else samples @ samples.mT
    return gram.norm(dim=(-2, -1))


def _power(signals: Signals) -> Tensor:
    """q_k = ‖A_{k−1}‖_F ‖B_k‖_F, A = X Xᵀ and B = Δ Δᵀ over samples. [E, l]"""
    import torch

    pairs = zip(signals.features, signals.cotangents, strict=True)
    return torch.stack([_norm(x) * _norm(delta) for x, delta in pairs], -1)


def _operations(widths: Sequence[int], samples: int) -> float:
    """2·n·m·min(n, m) for each of x_0 … x_{l−1} and δ_1 … δ_l."""
    units = [*widths[:-1], *widths[1:]]
    return 2.0 * sum(samples * m * min(samples, m) for m in units)


@register(requires=(FEATURES, COTANGENTS), start=_power, operations=_operations)
def gram(signals: Signals) -> Tensor:
    """ξ_{k,t} = q_k(0)/q_k(t), q_k = ‖A_{k−1}‖_F ‖B_k‖_F with Gram matrices A, B. [operational]

    A layer's part in −T1 is c_k q_k(0) times the alignment of A_{k−1} and B_k [derived]. The
    residual is part of ∂L/∂h_k, so that ξ grows as the loss falls.
    """
    return signals.initial / _power(signals)
