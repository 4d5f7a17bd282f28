"""Gradient scalings of one network: ξ_k, by the rules of ``nup.training.scalings``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nup.kernels import elementwise
from nup.kernels.elementwise import Array
from nup.kernels.jit import jit
from nup.kernels.network import Memory, Shape, input_features, samples_of

#: The rules.
NONE, DEPTHWISE, EQUAL, PER_SAMPLE, GRAM = 0, 1, 2, 3, 4

Doubles = npt.NDArray[np.float64]


@jit
def clipped(scale: float, limit: float) -> float:
    """ξ as it is used, see ``nup.training.scalings.clipped``."""
    if not (np.isfinite(scale) and scale > 0):
        return 1.0
    return min(max(scale, 1 / limit), limit)


@jit
def scales(
    rule: int,
    inputs: Array,
    factors: Array,
    gradient: Array,
    shape: Shape,
    memory: Memory,
    grams: Array,
    out: Doubles,
) -> None:
    """ξ_k of every layer in ``out`` [l], or 1/q_k of the rules that compare it with the first step.

    Args:
        rule: of gradient scaling.
        inputs: of the samples of the step. [n, m_0]
        factors: c_k. [l]
        gradient: ∂L/∂W_k over β_k, end to end. [N]
        shape: of the network.
        memory: what forward and backward pass left.
        grams: room for n² numbers a layer.
        out: where ξ goes.
    """
    n, depth, squares = inputs.shape[0], shape.betas.size, memory.squares
    total = 0.0
    for k in range(depth):
        if rule == DEPTHWISE:
            power = squares[k, 1] / (n * shape.widths[k])
            out[k] = 1 / (power * squares[k, 2] / squares[depth - 1, 2])
        elif rule == EQUAL:
            own = gradient[shape.weight_at[k] : shape.weight_at[k + 1]]
            share = factors[k] * shape.betas[k] ** 2 * elementwise.dot(own, own)
            total += share / depth
            out[k] = 1 / share
        elif rule in (PER_SAMPLE, GRAM):
            features = input_features(inputs, k, shape, memory)
            delta = samples_of(memory.delta, shape, k, n)
            if rule == PER_SAMPLE:
                out[k] = 1 / _products_of_norms(features, delta)
            else:
                out[k] = 1 / (_gram_norm(features, grams[k]) * _gram_norm(delta, grams[k]))
        else:
            out[k] = 1
    if rule == EQUAL:
        for k in range(depth):
            out[k] *= total


@jit
def since_first(initial: Array, first: bool, out: Doubles) -> None:
    """q_k(0)/q_k from the 1/q_k in ``out``; the ``first`` step leaves its own in ``initial``."""
    for k in range(initial.size):
        if first:
            initial[k] = 1 / out[k]
        out[k] *= initial[k]


@jit
def _products_of_norms(features: Array, delta: Array) -> float:
    """Σ_i ‖x(i)‖² ‖δ(i)‖²."""
    total = 0.0
    for i in range(features.shape[0]):
        x, d = features[i], delta[i]
        total += elementwise.dot(x, x) * elementwise.dot(d, d)
    return total


@jit
def _gram_norm(samples: Array, room: Array) -> float:
    """‖Z Zᵀ‖_F = ‖Zᵀ Z‖_F of samples Z [n, m], by the smaller of the two in ``room``."""
    n, units = samples.shape
    size = min(n, units)
    gram = room[: size * size].reshape(size, size)
    if units < n:
        np.dot(samples.T, samples, gram)
    else:
        np.dot(samples, samples.T, gram)
    flat = gram.reshape(-1)
    return np.sqrt(elementwise.dot(flat, flat))
