"""λ_t of one network: the Gauss–Newton operator and a Krylov space, as in ``nup.curvature.lanczos``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nup.kernels import blas, elementwise, losses
from nup.kernels.elementwise import Array
from nup.kernels.jit import jit
from nup.kernels.network import Memory, Shape, backward_step, input_features, matrix, samples_of

#: As in ``nup.curvature.lanczos``.
ROUNDING = 100


class Krylov(NamedTuple):
    """Room for a Krylov space of at most ``products`` vectors of n·d_out outputs.

    ``grams`` [l, n²] holds φ̂ φ̂ᵀ of the layers for which forming it saves operations, else nothing.
    """

    basis: Array  # [products, n·d_out]
    images: Array  # [products, n·d_out]
    grams: Array  # [l, n²] or [l, 0]
    narrow: Array  # largest m_k·m_{k-1}
    found: Array  # [n·d_out]: the vector found last


@jit
def uses_gram(shape: Shape, k: int, n: int) -> bool:
    """Whether (δᵀ x) x is cheaper by way of x xᵀ."""
    fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
    return n * (fan_in + fan_out) < 2 * fan_in * fan_out


@jit
def prepare(inputs: Array, shape: Shape, memory: Memory, krylov: Krylov) -> None:
    """Form the Gram matrices that the products of one state share."""
    n = inputs.shape[0]
    for k in range(shape.gains.size):
        if uses_gram(shape, k, n):
            features = input_features(inputs, k, shape, memory)
            np.dot(features, features.T, krylov.grams[k].reshape(n, n))


@jit
def product(
    weights: Array,
    inputs: Array,
    factors: Array,
    classes: bool,
    p: Array,
    shape: Shape,
    memory: Memory,
    krylov: Krylov,
    vector: Array,
    out: Array,
) -> None:
    """out ← (1/n) Bᵀ J D Jᵀ B vector, D = diag(factors); overwrites ``memory.delta``."""
    n, depth = inputs.shape[0], shape.gains.size
    d_out = shape.widths[depth]
    top = samples_of(memory.delta, shape, depth - 1, n)
    losses.hessian_root(p, vector.reshape(n, d_out), classes, False, top)
    elementwise.scale(top.reshape(-1), shape.multiplier)
    for k in range(depth - 1, 0, -1):
        backward_step(weights, k, n, shape, memory)
    last = 0
    for k in range(depth):
        fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
        delta = samples_of(memory.delta, shape, k, n)
        features = input_features(inputs, k, shape, memory)
        tangent = memory.scratch[1 - last][: n * fan_out]
        if uses_gram(shape, k, n):
            np.dot(krylov.grams[k].reshape(n, n), delta, tangent.reshape(n, fan_out))
        else:
            update = krylov.narrow[: fan_out * fan_in].reshape(fan_in, fan_out)
            blas.over_samples(features, delta, shape.rows[k], update)
            blas.times(features, update, shape.rows[k], tangent.reshape(n, fan_out))
        scale = shape.gains[k] * shape.gains[k] * factors[k]
        if k == 0:
            elementwise.scale(tangent, scale)
        else:
            below = memory.scratch[last][: n * fan_in]
            inner = memory.scratch[2][: n * fan_in]
            through = memory.scratch[3][: n * fan_out]
            h = samples_of(memory.h, shape, k - 1, n).reshape(-1)
            elementwise.masked_copy(inner, below, h, shape.slopes)
            blas.times_transposed(
                inner.reshape(n, fan_in),
                matrix(weights, shape, k),
                shape.rows[k],
                memory.turned,
                through.reshape(n, fan_out),
            )
            elementwise.scale(through, shape.gains[k])
            elementwise.add_scaled(tangent, scale, through)
            if shape.skip[k]:
                elementwise.add_scaled(tangent, shape.gains.dtype.type(1), below)
        last = 1 - last
    result = memory.scratch[last][: n * d_out]
    elementwise.scale(result, shape.multiplier / n)
    losses.hessian_root(p, result.reshape(n, d_out), classes, True, out.reshape(n, d_out))


@jit
def normalize(vector: Array) -> None:
    """vector ← vector/‖vector‖, and zero stays zero."""
    length = np.sqrt(elementwise.dot(vector, vector))
    if length > 0:
        elementwise.scale(vector, vector.dtype.type(1 / length))


@jit
def top_eigenvalue(
    weights: Array,
    inputs: Array,
    factors: Array,
    classes: bool,
    p: Array,
    shape: Shape,
    memory: Memory,
    krylov: Krylov,
    start: Array,
    tolerance: float,
    found: Array,
) -> tuple[float, float, int]:
    """λ, its relative residual and the products it took; the next start vector goes to ``found``.

    The rule is that of ``nup.curvature.lanczos.top_eigenpair``: a Krylov space of ``start``, looked at
    after every second product, until the residual is at most ``tolerance`` or the space is full.
    """
    products = krylov.basis.shape[0]
    projected, eps = np.zeros((products, products)), np.finfo(start.dtype).eps
    prepare(inputs, shape, memory, krylov)
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
        product(weights, inputs, factors, classes, p, shape, memory, krylov, vector, image)
        for i in range(j + 1):
            above = elementwise.dot(krylov.basis[i], image)
            below = elementwise.dot(krylov.images[i], vector)
            projected[i, j] = projected[j, i] = (above + below) / 2
        used = j + 1
        if j % 2 == 0 and used < products:
            continue
        value, residual = _ritz(projected[:used, :used].copy(), krylov, used, found)
        if residual <= tolerance:
            break
    return value, residual, used


@jit
def _ritz(projected: Array, krylov: Krylov, used: int, found: Array) -> tuple[float, float]:
    """Top Ritz value and its relative residual; its image, normalized, goes to ``found``.

    A space that is not finite has no value, and nothing left to converge.
    """
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
    normalize(found)
    return top, residual
