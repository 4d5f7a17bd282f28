"""The two losses on the outputs of one network, as in ``nup.networks.losses``."""

from __future__ import annotations

import numpy as np

from nup.kernels.elementwise import Array, Scalar
from nup.kernels.jit import jit


@jit
def value(h: Array, targets: Array, multiplier: Scalar, classes: bool, p: Array) -> float:
    """The loss of outputs f = γ·h [n, d_out]; leaves softmax(f) in ``p`` if ``classes``.

    Mean squared error, or cross-entropy if ``classes``, with one-hot ``targets``.
    """
    n, d_out = h.shape
    total = 0.0
    for i in range(n):
        if not classes:
            for j in range(d_out):
                residual = multiplier * h[i, j] - targets[i, j]
                total += residual * residual / 2
            continue
        top = multiplier * h[i, 0]
        for j in range(1, d_out):
            top = max(top, multiplier * h[i, j])
        partition, chosen = 0.0, 0.0
        for j in range(d_out):
            output = multiplier * h[i, j]
            p[i, j] = np.exp(output - top)
            partition += p[i, j]
            chosen += output * targets[i, j]
        for j in range(d_out):
            p[i, j] /= partition
        total += np.log(partition) + top - chosen
    return total / n


@jit
def cotangent(
    h: Array, targets: Array, multiplier: Scalar, classes: bool, p: Array, out: Array
) -> None:
    """γ ∂L/∂f: the cotangent of the last preactivations. [n, d_out]"""
    n, d_out = h.shape
    for i in range(n):
        for j in range(d_out):
            output = p[i, j] if classes else multiplier * h[i, j]
            out[i, j] = (output - targets[i, j]) * multiplier / n


@jit
def hessian_root(p: Array, vectors: Array, classes: bool, transpose: bool, out: Array) -> None:
    """B v, or Bᵀ v, where B Bᵀ is n times the Hessian of the loss in f. [n, d_out]"""
    n, d_out = vectors.shape
    for i in range(n):
        if not classes:
            for j in range(d_out):
                out[i, j] = vectors[i, j]
            continue
        inner = 0.0
        for j in range(d_out):
            inner += (p[i, j] if transpose else np.sqrt(p[i, j])) * vectors[i, j]
        for j in range(d_out):
            root = np.sqrt(p[i, j])
            out[i, j] = (
                root * (vectors[i, j] - inner)
                if transpose
                else (root * vectors[i, j] - p[i, j] * inner)
            )


@jit
def taylor(
    h: Array,
    targets: Array,
    multiplier: Scalar,
    classes: bool,
    p: Array,
    series: Array,
    order: int,
    adjoint: float,
    out: Array,
) -> None:
    """Taylor coefficients T1 … T_order of the loss, and T2 with f linearized, in ``out`` [4].

    ``series`` [2, n, d_out] holds f_1 … f_{order-1}; ``adjoint`` is ⟨∂L/∂f, f_order⟩. The last
    entry of ``out`` is T2 without the curvature of the network.
    """
    n, d_out = h.shape
    for j in range(4):
        out[j] = 0.0
    cross = 0.0  # ⟨∂L/∂f, f_2⟩ for order 3
    for i in range(n):
        m1, second, third = 0.0, 0.0, 0.0
        for j in range(d_out):
            u1 = float(series[0, i, j])
            u2 = float(series[1, i, j]) if order == 3 else 0.0
            slope = (p[i, j] if classes else multiplier * h[i, j]) - targets[i, j]
            weight = float(p[i, j]) if classes else 1.0
            out[0] += slope * u1 / n
            cross += slope * u2 / n
            m1 += weight * u1
            second += weight * u1 * u1 / 2
            if classes:
                third += weight * (u1 * u2 + u1 * u1 * u1 / 6)
            else:
                third += u1 * u2
        if classes:
            m2 = second  # of the linearized network; that of f_2 enters by its product with p
            p_u2 = 0.0
            for j in range(d_out):
                p_u2 += p[i, j] * (series[1, i, j] if order == 3 else 0.0)
            second = m2 - m1 * m1 / 2
            third = third - m1 * (m2 + p_u2) + m1 * m1 * m1 / 3
        out[3] += second / n
        out[2] += third / n
    if order == 2:
        out[1], out[2] = out[3] + adjoint, 0.0
    else:
        out[1] = out[3] + cross
        out[2] += adjoint
