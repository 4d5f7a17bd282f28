"""Learning rates in units of the edge, against dense eigenvalues in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
import references
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.mlp import initial_weights
from nup.specs import OptimizerSpec, RunSpec, ScheduleSpec
from nup.training import costs, edge
from nup.training.loop import train
from nup.training.observables import cadences

BACKENDS = pytest.mark.parametrize("compiled", [True, False])
FEW = cadences(steps=1, curvature=0, taylor=0, layers=0, probe=0, features=0)
FINDS_ITS_RATE = ScheduleSpec("sharpness", {"c": 2.0})


def in_edges(c, **changes):
    return problems.run(**{"record": FEW, "learning_rate": None, "edge": c, **changes})


def dense(spec, data):
    """λ_0 of ξ = 1 from the whole matrix."""
    shape = problems.shape_of(spec, data)
    start = initial_weights(shape, [spec.seed], spec.weight_variance, torch.float64)
    inputs, _ = problems.training_split(spec, data)
    matrix = references.gauss_newton(
        [weight[0] for weight in start],
        inputs,
        shape,
        activation(spec.activation),
        shape.lr_factors,
        spec.loss,
    )
    return float(torch.linalg.eigvalsh(matrix)[-1])


@BACKENDS
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "cross_entropy", "activation": "relu"},
        {"batch_size": 4},
        {"schedule": ScheduleSpec("cosine", {"warmup": 0.3})},
        {"schedule": ScheduleSpec(gradient_scaling="depthwise"), "weight_variance": 0.7},
        {"parameterization": "nup", "options": {"r": 2.0}},
        {"parameterization": "mup_residual"},
    ],
)
def test_an_edge_is_the_rate_over_the_dense_eigenvalue(changes, compiled):
    """Also with minibatches, whose λ_0 is of all samples, and with ξ, whose λ_0 is of ξ = 1."""
    data = problems.dataset("classes")
    runs = [in_edges(c, seed=seed, **changes) for c in (0.5, 1.25) for seed in (0, 3)]
    rates = [run.edge / dense(run, data) for run in runs]
    given = [
        replace(run, edge=None, learning_rate=rate) for run, rate in zip(runs, rates, strict=True)
    ]
    found, expected = (train(specs, data, compiled=compiled) for specs in (runs, given))
    np.testing.assert_allclose(found.runs["learning_rate"], rates, rtol=1e-7)
    for name in ("learning_rate", "loss"):
        np.testing.assert_allclose(found.steps[name], expected.steps[name], rtol=3e-6)
    assert (found.runs["backend"] == ("numba" if compiled else "torch")).all()


@BACKENDS
def test_an_edge_is_that_of_the_first_recorded_sharpness(compiled):
    run = in_edges(1.5, record=FEW | {"curvature": 4})
    records = train([run], problems.dataset(), compiled=compiled)
    # λ_t is recorded to a residual of 0.02.
    assert records.steps["edge"][0] == pytest.approx(1.5, rel=1e-3)


@BACKENDS
def test_runs_of_one_start_share_its_sharpness(compiled, monkeypatch):
    from nup.training.backends.numba import NumbaBackend
    from nup.training.backends.torch import TorchBackend

    backend, asked = (NumbaBackend if compiled else TorchBackend), []
    measure = backend.unscaled_eigenvalue

    def counted(self, state, chosen, tolerance, hessian=False):
        asked.append(list(chosen))
        return measure(self, state, chosen, tolerance, hessian)

    monkeypatch.setattr(backend, "unscaled_eigenvalue", counted)
    runs = [in_edges(c, seed=seed) for c in (0.5, 1.0, 2.0) for seed in (0, 1)]
    runs.append(problems.run(record=FEW, seed=5))
    known: dict[str, float] = {}
    train(runs, problems.dataset(), compiled=compiled, known=known)
    assert len(asked) == 1
    assert len(asked[0]) == len(known) == 2
    train([replace(runs[0], edge=3.0)], problems.dataset(), compiled=compiled, known=known)
    assert len(asked) == 1


@BACKENDS
def test_a_run_does_not_depend_on_the_others(compiled):
    data = problems.dataset()
    runs = [in_edges(0.5), in_edges(1.0, seed=1), problems.run(record=FEW, learning_rate=0.2)]
    together = train(runs, data, compiled=compiled)
    for run in runs:
        problems.assert_as_if_alone(together, run, train([run], data, compiled=compiled))


def test_a_net_without_curvature_has_no_finite_rate():
    data = problems.dataset()
    dead = {split: -np.abs(x) for split, x in data.inputs.items()}
    # Inputs of one sign and a ReLU unit that they all leave off: no gradient reaches a weight.
    runs = [
        in_edges(1.0, activation="relu", width=1, depth=2, seed=seed, parameterization="sp")
        for seed in range(8)
    ]
    records = train(runs, replace(data, inputs=dead))
    lost = records.runs["initial_sharpness"]
    assert lost.shape == (8,)
    infinite = np.isinf(records.runs["learning_rate"])
    assert infinite.any()
    assert (records.runs["status"][infinite] == "diverged").all()
    assert set(records.runs["reason"][infinite]) == {"schedule 'constant' found no finite rate"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": FINDS_ITS_RATE}, "schedule 'sharpness' finds its own rate .* leave the"),
        ({"optimizer": OptimizerSpec("adamw")}, r"'adamw' divides .* η λ_0 = 2 says nothing"),
        ({"learning_rate": 0.1}, "expected a learning rate or one in units of the edge, got 0.1"),
        ({"edge": -1.0}, "a finite number > 0, got -1.0"),
        ({"edge": None}, "schedule 'constant' needs a learning rate, got none"),
    ],
)
def test_what_has_no_edge_is_refused(changes, message):
    spec = in_edges(2.0, **changes)
    with pytest.raises(UserError, match=message):
        edge.check(spec)
    with pytest.raises(UserError, match=message):
        train([spec], problems.dataset())


def test_finding_the_edge_counts_once_a_seed():
    teacher = {"data": problems.DataSpec("teacher", n_train=64), "record": FEW, "steps": 5}
    given = problems.run(**teacher)
    edges = [in_edges(c, **teacher) for c in (0.5, 1.0, 2.0)]
    plain = costs.seconds([given] * 3)
    once = costs.seconds(edges) - plain
    assert once > 0
    more = [replace(run, seed=seed) for run in edges for seed in (0, 1)]
    per_run = plain - costs.seconds([given] * 2)
    again = costs.seconds(more) - costs.seconds(edges) - 3 * per_run
    assert 0 < again < once + 1e-12  # another λ_0, but the same passes over the stack
    assert costs.total_seconds([edges, edges]) - costs.seconds(edges) == pytest.approx(plain)


def test_specifications_without_an_edge_keep_their_ids():
    plain, edged = problems.run(), in_edges(1.0)
    assert "edge" not in plain.to_dict()
    assert "edge" not in plain.stack_key
    again = RunSpec.from_dict(edged.to_dict())
    assert (again, again.id, again.edge) == (edged, edged.id, 1.0)
    assert edged.stack_key == problems.run(record=FEW).stack_key


@BACKENDS
def test_curvature_without_scaling_is_recorded_beside_a_run_with_it(compiled):
    """λ of c_k alone at the start is the dense one, and without ξ the run's own at every step."""
    data = problems.dataset("classes")
    record = cadences(curvature=3, hessian=3, unscaled_curvature=3, unscaled_hessian=3)
    changes = {"record": record, "steps": 9, "learning_rate": 0.05}
    scaled = problems.run(
        **changes, schedule=ScheduleSpec(gradient_scaling="depthwise"), weight_variance=0.7
    )
    steps = train([scaled], data, compiled=compiled).steps
    assert steps["sharpness_unscaled"][0] == pytest.approx(dense(scaled, data), rel=1e-5)
    assert steps["sharpness"][0] != pytest.approx(dense(scaled, data), rel=0.05)
    assert steps["edge_unscaled"][0] == pytest.approx(0.05 * steps["sharpness_unscaled"][0])
    steps = train([problems.run(**changes)], data, compiled=compiled).steps
    due = ~np.isnan(steps["sharpness_unscaled"])
    assert list(steps["step"][due]) == [0, 3, 6, 9]
    for name in ("sharpness", "hessian_sharpness"):
        plain = steps[f"{name}_unscaled"][due]
        np.testing.assert_allclose(plain, steps[name][due], rtol=2e-3)
