"""Forward, backward and jets of one network on flat arrays, layer after layer in cache.

The network is h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}), f = γ h_l, with φ(h_0) read as the input.
One member passes through all layers before the next one begins, so that what a layer leaves is
still in the processor's cache when the next one reads it. Matrix products are BLAS calls.

Of a network with l layers: weights W_k lie one after another in one array, at ``weight_at[k]``;
the preactivations h_k, features φ(h_k) and cotangents δ_k of n samples each in one array, layer k
at n·``unit_at[k]``. Layers count from 0 in the code.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nup.kernels import blas, elementwise
from nup.kernels.elementwise import Array, Scalar, Slopes
from nup.kernels.jit import entry, jit

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Shape(NamedTuple):
    """A network's shape: see the module."""

    widths: Integers  # [l + 1]
    weight_at: Integers  # [l + 1]
    unit_at: Integers  # [l + 1]
    betas: Array  # β_k [l]
    skip: Flags  # [l]
    slopes: Slopes
    multiplier: Scalar  # γ
    rows: Integers  # samples per call of the BLAS, see ``nup.kernels.blas`` [l]


class Memory(NamedTuple):
    """Where the passes of one network over n samples leave their results."""

    h: Array  # [n · units]
    x: Array  # [n · units]
    delta: Array  # [n · units]
    scratch: Array  # [6, n · largest width]
    squares: Array  # [l, 3]: Σh², Σ of squared input features, Σδ²
    turned: Array  # a layer's weights, transposed [largest m_k·m_{k-1}]


@jit
def matrix(weights: Array, shape: Shape, k: int) -> Array:
    """W_k as a matrix. [m_{k+1}, m_k]"""
    start, end = shape.weight_at[k], shape.weight_at[k + 1]
    return weights[start:end].reshape(shape.widths[k + 1], shape.widths[k])


@jit
def samples_of(units: Array, shape: Shape, k: int, n: int) -> Array:
    """The part of layer ``k`` of an array over all layers. [n, m_{k+1}]"""
    start, end = n * shape.unit_at[k], n * shape.unit_at[k + 1]
    return units[start:end].reshape(n, shape.widths[k + 1])


@jit
def forward(weights: Array, inputs: Array, shape: Shape, memory: Memory) -> None:
    """h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}) for ``inputs`` [n, m_0], with sums of squares."""
    n, depth = inputs.shape[0], shape.betas.size
    features = inputs
    memory.squares[0, 1] = elementwise.dot(inputs.reshape(-1), inputs.reshape(-1))
    for k in range(depth):
        h = samples_of(memory.h, shape, k, n)
        weight = matrix(weights, shape, k)
        blas.times_transposed(features, weight, shape.rows[k], memory.turned, h)
        beta = shape.betas[k]
        if shape.skip[k]:
            below = samples_of(memory.h, shape, k - 1, n)
            elementwise.add_scaled(h.reshape(-1), beta, below.reshape(-1))
            beta = shape.betas.dtype.type(1)
        if k + 1 == depth:
            memory.squares[k, 0] = elementwise.scale(h.reshape(-1), beta)
        else:
            features = samples_of(memory.x, shape, k, n)
            sums = elementwise.activate(h.reshape(-1), features.reshape(-1), beta, shape.slopes)
            memory.squares[k, 0], memory.squares[k + 1, 1] = sums


@entry
def outputs(
    weights: Array, inputs: Array, shape: Shape, memory: Memory, samples: int, out: Array
) -> None:
    """f = γ h_l of one network on ``inputs`` [·, m_0], at most ``samples`` of them at a time."""
    for start in range(0, inputs.shape[0], samples):
        chosen = inputs[start : start + samples]
        n = chosen.shape[0]
        forward(weights, chosen, shape, memory)
        h = samples_of(memory.h, shape, shape.betas.size - 1, n)
        elementwise.copy(out[start : start + n].reshape(-1), h.reshape(-1))
        elementwise.scale(out[start : start + n].reshape(-1), shape.multiplier)


@jit
def backward_step(weights: Array, k: int, n: int, shape: Shape, memory: Memory) -> None:
    """δ_{k-1} from δ_k, which lie in ``memory.delta``."""
    delta = samples_of(memory.delta, shape, k, n)
    below = samples_of(memory.delta, shape, k - 1, n)
    blas.times(delta, matrix(weights, shape, k), shape.rows[k], below)
    h = samples_of(memory.h, shape, k - 1, n).reshape(-1)
    flat = below.reshape(-1)
    memory.squares[k - 1, 2] = elementwise.differentiate(flat, h, shape.betas[k], shape.slopes)
    if shape.skip[k]:
        elementwise.add_scaled(flat, shape.betas.dtype.type(1), delta.reshape(-1))
        memory.squares[k - 1, 2] = elementwise.dot(flat, flat)


