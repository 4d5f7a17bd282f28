"""Neural tangent kernels of stacked networks, and how kernels are aligned. [lit]"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import vjp

from nup.networks.mlp import Network


def neural_tangent_kernel(
    network: Network, weights: Sequence[Tensor], inputs: Tensor, multipliers: Tensor
) -> Tensor:
    """Σ_k c_k ξ_k ⟨∂f/∂W_k(i), ∂f/∂W_k(j)⟩ averaged over outputs. [E, n, n]

    ``inputs`` [n, m_0]; ``multipliers`` are c_k ξ_k [E, l] or [1, l]. Since
    ∂f_o/∂W_k(i) = β_k δ_k^o(i) x_{k-1}(i)ᵀ with δ_k^o = ∂f_o/∂h_k, the products of layer k are those
    of the inputs x_{k-1} times those of the δ_k^o.
    """
    members, samples = len(weights[0]), len(inputs)
    shape = network.parameterization
    shifts = [weight.new_zeros(members, samples, weight.shape[1]) for weight in weights]

    def outputs(shifts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h = network.preactivations(weights, inputs, shifts)
        return shape.output_multiplier * h[-1], h

    f, pull, h = vjp(outputs, shifts, has_aux=True)
    totals = [f.new_zeros(members, samples, samples) for _ in weights]  # Σ_o δ^o δ^oᵀ
    for output in range(f.shape[-1]):
        cotangent = torch.zeros_like(f)
        cotangent[..., output] = 1.0
        for total, delta in zip(totals, pull(cotangent)[0], strict=True):
            total.baddbmm_(delta, delta.mT)
    kernel = torch.zeros_like(totals[0])
    for k, x in enumerate(network.features(inputs, h)):
        scale = multipliers[:, k, None, None] * shape.branch_multipliers[k] ** 2 / f.shape[-1]
        kernel += totals[k].mul_(x @ x.mT).mul_(scale)
    return kernel


def kernel_alignment(kernel: Tensor, other: Tensor) -> Tensor:
    """Centred kernel alignment ⟨HKH, HK′H⟩/(‖HKH‖ ‖HK′H‖) of [E, n, n] with [n, n]. [E] [lit]"""
    centred, target = _centred(kernel), _centred(other)
    product = (centred * target).sum((-2, -1))
    return product / (centred.norm(dim=(-2, -1)) * target.norm(dim=(-2, -1)))


def _centred(kernel: Tensor) -> Tensor:
    by_row = kernel - kernel.mean(-1, keepdim=True)
    return by_row - by_row.mean(-2, keepdim=True)
