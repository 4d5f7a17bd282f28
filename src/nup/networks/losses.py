"""The two losses on stacked outputs: value, cotangent, Hessian root and Taylor coefficients.

Outputs are f [E, n, d_out]; targets [n, d_out] or [E, n, d_out] (one-hot rows for cross-entropy).
Both losses are means over samples: mse = (1/2n) Σ_i |f_i − y_i|², cross_entropy = (1/n) Σ_i
−log softmax(f_i)[y_i]. The factor ½ and the absent 1/d_out move every threshold in η.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Loss(Protocol):
    """What the engine needs of a loss."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each member. [E]"""

    def cotangent(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """∂L/∂f. [E, n, d_out]"""

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        """B v, or Bᵀ v, where B Bᵀ is n times the Hessian of L in f. [E, n, d_out]"""

    def taylor(self, outputs: Tensor, targets: Tensor, jets: Sequence[Tensor]) -> list[Tensor]:
        """Taylor coefficients T1, T2, … of L(f_0 + f_1 η + f_2 η² + …), one per jet. Each [E]"""

    def null_value(self, targets: Tensor) -> float:
        """Loss of the best constant predictor, for targets standardized on these samples."""


class MeanSquaredError:
    """(1/2n) Σ_i |f_i − y_i|²."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        residual = outputs - targets
        return residual.square().sum((-2, -1)) / (2 * outputs.shape[-2])

    def cotangent(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).div_(outputs.shape[-2])

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        return vectors

    def taylor(self, outputs: Tensor, targets: Tensor, jets: Sequence[Tensor]) -> list[Tensor]:
        series = [outputs - targets, *jets]
        coefficients = []
        for order in range(1, len(series)):
            pairs = [(series[i] * series[order - i]).sum((-2, -1)) for i in range(order + 1)]
            coefficients.append(torch.stack(pairs).sum(0) / (2 * outputs.shape[-2]))
        return coefficients

    def null_value(self, targets: Tensor) -> float:
        return float(targets.square().sum() / (2 * targets.shape[-2]))


class CrossEntropy:
    """(1/n) Σ_i −log softmax(f_i)[class of i]; targets are one-hot."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        chosen = (outputs * targets).sum(-1)
        return (torch.logsumexp(outputs, -1) - chosen).mean(-1)

    def cotangent(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (torch.softmax(outputs, -1) - targets) / outputs.shape[-2]

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        # diag(p) − p pᵀ = B Bᵀ with B = diag(√p) − p √pᵀ, since Σ p = 1.
        p = torch.softmax(outputs, -1)
        root = p.sqrt()
        if transpose:
            return root * (vectors - (p * vectors).sum(-1, keepdim=True))
        return root * vectors - p * (root * vectors).sum(-1, keepdim=True)

    def taylor(self, outputs: Tensor, targets: Tensor, jets: Sequence[Tensor]) -> list[Tensor]:
        # log Σ_c p_c exp(u_c) of the power series u = f_1 η + f_2 η² + f_3 η³, up to order 3.
        zero = torch.zeros_like(outputs)
        u1, u2, u3 = (*jets, zero, zero)[:3]
        p = torch.softmax(outputs, -1)
        m1 = (p * u1).sum(-1)
        m2 = (p * (u2 + u1**2 / 2)).sum(-1)
        m3 = (p * (u3 + u1 * u2 + u1**3 / 6)).sum(-1)
        log_series = (m1, m2 - m1**2 / 2, m3 - m1 * m2 + m1**3 / 3)
        return [
            (part - (jet * targets).sum(-1)).mean(-1)
            for part, jet in zip(log_series, jets, strict=False)
        ]

    def null_value(self, targets: Tensor) -> float:
        return math.log(targets.shape[-1])


LOSSES: dict[str, type[MeanSquaredError] | type[CrossEntropy]] = {
    "mse": MeanSquaredError,
    "cross_entropy": CrossEntropy,
}
