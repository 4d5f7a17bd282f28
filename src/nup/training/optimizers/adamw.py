"""AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.optimizers import register

if TYPE_CHECKING:
    from torch import Tensor


@register(
    moments=2,
    rescales=True,
    beta1=Option(0.9, low=0.0, below=1.0, meaning="decay of the first moment"),
    beta2=Option(0.999, low=0.0, below=1.0, meaning="decay of the second moment"),
    eps=Option(1e-8, above=0.0, meaning="added to the root of the second moment"),
    weight_decay=Option(0.01, low=0.0, meaning="decoupled decay of the weights"),
)
def adamw(
    parameters: Tensor,
    update: Tensor,
    moments: tuple[Tensor, ...],
    step: int,
    options: Mapping[str, float],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019). [lit]

    At step t = 1, 2, … with moments M ← β₁M + (1−β₁)U and V ← β₂V + (1−β₂)U²,
    D = M̂/(√V̂ + ε) + weight_decay·W, where M̂ = M/(1−β₁ᵗ) and V̂ = V/(1−β₂ᵗ). So W ← W − η_t D is
    the step of ``torch.optim.AdamW`` at the rate η_t.
    """
    beta1, beta2 = options["beta1"], options["beta2"]
    bias1, bias2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
    first = moments[0].lerp_(update, 1 - beta1)
    second = moments[1].mul_(beta2).addcmul_(update, update, value=1 - beta2)
    size = (second / bias2).sqrt_().add_(options["eps"])
    direction = (first / bias1).div_(size).add_(parameters, alpha=options["weight_decay"])
    return direction, (first, second)
