"""Passes over the elements of arrays, each with the sums that are wanted of what it touches.

Arrays are flat. Sums run over pieces of ``_PIECE`` elements in the arrays' own precision and over
the pieces in double precision, so that they are as accurate as pairwise summation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nup.kernels.jit import jit

#: Arrays of one precision, and numbers of it.
Array = npt.NDArray[Any]
Scalar = Any

_PIECE = 2048


class Slopes(NamedTuple):
    """Slopes of φ for positive arguments and for all others."""

    positive: Scalar
    negative: Scalar


@jit
def activate(h: Array, x: Array, gain: Scalar, slopes: Slopes) -> tuple[float, float]:
    """h ← gain·h and x ← φ(h); returns Σh² and Σx²."""
    total_h, total_x = 0.0, 0.0
    for start in range(0, h.size, _PIECE):
        # Slices, so that indices are seen not to be negative and the loop is vectorized.
        values, images = h[start : start + _PIECE], x[start : start + _PIECE]
        square_h, square_x = h.dtype.type(0), h.dtype.type(0)
        for i in range(values.size):
            value = gain * values[i]
            image = value * (slopes.positive if value > 0 else slopes.negative)
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
    for start in range(0, h.size, _PIECE):
        values = h[start : start + _PIECE]
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
    """delta ← gain·delta·φ′(h); returns Σdelta²."""
    total = 0.0
    for start in range(0, delta.size, _PIECE):
        values, heights = delta[start : start + _PIECE], h[start : start + _PIECE]
        square = delta.dtype.type(0)
        for i in range(values.size):
            slope = slopes.positive if heights[i] > 0 else slopes.negative
            value = gain * values[i] * slope
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
    """out ← tangent·φ′(h)."""
    for i in range(out.size):
        out[i] = tangent[i] * (slopes.positive if h[i] > 0 else slopes.negative)


@jit
def dot(left: Array, right: Array) -> float:
    """⟨left, right⟩."""
    total = 0.0
    for start in range(0, left.size, _PIECE):
        a, b = left[start : start + _PIECE], right[start : start + _PIECE]
        product = left.dtype.type(0)
        for i in range(a.size):
            product += a[i] * b[i]
        total += product
    return total


@jit
def descend(
    weight: Array, displacement: Array, gradient: Array, factor: Scalar, rate: Scalar
) -> tuple[float, float, float]:
    """One update along U = factor·gradient: weight and displacement fall by rate·U.

    Returns ‖U‖², ‖displacement‖² before the update, and ⟨U, displacement⟩ before it.
    """
    update_square, moved_square, product = 0.0, 0.0, 0.0
    for start in range(0, weight.size, _PIECE):
        values, moves = weight[start : start + _PIECE], displacement[start : start + _PIECE]
        slopes = gradient[start : start + _PIECE]
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


@jit
def adaptive(
    weight: Array,
    gradient: Array,
    first: Array,
    second: Array,
    factor: Scalar,
    rule: tuple[Scalar, Scalar, Scalar, Scalar],
    bias: tuple[Scalar, Scalar],
) -> None:
    """gradient ← AdamW's direction D for U = factor·gradient; its moments move on.

    ``rule`` is (β₁, β₂, ε, weight decay) and ``bias`` is (1−β₁ᵗ, 1−β₂ᵗ).
    """
    beta1, beta2, eps, decay = rule
    one = weight.dtype.type(1)
    for i in range(weight.size):
        update = factor * gradient[i]
        first[i] += (one - beta1) * (update - first[i])
        second[i] = beta2 * second[i] + (one - beta2) * update * update
        size = np.sqrt(second[i] / bias[1]) + eps
        gradient[i] = first[i] / bias[0] / size + decay * weight[i]
