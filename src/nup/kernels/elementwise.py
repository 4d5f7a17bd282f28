"""Passes over the elements of arrays, each with the sums that are wanted of what it touches.

Arrays are flat. Sums run over stretches of ``_STRETCH`` elements in the arrays' own precision and
over stretches in double precision, so that they are as accurate as pairwise summation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nup.kernels.jit import jit

#: Arrays of one precision, and numbers of it.
Array = npt.NDArray[Any]
Scalar = Any

_STRETCH = 2048


class Slopes(NamedTuple):
    """Slopes of φ̂ for positive and negative arguments, and at 0."""

    positive: Scalar
    negative: Scalar
    kink: Scalar


@jit
def activate(h: Array, x: Array, gain: Scalar, slopes: Slopes) -> tuple[float, float]:
    """h ← gain·h and x ← φ̂(h); returns Σh² and Σx²."""
    total_h, total_x = 0.0, 0.0
    for start in range(0, h.size, _STRETCH):
        # Slices, so that indices are seen not to be negative and the loop is vectorized.
        values, images = h[start : start + _STRETCH], x[start : start + _STRETCH]
        square_h, square_x = h.dtype.type(0), h.dtype.type(0)
        for i in range(values.size):
            value = gain * values[i]
            slope = slopes.positive if value > 0 else slopes.negative
            image = value * (slope if value != 0 else slopes.kink)
            values[i] = value
            images[i] = image
            square_h += value * value
            square_x += image * image
        total_h += square_h
        total_x += square_x
    return total_h, total_x


@jit
def scale(h: Array, gain: Scalar) -> float:
    """h ← gain·h; returns Σh²."""
    total = 0.0
    for start in range(0, h.size, _STRETCH):
        values = h[start : start + _STRETCH]
        square = h.dtype.type(0)
        for i in range(values.size):
            value = gain * values[i]
            values[i] = value
            square += value * value
        total += square
    return total


@jit
def add_scaled(h: Array, gain: Scalar, other: Array) -> None:
    """h ← gain·h + other."""
    for i in range(h.size):
        h[i] = gain * h[i] + other[i]


@jit
def differentiate(delta: Array, h: Array, gain: Scalar, slopes: Slopes) -> float:
    """delta ← gain·delta·φ̂′(h); returns Σdelta²."""
    total = 0.0
    for start in range(0, delta.size, _STRETCH):
        values, heights = delta[start : start + _STRETCH], h[start : start + _STRETCH]
        square = delta.dtype.type(0)
        for i in range(values.size):
            slope = slopes.positive if heights[i] > 0 else slopes.negative
            value = gain * values[i] * (slope if heights[i] != 0 else slopes.kink)
            values[i] = value
            square += value * value
        total += square
    return total


@jit
def clear(out: Array) -> None:
    """out ← 0, whatever it held: memory that is fresh may hold NaN, which no factor clears."""
    for i in range(out.size):
        out[i] = 0


@jit
def copy(out: Array, values: Array) -> None:
    """out ← values."""
    for i in range(out.size):
        out[i] = values[i]


@jit
def subtract(out: Array, values: Array, factor: float) -> None:
    """out ← out − factor·values."""
    own = out.dtype.type(factor)
    for i in range(out.size):
        out[i] -= own * values[i]


@jit
def all_finite(values: Array) -> bool:
    """Whether no value is NaN or infinite."""
    finite = True
    for i in range(values.size):
        finite &= np.isfinite(values[i])
    return finite


@jit
def masked_copy(out: Array, tangent: Array, h: Array, slopes: Slopes) -> None:
    """out ← tangent·φ̂′(h)."""
    for i in range(out.size):
        slope = slopes.positive if h[i] > 0 else slopes.negative
        out[i] = tangent[i] * (slope if h[i] != 0 else slopes.kink)


@jit
def dot(left: Array, right: Array) -> float:
    """⟨left, right⟩."""
    total = 0.0
    for start in range(0, left.size, _STRETCH):
        a, b = left[start : start + _STRETCH], right[start : start + _STRETCH]
        product = left.dtype.type(0)
        for i in range(a.size):
            product += a[i] * b[i]
        total += product
    return total


@jit
def descend(
    weight: Array, moved: Array, gradient: Array, factor: Scalar, rate: Scalar
) -> tuple[float, float, float]:
    """One update along U = factor·gradient: weight and moved fall by rate·U.

    Returns ‖U‖², ‖moved‖² before the update, and ⟨U, moved⟩ before it.
    """
    update_square, moved_square, product = 0.0, 0.0, 0.0
    for start in range(0, weight.size, _STRETCH):
        values, moves = weight[start : start + _STRETCH], moved[start : start + _STRETCH]
        slopes = gradient[start : start + _STRETCH]
        uu, mm, um = weight.dtype.type(0), weight.dtype.type(0), weight.dtype.type(0)
        for i in range(values.size):
            update, before = factor * slopes[i], moves[i]
            uu += update * update
            mm += before * before
            um += update * before
            values[i] -= rate * update
            moves[i] = before - rate * update
        update_square += uu
        moved_square += mm
        product += um
    return update_square, moved_square, product
