"""``nup.train``: own arrays in, tables and weights out."""

import numpy as np
import pandas as pd
import pytest
import torch

import nup
from nup import torch as nt
from nup.data import own
from nup.errors import UserError
from nup.specs import DataSpec
from nup.training.loop import train as train_stack

BRIEF = {"depth": 3, "width": 5, "steps": 8, "learning_rate": 0.1, "dtype": "float64"}


def samples(n=24, d_in=6, classes=3, seed=0):
    source = np.random.default_rng(seed)
    return source.normal(size=(n, d_in)), np.arange(n) % classes


def losses(model, data, name, split="train"):
    """The loss as its definition says."""
    x, y = (torch.from_numpy(each[split]) for each in (data.inputs, data.targets))
    f = model(x)
    if name == "cross_entropy":
        return torch.nn.functional.cross_entropy(f, torch.from_numpy(data.labels[split])).item()
    return (f - y).square().sum().item() / (2 * len(x))


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("name", ["nup", "mup_residual", "sp"])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_weights_are_those_of_the_final_loss(name, loss, compiled):
    x, y = samples()
    found = nup.train(
        x, y, parameterization=name, loss=loss, seeds=[3, 1], compiled=compiled, **BRIEF
    )
    assert list(found.runs["seed"]) == [3, 1]
    for row, wanted in enumerate(found.runs["final_loss"]):
        model = found.model(row)
        assert losses(model, found.data, loss) == pytest.approx(wanted, rel=1e-12)
        fresh = nt.mlp(name, depth=3, width=5, d_in=6, d_out=3, activation="abs").double()
        assert losses(fresh, found.data, loss) != pytest.approx(wanted, rel=1e-3)
        nt.set_weights(fresh, found.weights[row])
        inputs = torch.from_numpy(found.data.inputs["train"])
        assert torch.equal(fresh(inputs), model(inputs))


def test_runs_are_those_of_the_engine():
    x, y = samples()
    held = samples(9, seed=1)
    found = nup.train(x, y, validation=held, test=held, batch_size=8, seeds=2, **BRIEF)
    data = own.dataset({"train": (x, y), "validation": held, "test": held})
    records = train_stack(found.specs, data)
    np.testing.assert_array_equal(records.runs["final_loss"], found.runs["final_loss"])
    np.testing.assert_array_equal(records.runs["test_accuracy"], found.runs["test_accuracy"])
    assert found.runs["validation_loss"].notna().all()


def test_settings_are_those_of_a_study():
    x, y = samples()
    found = nup.train(
        torch.from_numpy(x),
        torch.from_numpy(y),
        parameterization={"name": "nup", "r": np.float64(1)},
        depth=(2, np.int64(3)),
        width=np.int64(4),
        activation=(1, 2),
        schedule={"name": "sharpness", "c": [1.0, 1.5]},
        steps=np.int64(4),
        seeds=np.arange(2),
        record={"hessian": 1},
    )
    assert len(found.runs) == 2 * 2 * 2 == len(found.weights)
    assert set(found.runs["net"]) == {"nup(r=1)"}
    assert set(found.runs["activation"]) == {"(1,2)"}
    assert list(found.runs["depth"]) == [2] * 4 + [3] * 4
    assert found.steps["hessian_sharpness"].notna().any()
    assert set(found.layers["run_id"]) == set(found.runs["run_id"])


def test_rates_may_be_in_units_of_the_edge():
    x, y = samples()
    found = nup.train(x, y, depth=2, width=4, steps=2, seeds=2, learning_rate={"edge": [0.5, 1.0]})
    edge = found.runs["learning_rate"] * found.runs["initial_sharpness"]
    np.testing.assert_allclose(edge, found.runs["edge"], rtol=1e-3)


def test_what_was_not_given_is_not_measured():
    x, y = samples()
    found = nup.train(x, y, seeds=1, **BRIEF)
    assert isinstance(found.runs, pd.DataFrame)
    for column in ("test_accuracy", "validation_accuracy", "validation_loss"):
        assert found.runs[column].isna().all()
    assert found.runs["train_accuracy"].notna().all()
    again = nup.train(x, y, test=samples(9, seed=1), seeds=1, **BRIEF)
    assert again.runs["test_accuracy"].notna().all()
    assert again.runs["validation_loss"].isna().all()
    assert again.runs["run_id"][0] != found.runs["run_id"][0]


def test_a_run_that_diverged_has_no_weights():
    x, y = samples()
    found = nup.train(x, y, **{**BRIEF, "learning_rate": [0.1, 1e6]}, seeds=1)
    assert list(found.runs["status"]) == ["ok", "diverged"]
    assert found.weights[0] is not None
    assert found.weights[1] is None
    with pytest.raises(UserError, match=r"run 1: expected final weights, got none, for it diverg"):
        found.model(1)


