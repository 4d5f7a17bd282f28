"""The whole idea on one page: νP, the Normalized Update Parameterization, in plain torch.

    python examples/minimal.py

An MLP whose hidden widths grow quadratically with depth learns handwritten digits by full-batch
gradient descent. Printed are what the paper speaks of: the sharpness λ_t, which climbs to 2/η; the
cosine of new and cumulative updates, which falls to 0 there; and how far preactivations have moved.
The tags say whose a formula is (docs/provenance.md). tests/test_minimal.py finds the same by nup.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.func import grad, jacrev

Weights = list[Tensor]  # W_1 … W_l, each [m_k, m_{k-1}]


def initial_weights(m: int, depth: int, d_in: int, d_out: int, seed: int) -> Weights:
    """Hidden widths m_k = m·k² [v2] [comp], entries N(0, 1/m_{k-1}): the Edge of Chaos of |s|."""
    source = torch.Generator().manual_seed(seed)
    widths = [d_in, *(m * k**2 for k in range(1, depth)), d_out]
    return [
        torch.randn(fan_out, fan_in, generator=source, dtype=torch.float64) / fan_in**0.5
        for fan_in, fan_out in pairwise(widths)
    ]


def preactivations(weights: Weights, x: Tensor) -> list[Tensor]:
    """h_1 = W_1 x and h_k = W_k |h_{k-1}|, each [n, m_k]. [comp]"""
    h = [x @ weights[0].T]
    for weight in weights[1:]:
        h.append(h[-1].abs() @ weight.T)
    return h


def outputs(weights: Weights, x: Tensor, m: int) -> Tensor:
    """f = γ h_l with γ = m^{-1/2}, the mean-field scale of width m. [n, m_l] [operational]"""
    return preactivations(weights, x)[-1] / m**0.5


def loss(weights: Weights, x: Tensor, y: Tensor, m: int) -> Tensor:
    """L = (1/2n) Σ_i |f(x_i) − y_i|². [operational]"""
    return (outputs(weights, x, m) - y).square().sum() / (2 * len(x))


def lr_factors(weights: Weights, m: int) -> list[float]:
    """c_k = m/m_{k-1}: every update over the squared norm of its layer's input. [operational]"""
    return [m / weight.shape[1] for weight in weights]


def train(
    weights: Weights, x: Tensor, y: Tensor, m: int, rate: float, steps: int
) -> Iterator[tuple[Weights, Weights]]:
    """Yield W_k(t) and the update that follows, ΔW_k = −η c_k ∂L/∂W_k, for t = 0 … steps. [lit]"""
    for _ in range(steps + 1):
        factors, gradients = lr_factors(weights, m), grad(loss)(weights, x, y, m)
        updates = [-rate * c * g for c, g in zip(factors, gradients, strict=True)]
        yield weights, updates
        weights = [w + u for w, u in zip(weights, updates, strict=True)]


def sharpness(weights: Weights, x: Tensor, m: int) -> float:
    """λ_t: the largest eigenvalue of (1/n) Σ_k c_k J_k J_kᵀ with J_k = ∂f/∂W_k. [operational]"""
    jacobians = [j.flatten(2).flatten(0, 1) for j in jacrev(outputs)(weights, x, m)]  # [n·m_l, …]
    parts = [c * j @ j.T for c, j in zip(lr_factors(weights, m), jacobians, strict=True)]
    return float(torch.linalg.eigvalsh(sum(parts) / len(x))[-1])


def cosine(updates: Weights, weights: Weights, start: Weights) -> float:
    """⟨Δ_t, θ_t − θ_0⟩/(‖Δ_t‖ ‖θ_t − θ_0‖): a new update and all before it. [v1] [operational]"""
    new = torch.cat([u.flatten() for u in updates])
    moved = torch.cat([(w - w0).flatten() for w, w0 in zip(weights, start, strict=True)])
    return float(new @ moved / (new.norm() * moved.norm()))


def evolution(weights: Weights, start: Weights, probe: Tensor) -> list[float]:
    """e_k = ‖h_k(t) − h_k(0)‖/‖h_k(0)‖ on samples that are not trained on. [v1] [operational]"""
    pairs = zip(preactivations(weights, probe), preactivations(start, probe), strict=True)
    return [float((h - h0).norm() / h0.norm()) for h, h0 in pairs]


if __name__ == "__main__":
    images, labels = map(torch.as_tensor, load_digits(return_X_y=True))
    x = images[:64] / images[:64].square().mean(1, keepdim=True).sqrt()  # RMS 1
    y = torch.eye(10, dtype=torch.float64)[labels[:48]]
    y = (y - y.mean(0)) / y.std(0, correction=0)
    m, rate, start = 8, 0.25, initial_weights(8, 4, 64, 10, seed=0)
    print("step    loss   η·λ_t   cos_t   e_1 … e_4")
    for t, (weights, updates) in enumerate(train(start, x[:48], y, m, rate, steps=100)):
        if t % 10 == 0:
            row = [loss(weights, x[:48], y, m), rate * sharpness(weights, x[:48], m)]
            row += [cosine(updates, weights, start), *evolution(weights, start, x[48:])]
            print(f"{t:4}", *(f"{value:7.3f}" for value in row))
