"""Top eigenvalues of the preconditioned Gauss–Newton matrix, for all members at once.

M = (1/n) Bᵀ J D Jᵀ B in output space [n·d_out]²: J the Jacobian of the outputs in the weights,
D = diag(c_k ξ_k) per layer, B Bᵀ the loss's Hessian in the outputs (the identity for mse). Its top
eigenvalue λ is that of D^{1/2} (∇² Gauss–Newton) D^{1/2}; for mse it is the NTK of this very update,
and η λ = 2 the edge of stability [lit].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nup.ensemble import LayerFactors, Network, Trace, generator
from nup.losses import Loss

#: A symmetric operator on stacked vectors [E, N].
Operator = Callable[[Tensor], Tensor]


@dataclass
class Eigenpair:
    """Top eigenvalue [E], relative residual ‖Mv − λv‖/λ [E], and the next start vector [E, N]."""

    value: Tensor
    residual: Tensor
    vector: Tensor


def top_eigenpair(operator: Operator, start: Tensor, products: int) -> Eigenpair:
    """Largest eigenvalue of a positive semi-definite operator from a Krylov space of ``start``.

    Rayleigh–Ritz on span{v, Mv, …} of dimension ``products``, the number of applications of M; with
    one product this is a step of power iteration. The value is a lower bound of λ, with error at
    most the residual (and of its square where the eigenvalue is separated). The vector returned is
    M times the Ritz vector, normalized: the start of a warm-started next call.
    """
    vector = _normalized(start)
    basis, images = [vector], [operator(vector)]
    for _ in range(products - 1):
        vector = images[-1]
        for _ in range(2):  # twice is enough for orthogonality to rounding
            for other in basis:
                vector = vector - (vector * other).sum(-1, keepdim=True) * other
        vector = _normalized(vector)
        basis.append(vector)
        images.append(operator(vector))
    Q, MQ = torch.stack(basis, 1), torch.stack(images, 1)  # [E, products, N]
    T = (Q @ MQ.mT).double()
    finite = torch.isfinite(T).all(-1).all(-1)
    T = torch.where(finite[:, None, None], (T + T.mT) / 2, torch.zeros_like(T))
    values, vectors = torch.linalg.eigh(T)
    top = values[:, -1].to(start.dtype)
    ritz = vectors[:, None, :, -1].to(start.dtype)  # [E, 1, products]
    image = (ritz @ MQ).squeeze(1)
    error = image - top[:, None] * (ritz @ Q).squeeze(1)
    residual = error.norm(dim=-1) / top.clamp_min(torch.finfo(top.dtype).tiny)
    nan = torch.full_like(top, torch.nan)
    return Eigenpair(
        torch.where(finite, top, nan), torch.where(finite, residual, nan), _normalized(image)
    )


def _normalized(vectors: Tensor) -> Tensor:
    norm = vectors.norm(dim=-1, keepdim=True)
    return vectors / norm.clamp_min(torch.finfo(vectors.dtype).tiny)


def gauss_newton_operator(
    network: Network,
    weights: Sequence[Tensor],
    trace: Trace,
    loss: Loss,
    factors: LayerFactors,
) -> Operator:
    """M as a function of stacked vectors [E, n·d_out], at the state of ``trace``.

    An application costs one backward pass and one tangent. The tangent's direction D Jᵀ v is a sum of
    n outer products per layer, so V_k x is formed either from V_k [m_k, m_{k-1}] or, where the layer
    is wide, from the Gram matrix of its inputs [n, n], whichever takes fewer operations.
    """
    outputs = network.outputs(trace)
    members, samples, d_out = outputs.shape
    grams = [
        features @ features.mT if samples * sum(widths) < 2 * widths[0] * widths[1] else None
        for features, widths in zip(trace.features, _layer_widths(network), strict=True)
    ]

    def apply(vectors: Tensor) -> Tensor:
        v = vectors.view(members, samples, d_out)
        deltas = network.backward(weights, trace, loss.hessian_root(outputs, v))
        tangent, inner = None, None
        for k, (weight, delta, factor) in enumerate(zip(weights, deltas, factors, strict=True)):
            product = _update_product(trace.features[k], grams[k], delta)
            scale = network.gains[k] ** 2 * factor
            product.mul_(scale[:, None, None] if isinstance(scale, Tensor) else scale)
            if inner is not None:
                product.baddbmm_(inner, weight.mT, alpha=network.gains[k])
            if network.parameterization.skip[k] and tangent is not None:
                product.add_(tangent)
            tangent = product
            if k + 1 < network.depth:
                inner = network.differentiate_(tangent.clone(), trace.preactivations[k])
        assert tangent is not None
        result = tangent * (network.output_multiplier / samples)
        return loss.hessian_root(outputs, result, transpose=True).reshape(members, -1)

    return apply


def _layer_widths(network: Network) -> list[tuple[int, int]]:
    widths = network.parameterization.widths
    return list(zip(widths, widths[1:], strict=False))


def _update_product(features: Tensor, gram: Tensor | None, delta: Tensor) -> Tensor:
    """(δᵀ X) applied to every row of X. [E, n, m_k]"""
    return gram @ delta if gram is not None else features @ (features.mT @ delta)


def spectral_norm(matrices: Tensor, products: int = 12) -> Tensor:
    """Largest singular value of stacked matrices [E, p, q], from a Krylov space. [E]

    A lower bound, within about 1 % for the matrices met here.
    """
    narrow = matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mT
    source = generator(0, "singular vector")
    start = torch.randn(narrow.shape[-1], generator=source, dtype=torch.float64)

    def apply(vectors: Tensor) -> Tensor:
        return (narrow.mT @ (narrow @ vectors[..., None])).squeeze(-1)

    start = start.to(matrices).expand(matrices.shape[0], -1)
    pair = top_eigenpair(apply, start, min(products, narrow.shape[-1]))
    return pair.value.clamp_min(0).sqrt()


class Sharpness:
    """λ_t followed along training: each call starts from the vector that the last one found.

    ``seeds`` give each member its own random start, so that a member's λ does not depend on the
    others of its stack. The first call takes ``first`` products to find the eigenvector.
    """

    def __init__(
        self, seeds: Sequence[int], size: int, like: Tensor, products: int, first: int = 24
    ) -> None:
        starts = [
            torch.randn(size, generator=generator(seed, "eigenvector"), dtype=torch.float64)
            for seed in seeds
        ]
        self._vectors = torch.stack(starts).to(like)  # [E, N]
        self._products, self._first, self._started = products, first, False

    def measure(self, operator: Operator) -> Eigenpair:
        """The top eigenpair of ``operator``, warm-started."""
        products = self._products if self._started else self._first
        pair = top_eigenpair(operator, self._vectors, products)
        self._vectors, self._started = pair.vector, True
        return pair

    def keep(self, members: Tensor) -> None:
        """Keep only the members with these indices."""
        self._vectors = self._vectors[members]