@jit
def cotangents(weights: Array, n: int, shape: Shape, memory: Memory) -> None:
    """All δ_k from that of the last layer."""
    for k in range(shape.betas.size - 1, 0, -1):
        backward_step(weights, k, n, shape, memory)


@jit
def input_features(inputs: Array, k: int, shape: Shape, memory: Memory) -> Array:
    """What layer ``k`` multiplies: the inputs, or the features below. [n, m_k]"""
    if k == 0:
        return inputs
    return samples_of(memory.x, shape, k - 1, inputs.shape[0])


@jit
def backward(weights: Array, inputs: Array, shape: Shape, memory: Memory, gradient: Array) -> None:
    """All δ_k, from that of the last layer, and δ_kᵀ x_{k-1}, the gradient over β_k."""
    n, depth = inputs.shape[0], shape.betas.size
    last = samples_of(memory.delta, shape, depth - 1, n).reshape(-1)
    memory.squares[depth - 1, 2] = elementwise.dot(last, last)
    for k in range(depth - 1, -1, -1):
        delta = samples_of(memory.delta, shape, k, n)
        features = input_features(inputs, k, shape, memory)
        blas.over_samples(delta, features, shape.rows[k], matrix(gradient, shape, k))
        if k > 0:
            backward_step(weights, k, n, shape, memory)


@jit
def jets(
    weights: Array,
    inputs: Array,
    gradient: Array,
    scales: Array,
    order: int,
    shape: Shape,
    memory: Memory,
    out: Array,
) -> float:
    """Power series of f along −U, U_k = scales_k · gradient_k, up to ``order`` 2 or 3.

    Leaves f_1 … f_{order-1} in ``out`` [2, ≥ n, m_l] and returns ⟨∂L/∂f, f_order⟩. [derived]

    The last coefficient enters a Taylor coefficient of the loss only through that product, and is
    linear in its sources −β_k U_k x_{k-1}^{(order-1)}: so the cotangents δ_k, which are there
    already, give it without passing it through the net.
    """
    n, depth = inputs.shape[0], shape.betas.size
    one, adjoint, last = shape.betas.dtype.type(1), 0.0, 0
    for k in range(depth):
        fan_in, fan_out = shape.widths[k], shape.widths[k + 1]
        weight, update = matrix(weights, shape, k), matrix(gradient, shape, k)
        beta = shape.betas[k]
        pull = -beta * scales[k]
        # Preactivation series in rows 2·last and 2·last + 1 of the scratch, then the other pair.
        new = 1 - last
        first = memory.scratch[2 * new][: n * fan_out]
        second = memory.scratch[2 * new + 1][: n * fan_out]
        product = memory.scratch[4][: n * fan_out]
        by_sample = product.reshape(n, fan_out)
        rows, turned = shape.rows[k], memory.turned
        features = input_features(inputs, k, shape, memory)
        blas.times_transposed(features, update, rows, turned, first.reshape(n, fan_out))
        if k == 0:
            elementwise.scale(first, pull)
            elementwise.clear(second)
        else:
            delta = samples_of(memory.delta, shape, k, n).reshape(-1)
            inner = memory.scratch[5][: n * fan_in]
            tangent = inner.reshape(n, fan_in)
            h = samples_of(memory.h, shape, k - 1, n).reshape(-1)
            elementwise.masked_copy(inner, memory.scratch[2 * last][: n * fan_in], h, shape.slopes)
            blas.times_transposed(tangent, weight, rows, turned, by_sample)
            elementwise.scale(product, beta)
            elementwise.add_scaled(first, pull, product)
            blas.times_transposed(tangent, update, rows, turned, second.reshape(n, fan_out))
            if order == 2:
                adjoint += pull * elementwise.dot(delta, second)
            else:
                h2 = memory.scratch[2 * last + 1][: n * fan_in]
                elementwise.masked_copy(inner, h2, h, shape.slopes)
                blas.times_transposed(tangent, weight, rows, turned, by_sample)
                elementwise.scale(product, beta)
                elementwise.add_scaled(second, pull, product)
                blas.times_transposed(tangent, update, rows, turned, by_sample)
                adjoint += pull * elementwise.dot(delta, product)
            if shape.skip[k]:
                elementwise.add_scaled(first, one, memory.scratch[2 * last][: n * fan_in])
                if order == 3:
                    elementwise.add_scaled(second, one, memory.scratch[2 * last + 1][: n * fan_in])
        last = new
    width = shape.widths[depth]
    for j in range(order - 1):
        series = memory.scratch[2 * last + j][: n * width]
        elementwise.scale(series, shape.multiplier)
        elementwise.copy(out[j, :n].reshape(-1), series)
    return adjoint
