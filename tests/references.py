"""Slow, obvious versions of the engine's quantities: one network at a time, by autograd, float64."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nup.activations import Activation
from nup.parameterization import Parameterization


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


def train(
    weights: Sequence[Tensor],
    inputs: Tensor,
    targets: Tensor,
    shape: Parameterization,
    activation: Activation,
    rate: float,
    steps: int,
    name: str = "mse",
) -> tuple[list[float], list[list[Tensor]]]:
    """Losses at θ_0 … θ_T and the weights, by plain gradient descent with the layers' factors."""
    current = [weight.clone() for weight in weights]
    losses, states = [], [current]
    for _ in range(steps):
        value, gradients = gradient(current, inputs, targets, shape, activation, name)
        losses.append(float(value))
        current = [
            weight - rate * factor * g
            for weight, factor, g in zip(current, shape.lr_factors, gradients, strict=True)
        ]
        states.append(current)
    losses.append(float(gradient(current, inputs, targets, shape, activation, name)[0]))
    return losses, states
