"""Products over samples in pieces against NumPy's whole ones."""

import numpy as np
import pytest

from nup.kernels import blas
from nup.kernels.jit import entry


@entry
def products(left, right, other, rows, room, plain, turned, summed):
    """All three of them, as other kernels call them."""
    blas.times(left, right, rows, plain)
    blas.times_transposed(left, other, rows, room, turned)
    blas.over_samples(left, plain, rows, summed)


@entry
def transposed(matrix, out):
    blas.transpose(matrix, out)


@pytest.mark.parametrize("rows", [0, 1, 4, 7, 100])
@pytest.mark.parametrize(("n", "j", "k"), [(13, 5, 3), (7, 1, 40), (33, 37, 19)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pieces_make_the_whole(dtype, n, j, k, rows):
    source = np.random.default_rng(0)
    left, right, other = (
        source.normal(size=size).astype(dtype) for size in ((n, j), (j, k), (k, j))
    )
    plain, turned, summed, room = (
        np.full(size, np.nan, dtype) for size in ((n, k), (n, k), (j, k), (j * k,))
    )
    products(left, right, other, rows, room, plain, turned, summed)
    tolerance = {"rtol": 1e-12} if dtype == "float64" else {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(plain, left @ right, **tolerance)
    np.testing.assert_allclose(turned, left @ other.T, **tolerance)
    np.testing.assert_allclose(summed, left.T @ (left @ right), **tolerance)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (8, 5), (21, 40), (64, 64)])
def test_transpose(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    out = np.full(shape[::-1], np.nan)
    transposed(matrix, out)
    np.testing.assert_array_equal(out, matrix.T)


def test_pieces_are_as_long_as_the_small_kernels_allow():
    fan_in, fan_out = np.array([64, 128, 250, 251, 784]), np.array([64, 128, 250, 251, 8])
    rows = blas.rows_per_call(fan_in, fan_out, "SkylakeX")
    assert rows.tolist() == [244, 61, 16, 0, 159]
    assert (rows * fan_in * fan_out <= blas.SMALL).all()
    for architecture in ("Haswell", "Zen", ""):
        assert not blas.rows_per_call(fan_in, fan_out, architecture).any()
