"""Products with the preconditioned Gauss–Newton matrix of one network, in output space.

M = (1/n) Bᵀ J D Jᵀ B, D = diag(c_k ξ_k) per layer, as in ``nup.curvature.gauss_newton``. The
tangent along D Jᵀ v is a sum of n outer products per layer, so (δᵀ x) x is formed either by way of
δᵀ x [m_k, m_{k-1}] or of the Gram matrix x xᵀ [n, n], whichever takes fewer operations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nup.kernels import blas, elementwise, losses
from nup.kernels.elementwise import Array
from nup.kernels.jit import jit
from nup.kernels.network import Memory, Shape, cotangents, input_features, matrix, samples_of


class Linearized(NamedTuple):
    """A network at one state, for products with its curvature: what they are taken of."""

    weights: Array  # [N]
    inputs: Array  # [n, m_0]
    factors: Array  # c_k ξ_k [l]
    classes: bool  # cross-entropy
    p: Array  # softmax of the outputs [n, d_out]


class Room(NamedTuple):
    """Room for products.

    ``grams`` [l, n²] holds x xᵀ of the layers for which forming it saves operations, else nothing.
    ``tangents`` and ``direction`` are those of the Hessian, and empty where it is not measured.
    """

    grams: Array  # [l, n²] or [l, 0]
    narrow: Array  # largest m_k·m_{k-1}
    tangents: Array  # [n · units]
    direction: Array  # [N]


@jit
def uses_gram(shape: Shape, k: int, n: int) -> bool:
    """Whether (δᵀ x) x is cheaper by way of x xᵀ."""
    fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
    return n * (fan_in + fan_out) < 2 * fan_in * fan_out


@jit
def prepare(inputs: Array, shape: Shape, memory: Memory, room: Room) -> None:
    """Form the Gram matrices that the products of one state share."""
    n = inputs.shape[0]
    for k in range(shape.betas.size):
        if uses_gram(shape, k, n):
            features = input_features(inputs, k, shape, memory)
            np.dot(features, features.T, room.grams[k].reshape(n, n))


@jit
def product(
    at: Linearized, shape: Shape, memory: Memory, room: Room, vector: Array, out: Array
) -> None:
    """out ← M vector, both [n·d_out]; overwrites ``memory.delta``."""
    n, depth = at.inputs.shape[0], shape.betas.size
    d_out = shape.widths[depth]
    top = samples_of(memory.delta, shape, depth - 1, n)
    losses.hessian_root(at.p, vector.reshape(n, d_out), at.classes, False, top)
    elementwise.scale(top.reshape(-1), shape.multiplier)
    cotangents(at.weights, n, shape, memory)
    last = 0
    for k in range(depth):
        fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
        delta = samples_of(memory.delta, shape, k, n)
        features = input_features(at.inputs, k, shape, memory)
        tangent = memory.scratch[1 - last][: n * fan_out]
        if uses_gram(shape, k, n):
            np.dot(room.grams[k].reshape(n, n), delta, tangent.reshape(n, fan_out))
        else:
            update = room.narrow[: fan_out * fan_in].reshape(fan_in, fan_out)
            blas.over_samples(features, delta, shape.rows[k], update)
            blas.times(features, update, shape.rows[k], tangent.reshape(n, fan_out))
        scale = shape.betas[k] * shape.betas[k] * at.factors[k]
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
                matrix(at.weights, shape, k),
                shape.rows[k],
                memory.turned,
                through.reshape(n, fan_out),
            )
            elementwise.scale(through, shape.betas[k])
            elementwise.add_scaled(tangent, scale, through)
            if shape.skip[k]:
                elementwise.add_scaled(tangent, shape.betas.dtype.type(1), below)
        last = 1 - last
    result = memory.scratch[last][: n * d_out]
    elementwise.scale(result, shape.multiplier / n)
    losses.hessian_root(at.p, result.reshape(n, d_out), at.classes, True, out.reshape(n, d_out))
