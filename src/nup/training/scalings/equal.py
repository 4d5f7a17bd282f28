"""The depthwise gradient scaling read as equal shares of the layers in the descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.training.scalings import Signals, register

if TYPE_CHECKING:
    from torch import Tensor


@register()
def equal(signals: Signals) -> Tensor:
    """ξ_{k,t} = S/(c_k ‖∂L/∂W_k‖²), S the mean of c_j ‖∂L/∂W_j‖² over layers. [operational]

    So every layer has the same part in T1, and their sum is that without scaling. [derived]
    """
    import torch

    squares = torch.stack([g.square().sum((-2, -1)) for g in signals.gradients], -1)  # [E, l]
    shares = squares * squares.new_tensor(signals.factors)
    return shares.mean(-1, keepdim=True) / shares
