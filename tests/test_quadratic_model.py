"""Where the loss is quadratic in the weights: the edge of stability is exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
import references
from nup.networks.activations import activation
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import register
from nup.networks.parameterizations.standard import sp
from nup.training.loop import train
from nup.training.observables import cadences


@pytest.fixture
def last_layer_alone():
    """A parameterization that trains the last layer alone: its loss is quadratic in the weights.

    With c_k = 0 below the last layer the features are those of the initialization, f is linear in
    the weights that move, and nothing of the training loop is left out.
    """

    @register()
    def frozen(depth, width, d_in, d_out):
        resolved = sp(depth, width, d_in, d_out)
        return replace(resolved, lr_factors=(0.0,) * (depth - 1) + (1.0,))

    return problems.run(
        parameterization="frozen",
        width=4,
        steps=200,
        record=cadences(steps=1, curvature=1, taylor=1, layers=0, probe=0, features=0),
    )


def quadratic_losses(spec, data, rate):
    """Losses at t = 0 … steps of gradient descent on the last layer, by eigendecomposition.

    The residual obeys r_{t+1} = (I − η K/n) r_t with K = X Xᵀ the Gram matrix of the last features.
    """
    shape, phi = problems.shape_of(spec, data), activation(spec.activation)
    weights = [w[0] for w in initial_weights(shape, [spec.seed], dtype=torch.float64)]
    inputs, targets = (torch.from_numpy(x["train"]) for x in (data.inputs, data.targets))
    outputs, preactivations = references.forward(weights, inputs, shape, phi)
    features = references.phi(preactivations[-2], phi)
    values, vectors = torch.linalg.eigh(features @ features.T / len(inputs))
    parts = ((vectors.T @ (outputs - targets)) ** 2).sum(1)
    powers = (1 - rate * values[None]) ** (2 * torch.arange(spec.steps + 1)[:, None])
    return float(values[-1]), (powers * parts).sum(1) / (2 * len(inputs))


def test_quadratic_model_diverges_exactly_beyond_two(last_layer_alone):
    data = problems.dataset()
    edge, _ = quadratic_losses(last_layer_alone, data, 0.0)
    products = (0.5, 1.9, 1.999, 2.001, 2.02)
    specs = [replace(last_layer_alone, learning_rate=product / edge) for product in products]
    records = train(specs, data)
    for spec, product in zip(specs, products, strict=True):
        row = problems.summary(records, spec)
        assert row["initial_sharpness"] == pytest.approx(edge, rel=1e-9)
        _, expected = quadratic_losses(spec, data, spec.learning_rate)
        steps = problems.rows(records.steps, spec)
        np.testing.assert_allclose(steps["loss"], expected[: len(steps["loss"])], rtol=2e-6)
        np.testing.assert_allclose(steps["edge"][:-1], product, rtol=1e-6)
        # In the last steps only the top eigendirection still changes by much.
        late = np.diff(steps["loss"])[-20:]
        assert (late < 0).all() if product < 2 else (late > 0).all()
    assert list(records.runs["status"]) == ["ok"] * 5


def test_quadratic_model_far_beyond_two_is_recorded_as_diverged(last_layer_alone):
    data = problems.dataset()
    edge, _ = quadratic_losses(last_layer_alone, data, 0.0)
    records = train([replace(last_layer_alone, learning_rate=3 / edge)], data)
    assert records.runs["status"] == ["diverged"]
    assert "exceeded" in records.runs["reason"][0]


@pytest.mark.parametrize("rule", [problems.sharpness, problems.taylor])
def test_schedules_on_the_quadratic_model(last_layer_alone, rule):
    """sharpness(c) diverges beyond c = 2. taylor(2) leaves the loss as it is at every step, and
    taylor(1) takes the whole of T1²/(4 T2) off it.
    """
    data = problems.dataset()
    changes = {
        name: getattr(last_layer_alone, name)
        for name in ("parameterization", "width", "steps", "record")
    }
    specs = [rule(c, **changes) for c in (1.0, 1.99, 2.0, 2.01)]
    losses = [problems.rows(train(specs, data).steps, spec)["loss"] for spec in specs]
    if rule is problems.taylor:
        np.testing.assert_allclose(losses[2], losses[2][0], rtol=1e-6)
        assert losses[1][-1] < losses[2][0] < losses[3][-1]
        steps = problems.rows(train(specs, data).steps, specs[0])
        drop = steps["taylor_1"] ** 2 / (4 * steps["taylor_2"])
        np.testing.assert_allclose(-np.diff(steps["loss"])[:5], drop[:5], rtol=1e-4)
    else:
        assert losses[1][-1] < losses[1][-20]
        assert losses[3][-1] > losses[3][-20]
