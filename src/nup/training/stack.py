"""A stack: runs of one shape that are still training, as stacked tensors, with what they record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.curvature.lanczos import Sharpness
from nup.data.datasets import Dataset
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.losses import LOSSES
from nup.networks.mlp import Network, initial_weights, layer_views
from nup.networks.parameterization import parameterization
from nup.specs.specification import RunSpec
from nup.training import observables, operations, optimizers
from nup.training.batches import TrainingData
from nup.training.recorder import Recorder, due
from nup.training.schedules import SCHEDULES, check, member_options


class Stack:
    """The runs of one ``stack_key`` that have not diverged, and their data, loss and records.

    Raises ``UserError`` for a schedule, loss or batch size that does not fit.
    """

    def __init__(self, specs: Sequence[RunSpec], dataset: Dataset, device: str) -> None:
        spec = self.spec = specs[0]
        for other in specs:
            check(other.schedule, other.learning_rate)
        shape = parameterization(
            spec.parameterization,
            depth=spec.depth,
            width=spec.width,
            d_in=dataset.d_in,
            d_out=dataset.d_out,
            **spec.options,
        )
        self.network = Network(shape, activation(spec.activation))
        seeds = [each.seed for each in specs]
        dtype = {"float32": torch.float32, "float64": torch.float64}.get(spec.dtype)
        if dtype is None:
            raise UserError(f"unknown dtype {spec.dtype!r}: expected float32 or float64")
        drawn = initial_weights(shape, seeds, spec.weight_variance, dtype, device)
        self.parameters = torch.cat([weight.flatten(1) for weight in drawn], 1)  # [E, N]
        self.moved = torch.zeros_like(self.parameters)
        self.optimizer = optimizers.start(spec, shape.lr_factors, self.weights)
        like = self.parameters
        self.data = TrainingData(spec, seeds, dataset, like)
        self.loss = LOSSES[spec.loss]()
        self.null_loss = self.loss.null_value(self.data.targets["train"])
        self.operations = operations.Count(specs, shape, self.data.samples)
        self.members = torch.arange(len(specs), device=device)  # indices at the start. [E]
        self.recorder = Recorder(specs, shape.depth)
        self.schedule = SCHEDULES[spec.schedule.name]
        rates = [np.nan if each.learning_rate is None else each.learning_rate for each in specs]
        self.learning_rate = torch.tensor(rates, dtype=torch.float64).to(like)
        self.options = {
            name: torch.tensor(values, dtype=torch.float64).to(like)
            for name, values in member_options([each.schedule for each in specs]).items()
        }
        self.previous: Tensor | None = None
        self.limit: Tensor | None = None  # loss beyond which a run has diverged
        self.remarks: dict[int, str] = {}
        self.evolution = observables.Evolution(
            self.network, self.weights, self.data.inputs["probe"]
        )
        self.movement = observables.Movement(self.weights) if spec.record.features else None
        size = self.data.samples * dataset.d_out
        self.sharpness = Sharpness(seeds, size, like)
        self.hessian: Sharpness | None = None
        if spec.record.hessian:
            self.hessian = Sharpness(seeds, shape.n_parameters, like, definite=False)
        samples = spec.batch_size or self.data.samples
        self.buffers = self.network.buffers(len(specs), samples, like)
        self.gradients = [torch.empty_like(weight) for weight in self.weights]

    @property
    def weights(self) -> list[Tensor]:
        """W_k as views of the parameters. [E, m_k, m_{k-1}]"""
        return layer_views(self.parameters, self.network.parameterization.widths)

    @property
    def displacement(self) -> list[Tensor]:
        """W_k(t) − W_k(0) as views. [E, m_k, m_{k-1}]"""
        return layer_views(self.moved, self.network.parameterization.widths)

    def drop(self, good: Tensor, value: Tensor, steps: npt.NDArray[np.int64]) -> None:
        """Record the members that diverged, at which loss and step, and take them off the stack."""
        assert self.limit is not None
        for index in (~good).nonzero().squeeze(-1).tolist():
            member = int(self.members[index])
            if bool(torch.isfinite(value[index])):
                reason = f"loss {float(value[index]):.3g} exceeded {float(self.limit[index]):.3g}"
            else:
                reason = self.remarks.get(member, "loss is not finite")
            self.recorder.diverged[member] = (int(steps[index]), reason)
        kept = good.nonzero().squeeze(-1)
        self.members, self.limit = self.members[kept], self.limit[kept]
        self.parameters, self.moved = self.parameters[kept], self.moved[kept]
        self.optimizer.keep(kept)
        self.learning_rate = self.learning_rate[kept]
        self.options = {name: values[kept] for name, values in self.options.items()}
        self.previous = None if self.previous is None else self.previous[kept]
        self.sharpness.keep(kept)
        if self.hessian is not None:
            self.hessian.keep(kept)
        self.evolution.keep(kept)
        if self.movement is not None:
            self.movement.keep(kept)

    def remark(self, finite: Tensor) -> None:
        """Note the members whose rate was not ``finite``: why their loss will not be either."""
        for member in self.members[~finite].tolist():
            self.remarks[member] = f"schedule {self.schedule.name!r} found no finite rate"

    def due(self, cadence: int, step: int) -> bool:
        """Whether a group with this cadence is recorded at ``step``."""
        return due(cadence, step, self.spec.steps)

    def put(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Record values [E] of the steps, or [E, l] of the layers."""
        per_layer = {"layer_update_norm": "update_norm", "layer_cosine": "cosine"}
        members = self.members.cpu().numpy()
        for name, tensor in values.items():
            self.recorder.put(step, members, {per_layer.get(name, name): tensor})
