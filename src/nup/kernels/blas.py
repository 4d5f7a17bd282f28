"""Products of matrices [n, ·] over samples, in as many calls of the BLAS as make it fast.

For products of up to a million multiplications some BLAS have kernels that skip packing; beside a
large product they save a tenth, beside one of 256 samples and 64 units a third. So samples go to
the BLAS in pieces of ``rows``, where the machine's BLAS is one of these (``rows_per_call``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from nup.kernels.elementwise import Array
from nup.kernels.jit import jit

#: OpenBLAS's limit for its small kernels, in multiplications, and the processors that have them, as
#: threadpoolctl names them.
SMALL = 1_000_000
SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
#: Shorter pieces cost more than they save.
LEAST_ROWS = 16

#: C ← alpha·op(A)·op(B) + beta·C in column-major order: what numba calls for ``np.dot``.
_gemm: Any = types.ExternalFunction(
    "numba_xxgemm",
    types.intc(
        *[types.int8] * 3,  # precision; transpose A, B?
        *[types.intp] * 3,  # rows of C, columns of C, length of the sums
        types.voidptr,  # alpha
        *[types.voidptr, types.intp] * 2,  # A, B, with their leading dimensions
        types.voidptr,  # beta
        *[types.voidptr, types.intp],  # C
    ),
)
_SINGLE, _DOUBLE, _PLAIN, _TRANSPOSED = (np.int8(ord(letter)) for letter in "sdnt")


def rows_per_call(
    fan_in: npt.NDArray[np.int64], fan_out: npt.NDArray[np.int64], architecture: str
) -> npt.NDArray[np.int64]:
    """How many samples of each layer one call of the BLAS takes; 0 for all at once. [l]"""
    rows = SMALL // (fan_in * fan_out)
    split = (rows >= LEAST_ROWS) & (architecture in SMALL_KERNELS)
    return np.where(split, rows, 0)


@jit
def times(left: Array, right: Array, rows: int, out: Array) -> None:
    """out ← left · right, of [n, j] and [j, k]."""
    n = left.shape[0]
    if rows == 0 or rows >= n:
        np.dot(left, right, out)
        return
    for start in range(0, n, rows):
        end = min(start + rows, n)
        np.dot(left[start:end], right, out[start:end])


@jit
def transpose(matrix: Array, out: Array) -> None:
    """out ← matrixᵀ, eight rows at a time: one vector of each column is written at once."""
    rows, columns = matrix.shape
    whole = rows - rows % 8
    for i in range(0, whole, 8):
        a, b, c, d = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
        e, f, g, h = matrix[i + 4], matrix[i + 5], matrix[i + 6], matrix[i + 7]
        for j in range(columns):
            to = out[j, i : i + 8]
            to[0], to[1], to[2], to[3] = a[j], b[j], c[j], d[j]
            to[4], to[5], to[6], to[7] = e[j], f[j], g[j], h[j]
    for i in range(whole, rows):
        for j in range(columns):
            out[j, i] = matrix[i, j]


@jit
def times_transposed(left: Array, right: Array, rows: int, room: Array, out: Array) -> None:
    """out ← left · rightᵀ, of [n, j] and [k, j]; ``room`` is for j·k numbers.

    The small kernels are slow on a transposed right, and to transpose it is less than they save.
    """
    k, j = right.shape
    if rows == 0:
        np.dot(left, right.T, out)
        return
    turned = room[: j * k].reshape(j, k)
    transpose(right, turned)
    times(left, turned, rows, out)


@jit
def over_samples(left: Array, right: Array, rows: int, out: Array) -> None:
    """out ← leftᵀ · right, of [n, j] and [n, k]."""
    n, j, k = left.shape[0], left.shape[1], right.shape[1]
    if rows == 0 or rows >= n:
        np.dot(left.T, right, out)
        return
    np.dot(left[:rows].T, right[:rows], out)
    one = np.ones(1, out.dtype)
    precision = _SINGLE if out.itemsize == 4 else _DOUBLE
    for start in range(rows, n, rows):
        end = min(start + rows, n)
        # Row-major out is column-major outᵀ = rightᵀ · left.
        _gemm(
            precision,
            _PLAIN,
            _TRANSPOSED,
            k,
            j,
            end - start,
            one.ctypes,
            right[start:end].ctypes,
            k,
            left[start:end].ctypes,
            j,
            one.ctypes,
            out.ctypes,
            k,
        )
