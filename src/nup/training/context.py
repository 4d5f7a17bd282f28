"""What an observable may look at of a state: computed when it is asked for, once a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from nup.networks.derivatives import Objective, cotangents
from nup.networks.losses import Loss
from nup.networks.mlp import Network
from nup.training.backends import Backend
from nup.training.stack import Stack
from nup.training.state import State


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass: h_1 … h_l [E, n, m_k], and x_0 … x_{l−1} that the layers multiply."""

    preactivations: list[Tensor]
    features: list[Tensor]


@dataclass
class Context:
    """The state of all members of a stack at one step.

    ``batch`` are the samples of the step, [E, batch size], or [E, 0]: all. ``memories`` hold what
    each observable remembers, by name; an observable may replace its own.
    """

    stack: Stack
    state: State
    backend: Backend
    step: int
    batch: Tensor

    def __post_init__(self) -> None:
        self.memories: dict[str, Any] = dict(self.state.memories)
        self._outputs: dict[str, Tensor] = {}

    @property
    def network(self) -> Network:
        """The forward pass, with widths, γ and factors in its ``parameterization``."""
        return self.stack.network

    @property
    def loss(self) -> Loss:
        """The loss that training descends."""
        return self.stack.loss

    @cached_property
    def weights(self) -> list[Tensor]:
        """W_k. [E, m_k, m_{k-1}]"""
        return self.stack.weights(self.state.parameters)

    @cached_property
    def displacement(self) -> list[Tensor]:
        """W_k(t) − W_k(0). [E, m_k, m_{k-1}]"""
        return self.stack.weights(self.state.displacement)

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """Inputs of each split: train, validation, test, probe. [n, m_0]

        [E, n, m_0] where members draw their data by different seeds; so targets and labels.
        """
        return self.stack.data.of_members(self.state.members, "inputs")

    @property
    def targets(self) -> Mapping[str, Tensor]:
        """Targets of each split, one-hot for cross-entropy. [n, m_l] or [E, n, m_l]"""
        return self.stack.data.of_members(self.state.members, "targets")

    @property
    def labels(self) -> Mapping[str, Tensor]:
        """Classes of each split; empty for a regression. [n] or [E, n]"""
        return self.stack.data.of_members(self.state.members, "labels")

    @cached_property
    def probe(self) -> ForwardPass:
        """Forward pass of the probe set."""
        inputs = self.inputs["probe"]
        h = self.network.preactivations(self.weights, inputs)
        return ForwardPass(h, self.network.features(inputs, h))

    @cached_property
    def probe_cotangents(self) -> list[Tensor]:
        """∂L/∂h_1 … ∂L/∂h_l of the loss on the probe set. Each [E, n, m_k]"""
        inputs, targets = self.inputs["probe"], self.targets["probe"]
        return cotangents(Objective(self.network, self.loss, inputs, targets), self.weights)

    def outputs(self, split: str) -> Tensor:
        """f on a split. [E, n, m_l]"""
        if split not in self._outputs:
            self._outputs[split] = self.backend.outputs(self.state, split)
        return self._outputs[split]

    @cached_property
    def multipliers(self) -> Tensor:
        """c_k ξ_k of the step. [E, l]"""
        parameters, stack = self.state.parameters, self.stack
        factors = parameters.new_tensor(stack.network.parameterization.lr_factors)
        if stack.scaling.rule is None:
            return factors.expand(len(parameters), -1)
        objective = stack.objective(self.state.members, self.batch)
        passed = stack.backpropagate(parameters, objective)
        return factors * stack.scales(passed, objective.inputs, self.state, self.step)
