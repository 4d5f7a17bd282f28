"""Spectral norms of stacked matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from nup.curvature.lanczos import top_eigenpair
from nup.kernels.spectral_norm import spectral_norms
from nup.networks.mlp import generator


def spectral_norm(matrices: Tensor, products: int = 12) -> Tensor:
    """Largest singular value of stacked matrices [E, p, q], from a Krylov space. [E]

    A lower bound, within about 1 % for the matrices met here. On a CPU by a compiled kernel, for
    which a matrix stays in the cache.
    """
    size = min(matrices.shape[-2:])
    source = generator(0, "singular vector")
    start = torch.randn(size, generator=source, dtype=torch.float64).to(matrices)
    if matrices.device.type != "cpu":
        return stacked_spectral_norm(matrices, start, products)
    found = matrices.new_empty(len(matrices))
    spectral_norms(matrices.contiguous().numpy(), start.numpy(), products, found.numpy())
    return found


def stacked_spectral_norm(matrices: Tensor, start: Tensor, products: int) -> Tensor:
    """The same by torch for all matrices at once, from ``start`` [min(p, q)]. [E]"""
    narrow = matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mT

    def apply(vectors: Tensor) -> Tensor:
        return (narrow.mT @ (narrow @ vectors[..., None])).squeeze(-1)

    starts = start.expand(matrices.shape[0], -1)
    pair = top_eigenpair(apply, starts, products=min(products, narrow.shape[-1]))
    return pair.value.clamp_min(0).sqrt()
