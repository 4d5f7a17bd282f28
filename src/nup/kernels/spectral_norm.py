"""Spectral norms of small matrices, one after another in cache."""

from __future__ import annotations

import numpy as np

from nup.kernels import elementwise
from nup.kernels.elementwise import Array
from nup.kernels.jit import entry, jit
from nup.kernels.lanczos import ROUNDING


@entry
def spectral_norms(matrices: Array, start: Array, products: int, out: Array) -> None:
    """Largest singular values of ``matrices`` [E, p, q] → ``out`` [E]: lower bounds.

    Rayleigh–Ritz on the Krylov space of AᵀA, or of A Aᵀ if that is smaller, from ``start``
    [min(p, q)], as ``nup.curvature.lanczos.spectral_norm`` does for all matrices at once.
    """
    for i in range(matrices.shape[0]):
        out[i] = _spectral_norm(matrices[i], start, min(products, start.size))


@jit
def _spectral_norm(matrix: Array, start: Array, products: int) -> float:
    tall = matrix.shape[0] >= matrix.shape[1]
    basis = np.empty((products, start.size), matrix.dtype)
    projected = np.zeros((products, products))
    rounding = ROUNDING * np.finfo(matrix.dtype).eps
    vector, used = start / np.sqrt(np.dot(start, start)), 0
    for j in range(products):
        elementwise.copy(basis[j], vector)
        used = j + 1
        if tall:
            vector = np.dot(np.dot(matrix, vector), matrix)
        else:
            vector = np.dot(matrix, np.dot(vector, matrix))
        for i in range(j + 1):
            projected[i, j] = projected[j, i] = np.dot(basis[i], vector)
        image = np.sqrt(np.dot(vector, vector))
        for _ in range(2):  # twice is enough for orthogonality to rounding
            for i in range(j + 1):
                vector = vector - np.dot(basis[i], vector) * basis[i]
        length = np.sqrt(np.dot(vector, vector))
        if not np.isfinite(length):
            return np.nan
        if length <= rounding * image:  # the space is complete
            break
        vector = vector / length
    top = np.linalg.eigvalsh(projected[:used, :used].copy())[-1]
    return np.sqrt(max(top, 0.0))
