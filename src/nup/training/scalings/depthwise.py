"""The depthwise gradient scaling read as one over the forward and backward powers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.training.scalings import COTANGENTS, FEATURES, Signals, register

if TYPE_CHECKING:
    from torch import Tensor


@register(requires=(FEATURES, COTANGENTS))
def depthwise(signals: Signals) -> Tensor:
    """ξ_{k,t} = 1/(F_{k−1,t} B_{k,t}): cancels the forward and backward norms. [operational]

    F_{k−1} = mean_i ‖x_{k−1}(i)‖²/m_{k−1} and B_k = Σ_i ‖∂L/∂h_k(i)‖² over that of the last layer.
    Both are 1 at initialization on the Edge of Chaos, so that ξ starts at about 1.
    """
    import torch

    forward = torch.stack([x.square().mean((-2, -1)) for x in signals.features], -1)  # [E, l]
    backward = torch.stack([d.square().sum((-2, -1)) for d in signals.cotangents], -1)
    return 1.0 / (forward * (backward / backward[:, -1:]))
