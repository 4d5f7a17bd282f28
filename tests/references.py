"""Slow, obvious versions of the engine's quantities: one network at a time, autograd, float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from scipy.integrate import quad
from torch import Tensor

from nup.networks.activations import Activation
from nup.networks.parameterization import Parameterization


def phi(s: Tensor, activation: Activation) -> Tensor:
    """φ as the definition writes it."""
    a, b = activation.a, activation.b
    return (a * s + b * s.abs()) / math.hypot(a, b)


def forward(
    weights: Sequence[Tensor], inputs: Tensor, shape: Parameterization, activation: Activation
) -> tuple[Tensor, list[Tensor]]:
    """Outputs f [n, d_out] and preactivations h_1 … h_l of one network, inputs [n, d_in]."""
    preactivations: list[Tensor] = []
    x = inputs
    for k, weight in enumerate(weights):
        h = shape.branch_multipliers[k] * x @ weight.T
        if shape.skip[k]:
            h = h + preactivations[-1]
        preactivations.append(h)
        x = phi(h, activation)
    return shape.output_multiplier * preactivations[-1], preactivations


def loss(outputs: Tensor, targets: Tensor, name: str) -> Tensor:
    """The two losses as their definitions write them; targets are one-hot for cross-entropy."""
    if name == "mse":
        return ((outputs - targets) ** 2).sum() / (2 * len(outputs))
    return -(targets * torch.log_softmax(outputs, -1)).sum() / len(outputs)


def gradient(
    weights: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    shape: Parameterization,
    activation: Activation,
    name: str = "mse",
) -> tuple[Tensor, list[Tensor]]:
    """Loss and its gradient in each weight matrix."""
    leaves = [weight.detach().clone().requires_grad_() for weight in weights]
    value = loss(forward(leaves, inputs, shape, activation)[0], targets, name)
    return value.detach(), list(torch.autograd.grad(value, leaves))


def gauss_newton(
    weights: Sequence[Tensor],
    inputs: Tensor,
    shape: Parameterization,
    activation: Activation,
    factors: Sequence[float],
    name: str = "mse",
) -> Tensor:
    """Dense D^{1/2} Jᵀ H J D^{1/2}/n, H the per-sample Hessian of the loss in the outputs."""

    def outputs(*parts: Tensor) -> Tensor:
        return forward(parts, inputs, shape, activation)[0].reshape(-1)

    blocks = torch.autograd.functional.jacobian(outputs, tuple(weights))
    scaled = [b.reshape(b.shape[0], -1) * c**0.5 for b, c in zip(blocks, factors, strict=True)]
    jacobian = torch.cat(scaled, 1)
    if name == "cross_entropy":
        p = torch.softmax(forward(weights, inputs, shape, activation)[0], -1)
        hessians = [torch.diag(row) - torch.outer(row, row) for row in p]
        return jacobian.T @ torch.block_diag(*hessians) @ jacobian / len(inputs)
    return jacobian.T @ jacobian / len(inputs)


def hessian(
    weights: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    shape: Parameterization,
    activation: Activation,
    factors: Sequence[float],
    name: str = "mse",
) -> Tensor:
    """Dense D^{1/2} ∇²L D^{1/2} by automatic differentiation twice. [P, P]"""

    def value(*parts: Tensor) -> Tensor:
        return loss(forward(parts, inputs, shape, activation)[0], targets, name)

    blocks = torch.autograd.functional.hessian(value, tuple(weights))
    rows = [
        torch.cat([block.reshape(left.numel(), -1) for block in row], 1)
        for left, row in zip(weights, blocks, strict=True)
    ]
    pairs = zip(weights, factors, strict=True)
    root = torch.cat([torch.full((w.numel(),), c**0.5, dtype=w.dtype) for w, c in pairs])
    return root[:, None] * torch.cat(rows) * root


def layer_signals(
    weights: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    shape: Parameterization,
    activation: Activation,
    name: str = "mse",
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """x_{k−1} and ∂L/∂h_k of every layer and sample, and ∂L/∂W_k, by autograd."""
    leaves = [weight.detach().clone().requires_grad_() for weight in weights]
    outputs, preactivations = forward(leaves, inputs, shape, activation)
    found = torch.autograd.grad(loss(outputs, targets, name), [*preactivations, *leaves])
    xs = [inputs, *(phi(h.detach(), activation) for h in preactivations[:-1])]
    return xs, list(found[: len(xs)]), list(found[len(xs) :])


def gradient_scales(
    rule: str,
    xs: Sequence[Tensor],
    deltas: Sequence[Tensor],
    gradients: Sequence[Tensor],
    factors: Sequence[float],
) -> list[float]:
    """ξ_k of a gradient scaling; of those that look back, 1/q_k."""
    if rule == "depthwise":
        backward = [float((delta**2).sum()) for delta in deltas]
        powers = [float((x**2).sum()) / (len(x) * x.shape[1]) for x in xs]
        return [1 / (f * b / backward[-1]) for f, b in zip(powers, backward, strict=True)]
    if rule == "equal":
        shares = [c * float((g**2).sum()) for c, g in zip(factors, gradients, strict=True)]
        return [sum(shares) / len(shares) / share for share in shares]
    if rule == "per_sample":
        return [
            1 / sum(float(x @ x) * float(d @ d) for x, d in zip(*layer, strict=True))
            for layer in zip(xs, deltas, strict=True)
        ]
    if rule == "gram":
        return [
            1 / float(torch.linalg.matrix_norm(x @ x.T) * torch.linalg.matrix_norm(d @ d.T))
            for x, d in zip(xs, deltas, strict=True)
        ]
    return [1.0] * len(xs)


def depthwise_scales(
    weights: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    shape: Parameterization,
    activation: Activation,
    name: str = "mse",
) -> list[float]:
    """ξ_k = 1/(F_{k−1} B_k) at one state."""
    signals = layer_signals(weights, inputs, targets, shape, activation, name)
    return gradient_scales("depthwise", *signals, shape.lr_factors)


#: Inputs and targets of a step.
Batches = Callable[[int], tuple[Tensor, Tensor]]


def train(
    weights: Sequence[Tensor],
    batches: Batches,
    shape: Parameterization,
    activation: Activation,
    rate: float,
    steps: int,
    name: str = "mse",
    gradient_scaling: str = "none",
) -> tuple[list[float], list[list[Tensor]]]:
    """Losses of each step's batch and θ_0 … θ_T, by gradient descent with the layers' factors."""
    current = [weight.clone() for weight in weights]
    losses, states = [], [current]
    initial: list[float] | None = None
    for step in range(steps):
        inputs, targets = batches(step)
        value, gradients = gradient(current, inputs, targets, shape, activation, name)
        signals = layer_signals(current, inputs, targets, shape, activation, name)
        scales = gradient_scales(gradient_scaling, *signals, shape.lr_factors)
        if gradient_scaling in ("per_sample", "gram"):
            initial = initial or scales
            scales = [now / then for now, then in zip(scales, initial, strict=True)]
        losses.append(float(value))
        current = [
            weight - rate * factor * scale * g
            for weight, factor, scale, g in zip(
                current, shape.lr_factors, scales, gradients, strict=True
            )
        ]
        states.append(current)
    return losses, states


def flat(weights: Sequence[Tensor]) -> Tensor:
    """All weights as one vector."""
    return torch.cat([weight.reshape(-1) for weight in weights])


def cosine(left: Tensor, right: Tensor) -> float:
    """Cosine of two tensors seen as vectors; NaN if either is zero."""
    return float((left * right).sum() / (left.norm() * right.norm()))


def evolution(
    weights: Sequence[Tensor],
    initial: Sequence[Tensor],
    inputs: Tensor,
    shape: Parameterization,
    activation: Activation,
) -> dict[str, list[float]]:
    """Change of every h_k since initialization, and its two parts, over ‖h_k(0)‖."""
    _, now = forward(weights, inputs, shape, activation)
    _, before = forward(initial, inputs, shape, activation)
    columns: dict[str, list[float]] = {
        name: [] for name in ("evolution", "evolution_weights", "evolution_inputs")
    }
    x_now, x_before = inputs, inputs
    for k, (weight, start) in enumerate(zip(weights, initial, strict=True)):
        beta, norm = shape.branch_multipliers[k], before[k].norm()
        parts = {
            "evolution": now[k] - before[k],
            "evolution_weights": beta * x_now @ (weight - start).T,
            "evolution_inputs": beta * (x_now - x_before) @ start.T,
        }
        for column, change in parts.items():
            columns[column].append(float(change.norm() / norm))
        x_now, x_before = phi(now[k], activation), phi(before[k], activation)
    return columns


def soft_rank(features: Tensor) -> float:
    """(Σ λ)²/Σ λ² over the eigenvalues of X Xᵀ/n."""
    eigenvalues = torch.linalg.eigvalsh(features @ features.T / len(features))
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def cosine_rank(features: Tensor) -> float:
    """n²/Σ_ij cos_ij² over pairs of rows that are not zero."""
    rows = [row for row in features if row.norm() > 0]
    return len(rows) ** 2 / sum(cosine(left, right) ** 2 for left in rows for right in rows)


def stable_rank(features: Tensor) -> float:
    """Σ λ/max λ over the eigenvalues of X Xᵀ/n."""
    eigenvalues = torch.linalg.eigvalsh(features @ features.T / len(features))
    return float(eigenvalues.sum() / eigenvalues.max())


def alignment(kernel: Tensor, targets: Tensor) -> float:
    """Cosine of H K H and H Y Yᵀ H, with H = I − 11ᵀ/n written out."""
    n = len(kernel)
    centring = torch.eye(n, dtype=kernel.dtype) - torch.ones(n, n, dtype=kernel.dtype) / n
    return cosine(centring @ kernel @ centring, centring @ targets @ targets.T @ centring)


def neural_tangent_kernel(
    weights: Sequence[Tensor],
    inputs: Tensor,
    shape: Parameterization,
    activation: Activation,
    factors: Sequence[float],
) -> Tensor:
    """Σ_k c_k J_k J_kᵀ averaged over outputs, from the dense Jacobian. [n, n]"""

    def outputs(*parts: Tensor) -> Tensor:
        return forward(parts, inputs, shape, activation)[0]

    blocks = torch.autograd.functional.jacobian(outputs, tuple(weights))
    kernels = [
        factor * torch.einsum("aopq,bopq->ab", block, block) / block.shape[1]
        for block, factor in zip(blocks, factors, strict=True)
    ]
    return torch.stack(kernels).sum(0)


def angular_mean(
    left: Callable[[float], float], right: Callable[[float], float], rho: float
) -> float:
    """Mean of left(cos θ)·right(cos(θ − arccos ρ)) over all angles θ, by adaptive quadrature.

    A Gaussian pair of unit variances and correlation ρ is (R cos θ, R cos(θ − arccos ρ)) with θ
    uniform, independent of R, and E R² = 2. So E φ(Z) φ(Z′) is twice the mean for φ homogeneous of
    degree one, and E φ′(Z) φ′(Z′) is the mean itself. Kinks lie where a cosine is zero.
    """
    angle = math.acos(rho)
    kinks = sorted(
        {
            (zero + shift) % (2 * math.pi)
            for zero in (0.5 * math.pi, 1.5 * math.pi)
            for shift in (0, angle)
        }
    )
    ends = [0.0, *kinks, 2 * math.pi]
    total = sum(
        quad(lambda theta: left(math.cos(theta)) * right(math.cos(theta - angle)), low, high)[0]
        for low, high in pairwise(ends)
    )
    return float(total) / (2 * math.pi)
