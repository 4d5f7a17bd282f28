"""Top eigenvalues of symmetric operators on stacked vectors, for all members at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nup.networks.mlp import generator

#: Relative residual to which λ_t is found in training.
TOLERANCE = 0.02
#: That of the first λ_t of a run, and the vectors that its Krylov space has at least: a random
#: start may have next to nothing of the top eigenvector. Then a small space meets another
#: eigenvalue, and the residual, which says that some eigenvalue is near, does not tell.
COLD_TOLERANCE, COLD_PRODUCTS = 1e-3, 16
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
    least: int = 0,
) -> Eigenpair:
    """Largest algebraic eigenvalue of a symmetric operator from a Krylov space of ``start``.

    Rayleigh–Ritz on span{v, Mv, M²v, …}, grown until the relative residual is at most ``tolerance``
    or M was applied ``products`` times, and ``least`` times at least; one application is a step of
    power iteration. Each member keeps the pair at which it met the tolerance, so its value does not
    depend on the others. A value is a lower bound of λ; some eigenvalue lies within the residual of
    it, which need not be the largest if ``start`` is all but orthogonal to that. The vector
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
        looked_at = j % 2 == 1 and j + 1 >= least and tolerance > 0
        if looked_at or j + 1 == products:
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


def follow(
    operator: Operator,
    starts: Tensor,
    first: bool,
    definite: bool = True,
    tolerance: float | None = None,
    products: int = MOST_PRODUCTS,
) -> tuple[Eigenpair, Tensor]:
    """A top eigenvalue followed along training: the pair, and the start vectors that come next.

    ``starts`` [E, 2, N] are those of this measurement and the next; see ``start_vectors``. A call
    starts from the vector found two calls ago, the ``first`` leaves its own to the next two. Two,
    since beyond the edge of stability the weights jump across a valley and back, so that the top
    eigenvector of every other step is alike; a third of the products is saved. There it turns so
    fast between two steps that a step of warm-started power iteration falls short of λ_t by tens of
    per cent (``tests/test_curvature.py`` shows it); hence a Krylov space grown to a residual.
    """
    start = starts[:, 0]
    usual, least = (COLD_TOLERANCE, COLD_PRODUCTS) if first else (TOLERANCE, 0)
    tolerance, products = usual if tolerance is None else tolerance, min(products, start.shape[1])
    pair = top_eigenpair(operator, start, tolerance, products, definite, least)
    finite = torch.isfinite(pair.vector).all(-1, keepdim=True)
    found = torch.where(finite, pair.vector, start)
    return pair, torch.stack([found if first else starts[:, 1], found], 1)


def start_vectors(seeds: Sequence[int], size: int, like: Tensor) -> Tensor:
    """Random start vectors for ``follow``. [E, 2, N]

    Each member has its own, so that its λ does not depend on the others of its stack.
    """
    drawn = [
        torch.randn(size, generator=generator(seed, "eigenvector"), dtype=torch.float64)
        for seed in seeds
    ]
    return torch.stack([torch.stack(drawn)] * 2, 1).to(like)
