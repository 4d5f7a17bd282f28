"""Neural tangent kernels of stacked networks, and how kernels are aligned. [lit]"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp, vmap

from nup.networks.mlp import Network


def neural_tangent_kernel(
    network: Network, weights: Sequence[Tensor], inputs: Tensor, multipliers: Tensor
) -> Tensor:
    """Σ_k c_k ξ_k ⟨∂f/∂W_k(i), ∂f/∂W_k(j)⟩ averaged over outputs. [E, n, n]

    ``inputs`` [n, m_0]; ``multipliers`` are c_k ξ_k [E, l] or [1, l]. Since
    ∂f_o/∂W_k(i) = β_k δ_k^o(i) x_{k-1}(i)ᵀ with δ_k^o = ∂f_o/∂h_k, the products of layer k are
    those of the inputs x_{k-1} times those of the δ_k^o.
    """
    members, samples = len(weights[0]), len(inputs)
    shape = network.parameterization
    shifts = [weight.new_zeros(members, samples, weight.shape[1]) for weight in weights]

    def outputs(shifts: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h = network.preactivations(weights, inputs, shifts)
        return shape.output_multiplier * h[-1], h

    found: tuple[Any, ...] = vjp(outputs, shifts, has_aux=True)
    f, pull, h = found
    each = torch.eye(f.shape[-1]).to(f)[:, None, None, :].expand(-1, members, samples, -1)
    (deltas,) = vmap(pull)(each)  # of every output, [m_l, E, n, m_k] each
    kernel = f.new_zeros(members, samples, samples)
    for k, x in enumerate(network.features(inputs, h)):
        delta = deltas[k].permute(1, 2, 0, 3).flatten(2)  # [E, n, m_l m_k]
        scale = multipliers[:, k, None, None] * shape.branch_multipliers[k] ** 2 / f.shape[-1]
        kernel += (delta @ delta.mT).mul_(x @ x.mT).mul_(scale)
    return kernel


def kernel_alignment(kernel: Tensor, other: Tensor) -> Tensor:
    """Centred kernel alignment ⟨HKH, HK′H⟩/(‖HKH‖ ‖HK′H‖) of [E, n, n] with [n, n]. [E] [lit]"""
    centred, target = _centred(kernel), _centred(other)
    product = (centred * target).sum((-2, -1))
    return product / (centred.norm(dim=(-2, -1)) * target.norm(dim=(-2, -1)))


def _centred(kernel: Tensor) -> Tensor:
    by_row = kernel - kernel.mean(-1, keepdim=True)
    return by_row - by_row.mean(-2, keepdim=True)
