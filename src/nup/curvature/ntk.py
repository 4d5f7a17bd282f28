"""Neural tangent kernels of stacked networks, and how kernels are aligned. [lit]"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nup.networks.mlp import Network


def neural_tangent_kernel(
    network: Network, weights: Sequence[Tensor], inputs: Tensor, multipliers: Tensor
) -> Tensor:
    """Σ_k c_k ξ_k ⟨∂f/∂W_k(i), ∂f/∂W_k(j)⟩ averaged over outputs. [E, n, n]

    ``inputs`` [n, m_0] or [E, n, m_0]; ``multipliers`` are c_k ξ_k [E, l] or [1, l]. Since
    ∂f_o/∂W_k(i) = β_k δ_k^o(i) x_{k-1}(i)ᵀ with δ_k^o = ∂f_o/∂h_k, the products of layer k are
    those of the inputs x_{k-1} times those of the δ_k^o.
    """
    members, samples = len(weights[0]), inputs.shape[-2]
    shape = network.parameterization
    with torch.enable_grad():
        h = network.preactivations([w.detach().requires_grad_() for w in weights], inputs)
        f = shape.output_multiplier * h[-1]
        each = torch.eye(f.shape[-1]).to(f)[:, None, None, :].expand(-1, members, samples, -1)
        # Cotangents of every output, [m_l, E, n, m_k] of layer k.
        deltas = torch.autograd.grad(f, h, each, is_grads_batched=True)
        h = [preactivations.detach() for preactivations in h]
    kernel = f.new_zeros(members, samples, samples)
    for k, x in enumerate(network.features(inputs, h)):
        delta = deltas[k].permute(1, 2, 0, 3).flatten(2)  # [E, n, m_l m_k]
        scale = multipliers[:, k, None, None] * shape.branch_multipliers[k] ** 2 / f.shape[-1]
        kernel += (delta @ delta.mT).mul_(x @ x.mT).mul_(scale)
    return kernel


def kernel_alignment(kernel: Tensor, other: Tensor) -> Tensor:
    """Centred kernel alignment ⟨HKH, HK′H⟩/(‖HKH‖ ‖HK′H‖) of [E, n, n] with [n, n]. [E] [lit]

    NaN for a kernel that has underflowed, see ``resolved``.
    """
    centred, target = _centred(resolved(kernel)), _centred(other)
    product = (centred * target).sum((-2, -1))
    return product / (centred.norm(dim=(-2, -1)) * target.norm(dim=(-2, -1)))


def resolved(kernel: Tensor) -> Tensor:
    """A kernel [..., n, n] over its largest entry: squares of its entries are then numbers too.

    NaN if that entry is so small that others have lost their digits, or all of them: what is said
    of such a kernel would be of rounding alone.
    """
    size = kernel.abs().amax((-2, -1), keepdim=True)
    number = torch.finfo(kernel.dtype)
    return kernel / size.where(size >= number.tiny / number.eps, torch.nan)


def _centred(kernel: Tensor) -> Tensor:
    by_row = kernel - kernel.mean(-1, keepdim=True)
    return by_row - by_row.mean(-2, keepdim=True)