def test_arrays_may_be_taken_as_they_are():
    x, _ = samples()
    y = x[:, 0] * 3 + 1
    found = nup.train(x, y, standardize=False, seeds=1, **BRIEF)
    np.testing.assert_array_equal(found.data.inputs["train"], x)
    np.testing.assert_array_equal(found.data.targets["train"], y[:, None])
    scaled = nup.train(x, y, seeds=1, **BRIEF).data
    np.testing.assert_allclose((scaled.inputs["train"] ** 2).mean(1), 1)
    np.testing.assert_allclose(scaled.targets["train"].std(0), 1)


def test_standardization_is_that_of_the_training_split():
    x, _ = samples()
    held = samples(9, seed=1)[0]
    found = own.dataset({"train": (x, x[:, :2]), "test": (held, held[:, :2])})
    mean, deviation = x[:, :2].mean(0), x[:, :2].std(0)
    np.testing.assert_allclose(found.targets["test"], (held[:, :2] - mean) / deviation)
    np.testing.assert_allclose(found.inputs["test"] ** 2 @ np.ones(6) / 6, 1)
    np.testing.assert_array_equal(found.inputs["probe"], found.inputs["test"])


X, Y = samples()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:, :, None]}, r"train: expected inputs \[n, d_in\] .*got \[24, 6, 1\].*flatten"),
        ({"y": Y[:-1]}, r"equally many samples, got \[24, 6\] and \[23\]"),
        ({"y": Y - 1}, "train: expected labels 0, 1, …, got -1"),
        ({"x": np.where(X > 2, np.nan, X)}, "train: expected finite numbers, got others among"),
        ({"x": np.full(X.shape, "a")}, "train: expected finite numbers, got values of <U1"),
        ({"test": X}, r"test: expected a pair \(x, y\), got ndarray"),
        ({"test": (X[:, 1:], Y)}, r"test: expected .* like .*\[n, 6\] with labels; got \[n, 5\]"),
        ({"test": (X, X)}, r"with labels; got \[n, 6\] with targets \[n, 6\]"),
        ({"y": np.zeros(24)}, "every output to vary over the training split, but output 0 is"),
        ({"x": X * 0}, "inputs with at least one coordinate that is not 0, got 24 zero vectors"),
        ({"widht": 4}, r"nup\.train: 1 mistake.*\n.*got unknown key 'widht'; expected one of data"),
        ({"width": 4.5}, r"nup\.train: 1 mistake.*\n  experiments\.train\.width"),
        ({"batch_size": 99}, "batch_size: expected at most n_train = 24 of data set 'arrays'"),
        ({"data": "digits"}, "data: expected x and y in its place, got both"),
        ({"loss": "cross_entropy", "y": X}, "loss 'cross_entropy' needs classes"),
        ({"device": "tpu"}, "device: expected one of auto, cpu, cuda, got 'tpu'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    given = {"x": X, "y": Y, "seeds": 1, **BRIEF, **change}
    with pytest.raises(UserError, match=message):
        nup.train(**given)


def test_other_weights_than_the_modules_are_refused():
    model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=2, seed=0)
    before = model.layers[0].weight.clone()
    with pytest.raises(UserError, match=r"weights: expected shapes \[\(4, 5\), .*got \[\(4, 5\)\]"):
        nt.set_weights(model, [torch.zeros(4, 5)])
    assert torch.equal(model.layers[0].weight, before)


def test_a_study_cannot_name_samples_in_memory():
    from nup.data import datasets

    options = {"d_in": 2, "d_out": 1, "rows": 4, "digest": "abc"}
    spec = DataSpec("arrays", 1, 1, 1, 1, options=options)
    with pytest.raises(UserError, match=r"expected samples given to nup\.train, got their digest"):
        datasets.load(spec)


@pytest.mark.parametrize("kind", [np.int64, np.int32, torch.tensor])
def test_numbers_may_be_those_of_numpy_and_torch(kind):
    sizes = {"depth": 3, "width": 4, "d_in": 5, "d_out": 2, "base_width": 4}
    given = {name: kind(value) for name, value in sizes.items()}
    found = nup.parameterization("nup", **given, r=np.float32(1))
    assert found == nup.parameterization("nup", **sizes, r=1)
    assert all(type(width) is int for width in found.widths)
    assert type(found.options["r"]) is float
    with pytest.raises(UserError, match=r"width must be a whole number ≥ 1, got 4\.0"):
        nup.parameterization("nup", **{**sizes, "width": np.float64(4)})
