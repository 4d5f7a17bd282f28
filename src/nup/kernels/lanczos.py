"""Top eigenvalues of one network's curvature, by the rule of ``nup.curvature.lanczos``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nup.kernels import elementwise, gauss_newton, hessian
from nup.kernels.elementwise import Array
from nup.kernels.gauss_newton import Linearized, Room
from nup.kernels.jit import jit
from nup.kernels.network import Memory, Shape

#: What is left of a vector beside a basis is rounding if it is this many units of it or less.
ROUNDING = 100


class Krylov(NamedTuple):
    """Room for a Krylov space of at most ``products`` vectors of N numbers."""

    basis: Array  # [products, N]
    images: Array  # [products, N]
    found: Array  # [N]: the next start vector


@jit
def normalize(vector: Array) -> None:
    """vector ← vector/‖vector‖, and zero stays zero."""
    length = np.sqrt(elementwise.dot(vector, vector))
    if length > 0:
        elementwise.scale(vector, vector.dtype.type(1 / length))


@jit
def top_eigenvalue(  # noqa: C901 (one loop)
    at: Linearized,
    of_hessian: bool,
    shape: Shape,
    memory: Memory,
    room: Room,
    krylov: Krylov,
    start: Array,
    tolerance: float,
    least: int,
) -> tuple[float, float, int]:
    """λ of the Gauss–Newton matrix or the Hessian, its relative residual, the products it took.

    The rule is that of ``nup.curvature.lanczos.top_eigenpair``: a Krylov space of ``start``, looked
    at after every second product, once it has ``least`` vectors, until the residual is at most
    ``tolerance`` or the space is full.
    """
    products = krylov.basis.shape[0]
    projected, eps = np.zeros((products, products)), np.finfo(start.dtype).eps
    if not of_hessian:
        gauss_newton.prepare(at.inputs, shape, memory, room)
    elementwise.copy(krylov.basis[0], start)
    value, residual, used = np.nan, np.inf, 0
    for j in range(products):
        vector = krylov.basis[j]
        if j > 0:
            elementwise.copy(vector, krylov.images[j - 1])
            length = np.sqrt(elementwise.dot(vector, vector))
            for _ in range(2):  # twice is enough for orthogonality to rounding
                for i in range(j):
                    elementwise.subtract(
                        vector, krylov.basis[i], elementwise.dot(krylov.basis[i], vector)
                    )
            if np.sqrt(elementwise.dot(vector, vector)) <= ROUNDING * eps * length:
                elementwise.clear(vector)  # the space is complete
        normalize(vector)
        image = krylov.images[j]
        if of_hessian:
            hessian.product(at, shape, memory, room, vector, image)
        else:
            gauss_newton.product(at, shape, memory, room, vector, image)
        for i in range(j + 1):
            above = elementwise.dot(krylov.basis[i], image)
            below = elementwise.dot(krylov.images[i], vector)
            projected[i, j] = projected[j, i] = (above + below) / 2
        used = j + 1
        if (j % 2 == 0 or used < least) and used < products:
            continue
        value, residual = _ritz(projected[:used, :used].copy(), krylov, used, not of_hessian)
        if residual <= tolerance:
            break
    return value, residual, used


@jit
def _ritz(projected: Array, krylov: Krylov, used: int, definite: bool) -> tuple[float, float]:
    """Top Ritz value and its relative residual; its image goes to ``found``, normalized.

    The Ritz vector itself goes there where the matrix is not ``definite``. A space that is not
    finite has no value, and nothing left to converge.
    """
    found = krylov.found
    if not elementwise.all_finite(projected.reshape(-1)):
        for i in range(found.size):
            found[i] = np.nan
        return np.nan, 0.0
    values, vectors = np.linalg.eigh(projected)
    top = values[used - 1]
    # The image of the Ritz vector, less λ times that vector.
    error = np.zeros(found.size, found.dtype)
    elementwise.clear(found)
    for i in range(used):
        weight = -vectors[i, used - 1]
        elementwise.subtract(found, krylov.images[i], weight)
        elementwise.subtract(error, krylov.basis[i], -top * weight)
    elementwise.add_scaled(error, found.dtype.type(1), found)
    residual = np.sqrt(elementwise.dot(error, error)) / max(abs(top), np.finfo(np.float32).tiny)
    if not definite:
        elementwise.clear(found)
        for i in range(used):
            elementwise.subtract(found, krylov.basis[i], -vectors[i, used - 1])
    normalize(found)
    return top, residual
