"""Training of a stack against training by autograd, one network at a time; records; divergence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
import references
from nup.curvature.lanczos import TOLERANCE
from nup.errors import UserError
from nup.networks.mlp import generator
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.specs import ScheduleSpec
from nup.training.loop import train

SCHEDULES = {
    "constant": [(0.1, {}), (0.2, {}), (0.3, {})],
    "cosine": [(0.1, {}), (0.2, {"warmup": 0.5}), (0.3, {"final": 0.1})],
    "sharpness": [(None, {"c": 1.5}), (None, {"c": 2.0}), (None, {"c": 2.5})],
    "taylor": [(None, {"c": 0.5}), (None, {"c": 1.0}), (None, {"c": 1.5})],
}


# -- one run alone and in company ------------------------------------------------------------------


@pytest.mark.parametrize("scaling", ["none", "depthwise"])
@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_is_the_same_alone_and_in_a_stack(schedule, batch_size, scaling):
    specs = [
        problems.run(
            parameterization="nup",
            activation="relu",
            width=8,
            schedule=ScheduleSpec(schedule, options, scaling),
            learning_rate=rate,
            seed=seed,
            batch_size=batch_size,
            steps=6,
            record=problems.EVERY_STEP | {"features": 3},
        )
        for rate, options in SCHEDULES[schedule]
        for seed in (0, 1)
    ]
    data = problems.dataset()
    together = train(specs, data)
    assert set(together.runs["status"]) == {"ok"}
    for spec in specs:
        problems.assert_as_if_alone(together, spec, train([spec], data))


def test_seeds_and_rates_matter():
    specs = [problems.run(seed=seed, learning_rate=rate) for seed in (0, 1) for rate in (0.1, 0.2)]
    assert len(set(train(specs, problems.dataset()).runs["final_loss"])) == 4


# -- against autograd ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("phi", ["abs", "relu"])
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_training_is_gradient_descent_by_autograd(name, phi, loss):
    data = problems.dataset("classes")
    specs = [
        problems.run(parameterization=name, activation=phi, loss=loss, seed=seed, learning_rate=0.1)
        for seed in (3, 4)
    ]
    records = train(specs, data)
    for spec in specs:
        losses, states, shape, act = problems.slow_training(spec, data)
        row = problems.summary(records, spec)
        assert row["initial_loss"] == pytest.approx(losses[0], rel=problems.EXACT)
        assert row["final_loss"] == pytest.approx(losses[-1], rel=problems.EXACT)
        assert row["late_loss"] == pytest.approx(
            losses[-1], rel=problems.EXACT
        )  # a tenth of 8 is none
        assert row["max_loss"] == pytest.approx(max(losses), rel=problems.EXACT)
        assert row["min_loss"] == pytest.approx(min(losses), rel=problems.EXACT)
        steps = problems.rows(records.steps, spec)
        np.testing.assert_allclose(steps["loss"], losses, rtol=problems.STORED)
        assert_motion(steps, problems.rows(records.layers, spec), states)
        probe = torch.from_numpy(data.inputs["probe"])
        expected = [references.evolution(w, states[0], probe, shape, act) for w in states]
        for column in expected[0]:
            values = np.concatenate([each[column] for each in expected])
            layers = problems.rows(records.layers, spec)[column]
            np.testing.assert_allclose(layers, values, rtol=1e-5, atol=1e-9, err_msg=column)
        batch = torch.from_numpy(data.inputs["train"])
        rms = [
            float((h**2).mean().sqrt())
            for weights in states
            for h in references.forward(weights, batch, shape, act)[1]
        ]
        recorded = problems.rows(records.layers, spec)["preactivation_rms"]
        np.testing.assert_allclose(recorded, rms, rtol=1e-5)


def assert_motion(steps, layers, states):
    """Recorded updates, displacements and cosines against the weights θ_0 … θ_T."""
    origin, depth = states[0], len(states[0])
    for t, state in enumerate(states):
        moved = [w - w0 for w, w0 in zip(state, origin, strict=True)]
        whole = references.flat(moved)
        assert steps["displacement"][t] == pytest.approx(float(whole.norm()), rel=problems.STORED)
        if t + 1 == len(states):
            assert np.isnan(steps["update_norm"][t])
            assert np.isnan(steps["learning_rate"][t])
            break
        updates = [after - w for after, w in zip(states[t + 1], state, strict=True)]
        update = references.flat(updates)
        assert steps["update_norm"][t] == pytest.approx(float(update.norm()), rel=problems.STORED)
        of_layers = slice(t * depth, (t + 1) * depth)
        np.testing.assert_allclose(
            layers["update_norm"][of_layers],
            [float(u.norm()) for u in updates],
            rtol=problems.STORED,
        )
        cosines = [references.cosine(u, m) for u, m in zip(updates, moved, strict=True)]
        np.testing.assert_allclose(layers["cosine"][of_layers], cosines, atol=problems.STORED)
        expected = references.cosine(update, whole)
        np.testing.assert_allclose(steps["cosine"][t], expected, atol=problems.STORED)


@pytest.mark.parametrize("name", ["nup", "mup_residual"])
def test_depthwise_training_is_autograd_with_its_scales(name):
    data = problems.dataset()
    schedule = ScheduleSpec("constant", {}, "depthwise")
    spec = problems.run(parameterization=name, schedule=schedule, depth=4)
    losses, states, shape, phi = problems.slow_training(spec, data)
    records = train([spec], data)
    np.testing.assert_allclose(records.steps["loss"], losses, rtol=problems.STORED)
    assert problems.summary(records, spec)["final_loss"] == pytest.approx(
        losses[-1], rel=problems.EXACT
    )
    inputs, targets = problems.training_split(spec, data)
    scales = [references.depthwise_scales(w, inputs, targets, shape, phi) for w in states]
    np.testing.assert_allclose(
        records.layers["gradient_scale"], np.concatenate(scales), rtol=problems.STORED
    )


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_minibatches_are_shuffled_once_an_epoch(batch_size):
    """Every epoch deals one permutation of the samples; what is left of it is not used."""
    data = problems.dataset()
    spec = problems.run(batch_size=batch_size, seed=5, steps=9, learning_rate=0.05)

    def batches(inputs, targets):
        source, chosen = generator(spec.seed, "batches"), []
        while len(chosen) < spec.steps:
            order = torch.randperm(len(inputs), generator=source)
            chosen += [part for part in order.split(batch_size) if len(part) == batch_size]
        return lambda step: (inputs[chosen[step]], targets[chosen[step]])

    losses, _, _, _ = problems.slow_training(spec, data, batches)
    records = train([spec, replace(spec, seed=6)], data)
    np.testing.assert_allclose(
        problems.rows(records.steps, spec)["loss"], losses, rtol=problems.STORED
    )
    row = problems.summary(records, spec)
    # The last loss is that of all samples, whatever the batches were.
    assert row["final_loss"] == pytest.approx(losses[-1], rel=problems.EXACT)


@pytest.mark.parametrize("scaling", ["none", "depthwise"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_recorded_sharpness_is_the_dense_eigenvalue_along_the_way(loss, scaling):
    """Within the stated residual, from below; exact where the Krylov space is all of it."""
    data = problems.dataset("classes", train=20)
    schedule = ScheduleSpec("constant", {}, scaling)
    spec = problems.run(
        activation="relu", loss=loss, schedule=schedule, learning_rate=0.3, steps=15, width=8
    )
    records = train([spec], data)
    _, states, shape, phi = problems.slow_training(spec, data)
    inputs, targets = problems.training_split(spec, data)
    dense = []
    for weights in states:
        factors = list(shape.lr_factors)
        if scaling == "depthwise":
            scales = references.depthwise_scales(weights, inputs, targets, shape, phi, loss)
            factors = [c * xi for c, xi in zip(factors, scales, strict=True)]
        matrix = references.gauss_newton(weights, inputs, shape, phi, factors, loss)
        dense.append(float(torch.linalg.eigvalsh(matrix)[-1]))
    found, expected = records.steps["sharpness"], np.array(dense)
    assert (found <= expected * (1 + problems.STORED)).all()
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    assert (records.steps["sharpness_residual"] <= TOLERANCE).all()
    edge = records.steps["edge"][:-1]
    np.testing.assert_allclose(edge, 0.3 * found[:-1], rtol=problems.STORED)
    assert records.runs["final_sharpness"][0] == pytest.approx(found[-1], rel=problems.STORED)


def test_sharpness_is_that_of_all_samples_also_with_minibatches():
    data = problems.dataset()
    spec = problems.run(batch_size=2)
    full = train([replace(spec, batch_size=None)], data)
    small = train([spec], data)
    assert small.runs["initial_sharpness"] == pytest.approx(
        full.runs["initial_sharpness"], rel=problems.EXACT
    )


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "hinge"}, "unknown loss 'hinge': expected one of mse, cross_entropy"),
        (
            {"loss": "cross_entropy"},
            "loss 'cross_entropy' needs classes, and data set 'made' is a regression: use 'mse'",
        ),
        ({"batch_size": 7}, "batch_size must be from 1 to n_train = 6, got 7; leave it out for"),
        ({"batch_size": 0}, "batch_size must be from 1 to n_train = 6, got 0"),
        ({"dtype": "float16"}, "unknown dtype 'float16': expected float32 or float64"),
        ({"learning_rate": None}, "schedule 'constant' needs a learning rate, got none"),
        (
            {"parameterization": "xup"},
            "unknown parameterization 'xup': expected one of mup, mup_inv",
        ),
        ({"activation": "gelu"}, "unknown activation 'gelu': expected one of abs, linear, relu"),
    ],
)
def test_errors_say_what_is_allowed(changes, message):
    with pytest.raises(UserError) as caught:
        train([problems.run(**changes)], problems.dataset())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("changes", [{"width": 6}, {"schedule": ScheduleSpec("warmup")}])
def test_runs_of_different_shapes_are_no_stack(changes):
    with pytest.raises(
        UserError, match="runs of one stack must differ in learning rate, seeds and"
    ):
        train([problems.run(), problems.run(**changes)], problems.dataset())
