"""The two losses on stacked outputs: the value, and a root of its Hessian in the outputs.

Outputs are f [E, n, d_out]; targets [n, d_out] or [E, n, d_out] (one-hot rows for cross-entropy).
Both losses are means over samples: mse = (1/2n) Σ_i |f_i − y_i|², cross_entropy = (1/n) Σ_i
−log softmax(f_i)[y_i]. The factor ½ and the absent 1/d_out move every threshold in η. Derivatives
are those of ``torch.func``; the root of the Hessian is not unique, so it is written out.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Loss(Protocol):
    """What training asks of a loss."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each member. [E]"""

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        """B v, or Bᵀ v, where B Bᵀ is n times the Hessian of L in f. [E, n, d_out]"""

    def null_value(self, targets: Tensor) -> float:
        """Loss of the best constant predictor, for targets standardized on these samples."""


class MeanSquaredError:
    """(1/2n) Σ_i |f_i − y_i|²."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().sum((-2, -1)) / (2 * outputs.shape[-2])

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        return vectors

    def null_value(self, targets: Tensor) -> float:
        return float(targets.square().sum() / (2 * targets.shape[-2]))


class CrossEntropy:
    """(1/n) Σ_i −log softmax(f_i)[class of i]; targets are one-hot."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (torch.logsumexp(outputs, -1) - (outputs * targets).sum(-1)).mean(-1)

    def hessian_root(self, outputs: Tensor, vectors: Tensor, transpose: bool = False) -> Tensor:
        # diag(p) − p pᵀ = B Bᵀ with B = diag(√p) − p √pᵀ, since Σ p = 1.
        p = torch.softmax(outputs, -1)
        root = p.sqrt()
        if transpose:
            return root * (vectors - (p * vectors).sum(-1, keepdim=True))
        return root * vectors - p * (root * vectors).sum(-1, keepdim=True)

    def null_value(self, targets: Tensor) -> float:
        return math.log(targets.shape[-1])


LOSSES: dict[str, type[MeanSquaredError] | type[CrossEntropy]] = {
    "mse": MeanSquaredError,
    "cross_entropy": CrossEntropy,
}
