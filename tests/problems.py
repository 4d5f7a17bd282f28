"""Tiny data sets and runs that the tests of the core share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import references
from nup.data.datasets import Dataset
from nup.networks.activations import Activation, activation
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import Parameterization, net_of
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training.observables import cadences
from nup.training.recorder import Columns, Records

SIZES = {"train": 6, "validation": 5, "test": 7, "probe": 4}
EVERY_STEP = cadences(steps=1, curvature=1, taylor=1, layers=1, probe=1, features=1)

#: Relative tolerances: columns of `steps` and `layers` are float32, those of `runs` float64.
STORED = 2e-6
EXACT = 1e-9


def dataset(kind: str = "regression", d_in: int = 4, d_out: int = 3, **sizes: int) -> Dataset:
    """Gaussian inputs of unit RMS; targets standardized on the training split."""
    counts = SIZES | sizes
    source = np.random.default_rng(7)
    inputs, targets, labels = {}, {}, {}
    for split, n in counts.items():
        raw = source.normal(size=(n, d_in))
        inputs[split] = raw / np.sqrt((raw**2).mean(1, keepdims=True))
        labels[split] = source.permutation(np.arange(n) % d_out)
        targets[split] = (
            source.normal(size=(n, d_out)) if kind == "regression" else np.eye(d_out)[labels[split]]
        )
    mean, deviation = targets["train"].mean(0), targets["train"].std(0)
    targets = {split: (raw - mean) / deviation for split, raw in targets.items()}
    return Dataset("made", inputs, targets, None if kind == "regression" else labels)


def one_sample(d_in: int = 1, target: float = 0.0) -> Dataset:
    """The same sample, of coordinates 1, in every split."""
    inputs = dict.fromkeys(SIZES, np.ones((1, d_in)))
    return Dataset("one", inputs, dict.fromkeys(SIZES, np.full((1, 1), target)), None)


def run(**changes: Any) -> RunSpec:
    """A small run in float64 that records everything at every step."""
    plain = RunSpec(
        experiment="test",
        data=DataSpec("made"),
        parameterization="mup",
        depth=3,
        width=5,
        activation="abs",
        schedule=ScheduleSpec(),
        learning_rate=0.1,
        seed=0,
        steps=8,
        dtype="float64",
        record=EVERY_STEP,
    )
    return replace(plain, **changes)


def sharpness(c: float, **changes: Any) -> RunSpec:
    """A small run under η_t = c/λ_t."""
    schedule = ScheduleSpec("sharpness", {"c": c})
    return run(schedule=schedule, learning_rate=None, **changes)


def taylor(c: float, **changes: Any) -> RunSpec:
    """A small run under η_t = c·(−L′)/L″."""
    return run(schedule=ScheduleSpec("taylor", {"c": c}), learning_rate=None, **changes)


def polyak(c: float, scaling: str = "none", **changes: Any) -> RunSpec:
    """A small run under η_t = 2c·L_t/Σ_k c_k ξ_k ‖∂L/∂W_k‖²."""
    return run(schedule=ScheduleSpec("polyak", {"c": c}, scaling), learning_rate=None, **changes)


def shape_of(spec: RunSpec, data: Dataset) -> Parameterization:
    """The resolved shape of the run's network."""
    return net_of(spec, data.d_in, data.d_out)


def rows(columns: Columns, spec: RunSpec) -> Columns:
    """The rows of one run."""
    mine = columns["run_id"] == spec.id
    return {name: values[mine] for name, values in columns.items()}


def summary(records: Records, spec: RunSpec) -> dict[str, Any]:
    """The run's row of the table ``runs``."""
    return {name: values[0] for name, values in rows(records.runs, spec).items()}


def training_split(spec: RunSpec, data: Dataset) -> tuple[Tensor, Tensor]:
    """Inputs and targets of the training split; one-hot targets for cross-entropy."""
    if spec.loss == "cross_entropy":
        targets = torch.eye(data.d_out, dtype=torch.float64)[data.labels["train"]]
    else:
        targets = torch.from_numpy(data.targets["train"])
    return torch.from_numpy(data.inputs["train"]), targets


def slow_training(
    spec: RunSpec,
    data: Dataset,
    batches: Callable[[Tensor, Tensor], references.Batches] | None = None,
) -> tuple[list[float], list[list[Tensor]], Parameterization, Activation]:
    """Losses, θ_0 … θ_T and the slow functions' common arguments for a run."""
    shape, phi = shape_of(spec, data), activation(spec.activation)
    weights = [w[0] for w in initial_weights(shape, [spec.seed], dtype=torch.float64)]
    inputs, targets = training_split(spec, data)
    losses, states = references.train(
        weights,
        (lambda step: (inputs, targets)) if batches is None else batches(inputs, targets),
        shape,
        phi,
        spec.learning_rate,
        spec.steps,
        spec.loss,
        spec.schedule.gradient_scaling,
    )
    final = references.gradient(states[-1], inputs, targets, shape, phi, spec.loss)[0]
    return [*losses, float(final)], states, shape, phi


def assert_same(left: Columns, right: Columns, rtol: float) -> None:
    """Equal columns, with NaN equal to NaN."""
    assert left.keys() == right.keys()
    for name, values in left.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, right[name], rtol=rtol, atol=1e-12, err_msg=name)
        else:
            assert (values == right[name]).all(), name


def assert_as_if_alone(records: Records, spec: RunSpec, alone: Records) -> None:
    """The run's rows in the records of a stack are those of training it alone."""
    for table, rtol in [("runs", EXACT), ("steps", STORED), ("layers", STORED)]:
        assert_same(rows(getattr(records, table), spec), getattr(alone, table), rtol)
