"""Products with the preconditioned Hessian of one network's loss, in parameter space.

H = D^{1/2} ∇²L D^{1/2}, D = diag(c_k ξ_k) per layer, as in ``nup.curvature.hessian``: here forward
over reverse, written out. On stacks, automatic differentiation takes half as long again; within the
cache this form takes a fraction of either, and phase diagrams measure H at every step.
"""

from __future__ import annotations

import numpy as np

from nup.kernels import blas, elementwise, losses
from nup.kernels.elementwise import Array
from nup.kernels.gauss_newton import Linearized, Room
from nup.kernels.jit import jit
from nup.kernels.network import Memory, Shape, input_features, matrix, samples_of


@jit
def product(
    at: Linearized, shape: Shape, memory: Memory, room: Room, vector: Array, out: Array
) -> None:
    """out ← H vector, both [N]; ``memory`` holds h, x and δ = ∂L/∂h of all samples."""
    n, depth = at.inputs.shape[0], shape.betas.size
    for k in range(depth):
        start, end = shape.weight_at[k], shape.weight_at[k + 1]
        elementwise.copy(room.direction[start:end], vector[start:end])
        elementwise.scale(room.direction[start:end], np.sqrt(at.factors[k]))
    last = _tangents(at, shape, memory, room)
    width = shape.widths[depth]
    change = memory.scratch[last][: n * width].reshape(n, width)
    inner = memory.scratch[4][: n * width].reshape(n, width)
    elementwise.scale(change.reshape(-1), shape.multiplier * shape.multiplier / n)
    losses.hessian_root(at.p, change, at.classes, True, inner)
    losses.hessian_root(at.p, inner, at.classes, False, change)
    for k in range(depth - 1, -1, -1):
        fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
        rows = shape.rows[k]
        change = memory.scratch[last][: n * fan_out].reshape(n, fan_out)
        delta = samples_of(memory.delta, shape, k, n)
        own = matrix(out, shape, k)
        blas.over_samples(change, input_features(at.inputs, k, shape, memory), rows, own)
        flat = own.reshape(-1)
        if k > 0:
            second = room.narrow[: fan_in * fan_out].reshape(fan_out, fan_in)
            blas.over_samples(delta, samples_of(room.tangents, shape, k - 1, n), rows, second)
            elementwise.add_scaled(flat, shape.betas.dtype.type(1), second.reshape(-1))
        elementwise.scale(flat, shape.betas[k] * np.sqrt(at.factors[k]))
        if k > 0:
            below = memory.scratch[1 - last][: n * fan_in]
            across = memory.scratch[4][: n * fan_in]
            blas.times(change, matrix(at.weights, shape, k), rows, below.reshape(n, fan_in))
            moved = matrix(room.direction, shape, k)
            blas.times(delta, moved, rows, across.reshape(n, fan_in))
            elementwise.add_scaled(below, shape.betas.dtype.type(1), across)
            h = samples_of(memory.h, shape, k - 1, n).reshape(-1)
            elementwise.differentiate(below, h, shape.betas[k], shape.slopes)
            if shape.skip[k]:
                elementwise.add_scaled(below, shape.betas.dtype.type(1), change.reshape(-1))
            last = 1 - last


@jit
def _tangents(at: Linearized, shape: Shape, memory: Memory, room: Room) -> int:
    """Tangents: of x_1 … x_{l-1} in the room, of h_l in the row of scratch that is returned."""
    n, depth, last = at.inputs.shape[0], shape.betas.size, 1
    one = shape.betas.dtype.type(1)
    for k in range(depth):
        fan_out, rows = shape.widths[k + 1], shape.rows[k]
        h = memory.scratch[1 - last][: n * fan_out]
        features = input_features(at.inputs, k, shape, memory)
        moved = matrix(room.direction, shape, k)
        blas.times_transposed(features, moved, rows, memory.turned, h.reshape(n, fan_out))
        if k > 0:
            through = memory.scratch[4][: n * fan_out]
            tangent = samples_of(room.tangents, shape, k - 1, n)
            weight = matrix(at.weights, shape, k)
            blas.times_transposed(tangent, weight, rows, memory.turned, through.reshape(n, fan_out))
            elementwise.add_scaled(h, one, through)
        elementwise.scale(h, shape.betas[k])
        if shape.skip[k]:
            elementwise.add_scaled(h, one, memory.scratch[last][: n * fan_out])
        if k + 1 < depth:
            tangent = samples_of(room.tangents, shape, k, n)
            heights = samples_of(memory.h, shape, k, n).reshape(-1)
            elementwise.masked_copy(tangent.reshape(-1), h, heights, shape.slopes)
        last = 1 - last
    return last
