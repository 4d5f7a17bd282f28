"""A stack: what runs of one shape have in common, and the state in which they start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nup.curvature.lanczos import start_vectors
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, Pass, backpropagate
from nup.networks.losses import LOSSES, Loss
from nup.networks.mlp import Network, initial_parameters, layer_views
from nup.networks.parameterization import net_of
from nup.specs import RunSpec
from nup.training import edge, optimizers
from nup.training.batches import Data, TrainingData, chosen
from nup.training.observables import HESSIAN, recorded
from nup.training.optimizers import OPTIMIZERS, Optimizer
from nup.training.scalings import COTANGENTS, SCALINGS, Scaling, Signals, clipped
from nup.training.schedules import SCHEDULES, Schedule, member_options
from nup.training.state import State

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Stack:
    """What the runs of one ``stack_key`` have in common; ``spec`` is that of one of them."""

    spec: RunSpec
    network: Network
    loss: Loss
    data: TrainingData
    schedule: Schedule
    scaling: Scaling
    optimizer: Optimizer

    @cached_property
    def null_losses(self) -> Tensor:
        """Loss of the constant predictor, of every member at the start. [E]"""
        of_sets = [self.loss.null_value(each.targets["train"]) for each in self.data.sets]
        return torch.tensor(of_sets, dtype=torch.float64)[self.data.set_of]

    def weights(self, parameters: Tensor) -> list[Tensor]:
        """W_k as views of parameters [E, N]. [E, m_k, m_{k-1}]"""
        return layer_views(parameters, self.network.parameterization.widths)

    def objective(self, members: Tensor, batch: Tensor | None = None) -> Objective:
        """The loss of ``members`` on all training samples, or on a ``batch`` [E, n] of indices."""
        return Objective(self.network, self.loss, *self.data.batch(members, batch))

    def backpropagate(self, parameters: Tensor, objective: Objective) -> Pass:
        """Forward and backward pass, with the cotangents if the gradient scaling requires them."""
        wanted = COTANGENTS in self.scaling.requires
        return backpropagate(objective, self.weights(parameters), wanted)

    def scales(self, passed: Pass, inputs: Tensor, state: State, step: int) -> Tensor:
        """ξ_k of every layer. [E, l]"""
        if self.scaling.rule is None:
            return passed.loss.new_ones(len(passed.loss), self.network.depth)
        signals = self._signals(passed, inputs)
        signals.initial = self.scaling_memory(passed, inputs) if step == 0 else state.scaling
        return clipped(self.scaling.rule(signals))

    def scaling_memory(self, passed: Pass, inputs: Tensor) -> object:
        """What the gradient scaling remembers of the first step."""
        return self.scaling.start(self._signals(passed, inputs)) if self.scaling.start else ()

    def _signals(self, passed: Pass, inputs: Tensor) -> Signals:
        first, *others = self.network.features(inputs, passed.preactivations)
        features = [first.expand(len(passed.loss), *first.shape[-2:]), *others]
        factors = self.network.parameterization.lr_factors
        given = self.spec.schedule
        options = SCALINGS.resolve(given.gradient_scaling, given.scaling_options)
        return Signals(passed.gradients, features, passed.cotangents, factors, options)


def make(specs: Sequence[RunSpec], data: Data, device: str) -> tuple[Stack, State]:
    """The stack of runs of one ``stack_key``, and the state in which they start.

    Raises:
        UserError: a schedule, loss, batch size, dtype or optimizer that does not fit.
    """
    spec = specs[0]
    for each in specs:
        edge.check(each)
    dataset = chosen(data, spec.data.seed)
    shape = net_of(spec, dataset.d_in, dataset.d_out)
    network = Network(shape, activation(spec.activation))
    if spec.dtype not in DTYPES:
        raise UserError(f"unknown dtype {spec.dtype!r}: expected float32 or float64")
    optimizers.check(spec, shape.lr_factors)
    seeds = [each.seed for each in specs]
    parameters = initial_parameters(shape, seeds, spec.weight_variance, DTYPES[spec.dtype], device)
    tensors = TrainingData(specs, data, parameters)
    stack = Stack(
        spec,
        network,
        LOSSES[spec.loss](),
        tensors,
        SCHEDULES[spec.schedule.name],
        SCALINGS[spec.schedule.gradient_scaling],
        OPTIMIZERS[spec.optimizer.name],
    )
    return stack, _initial_state(stack, specs, parameters)


def _initial_state(stack: Stack, specs: Sequence[RunSpec], parameters: Tensor) -> State:
    def numbers(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).to(parameters)

    members, seeds = len(specs), [spec.seed for spec in specs]
    options = member_options([spec.schedule for spec in specs])
    outputs = stack.data.samples * stack.network.parameterization.widths[-1]
    with_hessian = any(each.requires == HESSIAN for each in recorded(stack.spec))
    weights = parameters.shape[1] if with_hessian else 0
    return State(
        members=torch.arange(members, device=parameters.device),
        parameters=parameters,
        displacement=torch.zeros_like(parameters),
        moments=tuple(torch.zeros_like(parameters) for _ in range(stack.optimizer.moments)),
        learning_rate=numbers([np.nan] * members),  # until λ_0 is known: ``nup.training.edge``
        options={name: numbers(values) for name, values in options.items()},
        previous=numbers([np.nan] * members),
        limit=numbers([np.inf] * members),
        sharpness=start_vectors(seeds, outputs, parameters),
        hessian=start_vectors(seeds, weights, parameters),
        scaling=(),
        memories={},
        flops=torch.zeros(members, dtype=torch.float64, device=parameters.device),
    )
