"""The depthwise gradient scaling read as one over the squared norms of each sample's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.training.scalings import COTANGENTS, FEATURES, Signals, register

if TYPE_CHECKING:
    from torch import Tensor


def _power(signals: Signals) -> Tensor:
    """q_k = Σ_i ‖x_{k−1}(i)‖² ‖δ_k(i)‖²: the samples' ‖∂L_i/∂W_k‖², summed. [E, l]"""
    import torch

    pairs = zip(signals.features, signals.cotangents, strict=True)
    each = [(x.square().sum(-1) * delta.square().sum(-1)).sum(-1) for x, delta in pairs]
    return torch.stack(each, -1)


@register(requires=(FEATURES, COTANGENTS), start=_power)
def per_sample(signals: Signals) -> Tensor:
    """ξ_{k,t} = q_k(0)/q_k(t), q_k = Σ_i ‖x_{k−1}(i)‖² ‖∂L/∂h_k(i)‖². [operational]

    Samples whose signals are large at both ends weigh more than in F·B. The residual is part of
    ∂L/∂h_k, so that ξ grows as the loss falls.
    """
    return signals.initial / _power(signals)
