"""Derivatives of the loss of stacked networks: gradients, cotangents, Taylor coefficients.

All by automatic differentiation of the forward pass of ``nup.networks.mlp``. Members are
independent, so a derivative of the sum over members is that of each. First derivatives are taken by
``torch.autograd``, higher ones and products by ``torch.func``: its first backward pass imports
torch's compiler (2.5 s and 80 MB a process), which jobs that train on kernels do without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vjp

from nup.networks.losses import Loss
from nup.networks.mlp import Network


@dataclass(frozen=True)
class Objective:
    """The loss of a network on given samples, as a function of its stacked weights.

    ``inputs`` [n, m_0] or [E, n, m_0], ``targets`` [n, m_l] or [E, n, m_l].
    """

    network: Network
    loss: Loss
    inputs: Tensor
    targets: Tensor

    def of_outputs(self, weights: Sequence[Tensor]) -> Tensor:
        """L of every member. [E]"""
        return self.loss.value(self.network.outputs(weights, self.inputs), self.targets)


@dataclass(frozen=True)
class Pass:
    """The loss and its gradient at one state, with what a forward and backward pass met.

    ``loss`` [E]; ``gradients`` ∂L/∂W_k [E, m_k, m_{k-1}]; ``preactivations`` h_k and
    ``cotangents`` ∂L/∂h_k [E, n, m_k], the latter empty unless asked for.
    """

    loss: Tensor
    gradients: list[Tensor]
    preactivations: list[Tensor]
    cotangents: list[Tensor]


def backpropagate(
    objective: Objective, weights: Sequence[Tensor], cotangents: bool = False
) -> Pass:
    """Loss, gradient and, if asked for, the ``cotangents`` δ_k = ∂L/∂h_k."""
    network = objective.network
    with torch.enable_grad():
        leaves = [weight.detach().requires_grad_() for weight in weights]
        h = network.preactivations(leaves, objective.inputs)
        outputs = network.parameterization.output_multiplier * h[-1]
        loss = objective.loss.value(outputs, objective.targets)
        wanted = [*leaves, *h] if cotangents else leaves
        found = list(torch.autograd.grad(loss.sum(), wanted))
    depth = len(leaves)
    preactivations = [each.detach() for each in h]
    return Pass(loss.detach(), found[:depth], preactivations, found[depth:])


def cotangents(objective: Objective, weights: Sequence[Tensor]) -> list[Tensor]:
    """∂L/∂h_k of every layer, without the gradient in the weights. Each [E, n, m_k]"""
    network = objective.network
    with torch.enable_grad():
        h = network.preactivations(
            [weight.detach().requires_grad_() for weight in weights], objective.inputs
        )
        outputs = network.parameterization.output_multiplier * h[-1]
        loss = objective.loss.value(outputs, objective.targets)
        return list(torch.autograd.grad(loss.sum(), h))


def linearize(
    function: Callable[[list[Tensor]], Tensor], at: list[Tensor]
) -> tuple[Tensor, Callable[[Tensor], list[Tensor]], Callable[[list[Tensor]], Tensor]]:
    """The value of a function at a point, with v ↦ Jᵀ v and u ↦ J u there.

    J u is the pullback of the linear map v ↦ Jᵀ v: both use the graph of one forward pass.
    """
    value, pull = vjp(function, at)[:2]
    push = vjp(lambda cotangent: pull(cotangent)[0], torch.zeros_like(value))[1]
    return value, lambda cotangent: pull(cotangent)[0], lambda tangent: push(tangent)[0]


def taylor(
    objective: Objective, weights: Sequence[Tensor], direction: Sequence[Tensor], order: int
) -> list[Tensor]:
    """Taylor coefficients T1 … T_order of η ↦ L(W − η·direction) at η = 0, each [E].

    φ is piecewise linear, so they are exact off its kinks. [derived]
    """

    def along(rate: Tensor) -> tuple[Tensor, ...]:
        moved = [w - rate[:, None, None] * u for w, u in zip(weights, direction, strict=True)]
        return (objective.of_outputs(moved),)

    series: Callable[[Tensor], tuple[Tensor, ...]] = along
    for _ in range(order):
        series = _with_derivative(series)
    _, *derivatives = series(weights[0].new_zeros(len(weights[0])))
    return [each / math.factorial(j) for j, each in enumerate(derivatives, 1)]


def _with_derivative(
    function: Callable[[Tensor], tuple[Tensor, ...]],
) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The values [E] of ``function``, and the derivative of the last of them."""

    def last(at: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        values = function(at)
        return values[-1].sum(), values

    def extended(at: Tensor) -> tuple[Tensor, ...]:
        slope, values = grad(last, has_aux=True)(at)
        return (*values, slope)

    return extended


def linearized_curvature(
    objective: Objective, weights: Sequence[Tensor], direction: Sequence[Tensor]
) -> Tensor:
    """T2 of the network linearized in its weights: ½ uᵀ(Gauss–Newton)u, u the direction. [E]"""
    network, inputs = objective.network, objective.inputs

    def outputs(weights: list[Tensor]) -> Tensor:
        return network.outputs(weights, inputs)

    f, _, push = linearize(outputs, list(weights))
    root = objective.loss.hessian_root(f, push(list(direction)), transpose=True)
    return root.square().sum((-2, -1)) / (2 * f.shape[-2])
