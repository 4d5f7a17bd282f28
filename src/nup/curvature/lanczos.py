"""Top eigenvalues of the preconditioned Gauss–Newton matrix, for all members at once.

M = (1/n) Bᵀ J D Jᵀ B in output space [n·d_out]²: J the Jacobian of the outputs in the weights,
D = diag(c_k ξ_k) per layer, B Bᵀ the loss's Hessian in the outputs (the identity for mse). Its top
eigenvalue λ is that of D^{1/2} (∇² Gauss–Newton) D^{1/2}; for mse it is the NTK of this very
update, and η λ = 2 the edge of stability [lit].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nup.kernels.spectral_norm import spectral_norms
from nup.networks.losses import Loss
from nup.networks.mlp import LayerFactors, Network, Trace, generator

#: Relative residual to which λ_t is found in training.
TOLERANCE = 0.02
#: Vectors of a Krylov space at most.
MOST_PRODUCTS = 24

#: What is left of a vector beside a basis is rounding if it is this many units of it or less.
ROUNDING = 100

#: A symmetric operator on stacked vectors [E, N].
Operator = Callable[[Tensor], Tensor]


@dataclass
class Eigenpair:
    """Top eigenvalue [E], relative residual ‖Mv − λv‖/|λ| [E], and the next start vector [E, N].

    ``products`` is how often M was applied until the member met the tolerance. [E]
    """

    value: Tensor
    residual: Tensor
    vector: Tensor
    products: Tensor


def top_eigenpair(
    operator: Operator,
    start: Tensor,
    tolerance: float = 0.0,
    products: int = MOST_PRODUCTS,
    definite: bool = True,
) -> Eigenpair:
    """Largest algebraic eigenvalue of a symmetric operator from a Krylov space of ``start``.

    Rayleigh–Ritz on span{v, Mv, M²v, …}, grown until the relative residual is at most ``tolerance``
    or M was applied ``products`` times; one application is a step of power iteration. Each member
    keeps the pair at which it met the tolerance, so its value does not depend on the others. A
    value is a lower bound of λ; some eigenvalue lies within the residual of it. The vector
    returned is a start for the next call: M times the Ritz vector, one step of power iteration
    ahead, where M is positive semi-definite (``definite``); else the Ritz vector itself, since M
    would turn it towards negative eigenvalues of large magnitude.
    """
    members, size = start.shape
    basis = start.new_empty(members, products, size)
    images = torch.empty_like(basis)
    vector, found = start, None
    for j in range(products):
        basis[:, j] = _normalized(_beside(vector, basis[:, :j]) if j else vector)
        vector = images[:, j] = operator(basis[:, j])
        if (j % 2 == 1 and tolerance > 0) or j + 1 == products:
            pair = _ritz(basis[:, : j + 1], images[:, : j + 1], definite)
            found = _merged(found, pair, tolerance)
            if bool((found.residual <= tolerance).all()):
                break
    assert found is not None
    return found


def _beside(vector: Tensor, basis: Tensor) -> Tensor:
    """What of ``vector`` [E, N] is orthogonal to ``basis`` [E, j, N]; zero if that is rounding.

    Where the space is complete, what is left would else be blown up to a vector that is far from
    orthogonal, and the value with it.
    """
    length = vector.norm(dim=-1, keepdim=True)
    for _ in range(2):  # twice is enough for orthogonality to rounding
        vector = vector - ((vector[:, None, :] @ basis.mT) @ basis).squeeze(1)
    rounding = ROUNDING * torch.finfo(vector.dtype).eps * length
    return vector.where(vector.norm(dim=-1, keepdim=True) > rounding, torch.zeros_like(vector))


def _ritz(basis: Tensor, images: Tensor, definite: bool) -> Eigenpair:
    """Top Ritz pair of orthonormal ``basis`` [E, j, N] with ``images`` M·basis."""
    T = (basis @ images.mT).double()  # [E, j, j]
    finite = torch.isfinite(T).all(-1).all(-1)
    T = torch.where(finite[:, None, None], (T + T.mT) / 2, torch.zeros_like(T))
    values, vectors = torch.linalg.eigh(T)
    top = values[:, -1].to(basis.dtype)
    ritz = vectors[:, None, :, -1].to(basis.dtype)  # [E, 1, j]
    vector, image = (ritz @ basis).squeeze(1), (ritz @ images).squeeze(1)
    error = image - top[:, None] * vector
    residual = error.norm(dim=-1) / top.abs().clamp_min(torch.finfo(top.dtype).tiny)
    top = torch.where(finite, top, torch.full_like(top, torch.nan))
    # A member that is not finite has nothing left to converge.
    residual = torch.where(finite, residual, torch.zeros_like(residual))
    products = torch.full_like(top, basis.shape[1])
    return Eigenpair(top, residual, _normalized(image if definite else vector), products)


def _merged(old: Eigenpair | None, new: Eigenpair, tolerance: float) -> Eigenpair:
    """``old`` for the members that had met the tolerance, ``new`` for the others."""
    if old is None:
        return new
    done = old.residual <= tolerance
    return Eigenpair(
        torch.where(done, old.value, new.value),
        torch.where(done, old.residual, new.residual),
        torch.where(done[:, None], old.vector, new.vector),
        torch.where(done, old.products, new.products),
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

    An application costs one backward pass and one tangent. The tangent's direction D Jᵀ v is a sum
    of n outer products per layer, so V_k x is formed either from V_k [m_k, m_{k-1}] or, where the
    layer is wide, from the Gram matrix of its inputs [n, n], whichever takes fewer operations.
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
    return list(pairwise(widths))


def _update_product(features: Tensor, gram: Tensor | None, delta: Tensor) -> Tensor:
    """(δᵀ X) applied to every row of X. [E, n, m_k]"""
    return gram @ delta if gram is not None else features @ (features.mT @ delta)


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


class Sharpness:
    """A top eigenvalue followed along training, λ_t or the Hessian's (then not ``definite``).

    A call starts from the vector found two calls ago.

    Two, since beyond the edge of stability the weights jump across a valley and back, so that the
    top eigenvector of every other step is alike; a third of the products is saved.
    ``seeds`` give each member its own random start, so that a member's λ does not depend on the
    others of its stack. Beyond the edge of stability the top eigenvector turns so fast between two
    steps that a step of warm-started power iteration falls short of λ_t by tens of per cent
    (``tests/test_curvature.py`` shows it); hence a Krylov space grown to a stated residual.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        size: int,
        like: Tensor,
        tolerance: float = TOLERANCE,
        products: int = MOST_PRODUCTS,
        definite: bool = True,
    ) -> None:
        starts = [
            torch.randn(size, generator=generator(seed, "eigenvector"), dtype=torch.float64)
            for seed in seeds
        ]
        #: Start vectors of the next measurement and of the one after it. [E, 2, N]
        self.starts = torch.stack([torch.stack(starts)] * 2, 1).to(like)
        #: Nothing was measured yet.
        self.fresh = True
        self._tolerance, self._products = tolerance, min(products, size)
        self._definite = definite

    def measure(self, operator: Operator) -> Eigenpair:
        """The top eigenpair of ``operator``, warm-started."""
        start = self.starts[:, 0]
        pair = top_eigenpair(operator, start, self._tolerance, self._products, self._definite)
        finite = torch.isfinite(pair.vector).all(-1, keepdim=True)
        found = torch.where(finite, pair.vector, start)
        following = found if self.fresh else self.starts[:, 1]
        self.starts = torch.stack([following, found], 1)
        self.fresh = False
        return pair

    def keep(self, members: Tensor) -> None:
        """Keep only the members with these indices."""
        self.starts = self.starts[members]
