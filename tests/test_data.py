"""Data sets: splits, standardization, reproducibility, errors."""

import random
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nup.data import datasets, sources
from nup.data.sources import SOURCES, Samples, Shape
from nup.errors import UserError
from nup.specs import DataSpec

SMALL = DataSpec("digits", n_train=200, n_validation=50, n_test=60, n_probe=20, seed=3)
TEACHER = replace(SMALL, name="teacher", options={"samples": 400, "d_in": 5, "d_out": 2})
MNIST1D = replace(SMALL, name="mnist1d", options={"samples": 500})


@pytest.mark.parametrize("spec", [SMALL, TEACHER, MNIST1D], ids=lambda spec: spec.name)
def test_every_data_set_is_standardized(spec):
    dataset = datasets.load(spec)
    assert dataset.name == spec.name
    assert (dataset.d_in, dataset.d_out) == datasets.dimensions(spec)
    for split in datasets.SPLITS:
        inputs, targets = dataset.inputs[split], dataset.targets[split]
        assert len(inputs) == len(targets) == getattr(spec, f"n_{split}")
        assert inputs.dtype == targets.dtype == np.float64
        np.testing.assert_allclose(np.sqrt((inputs**2).mean(axis=1)), 1, rtol=1e-14)
    np.testing.assert_allclose(dataset.targets["train"].mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(dataset.targets["train"].std(axis=0), 1, rtol=1e-13)
    # The training split alone sets the standardization.
    assert not np.allclose(dataset.targets["test"].mean(axis=0), 0, atol=1e-13)


@pytest.mark.parametrize("spec", [SMALL, MNIST1D], ids=lambda spec: spec.name)
def test_classes_are_one_hot(spec):
    dataset = datasets.load(spec)
    assert dataset.labels is not None
    for split in datasets.SPLITS:
        assert dataset.labels[split].dtype == np.int64
        np.testing.assert_array_equal(
            dataset.targets[split].argmax(axis=1), dataset.labels[split], strict=True
        )
    assert set(dataset.labels["train"]) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    found = SOURCES["digits"].pool({}, 0)
    inputs, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(found.inputs, inputs)
    np.testing.assert_array_equal(found.labels, labels)


def test_splits_are_disjoint():
    inputs = datasets.load(SMALL).inputs
    rows = {split: {row.tobytes() for row in inputs[split]} for split in datasets.SPLITS}
    for first, second in combinations(datasets.SPLITS, 2):
        assert not rows[first] & rows[second]


@pytest.mark.parametrize("spec", [SMALL, TEACHER], ids=lambda spec: spec.name)
def test_only_the_training_set_depends_on_its_size(spec):
    small, large = datasets.load(spec), datasets.load(replace(spec, n_train=270))
    for split in ("probe", "test", "validation"):
        np.testing.assert_array_equal(small.inputs[split], large.inputs[split])
    np.testing.assert_array_equal(small.inputs["train"], large.inputs["train"][:200])


def test_probe_depends_on_no_other_count():
    other = replace(SMALL, n_train=100, n_validation=10, n_test=90)
    np.testing.assert_array_equal(
        datasets.load(SMALL).inputs["probe"], datasets.load(other).inputs["probe"]
    )


def test_digest_identifies_the_arrays():
    specs = [SMALL, replace(SMALL, seed=4), replace(SMALL, n_train=201), TEACHER]
    digests = {datasets.load(spec).digest for spec in specs}
    assert len(digests) == len(specs)
    assert datasets.load(SMALL).digest in digests
    assert all(re.fullmatch("[0-9a-f]{12}", text) for text in digests)
    dataset = datasets.load(SMALL)
    dataset.inputs["probe"][0, 0] += 1e-12
    assert datasets.digest(dataset) not in digests


def test_mnist1d_keeps_the_global_random_state():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = datasets.load(MNIST1D).digest
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    assert datasets.load(MNIST1D).digest == first


def test_teacher_targets_follow_from_the_inputs():
    spec = replace(TEACHER, options={**TEACHER.options, "width": 1, "d_out": 1, "d_in": 2})
    dataset = datasets.load(spec)
    assert dataset.labels is None
    # With one unit y is affine in |u·x|: a scan over the directions in the plane finds u.
    x, y = dataset.inputs["train"], dataset.targets["train"][:, 0]
    angles = np.linspace(0, np.pi, 721)
    units = np.abs(x @ np.stack([np.cos(angles), np.sin(angles)]))
    correlations = [abs(np.corrcoef(unit, y)[0, 1]) for unit in units.T]
    assert max(correlations) > 0.9999


def test_centered_subtracts_the_training_mean():
    plain = datasets.load(TEACHER)
    centered = datasets.load(replace(TEACHER, options={**TEACHER.options, "centered": True}))
    moved = plain.inputs["test"] - plain.inputs["train"].mean(axis=0)
    moved /= np.sqrt((moved**2).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(centered.inputs["test"], moved, rtol=1e-13)


def test_a_data_set_is_added_by_one_function():
    @sources.register("sign", Shape(3, 1, 100))
    def sign(options, seed):
        inputs = np.random.default_rng(seed).normal(size=(100, 3))
        return Samples(inputs, targets=np.sign(inputs[:, :1]))

    spec = DataSpec("sign", n_train=40, n_validation=10, n_test=10, n_probe=10)
    assert "sign" in SOURCES
    assert datasets.dimensions(spec) == (3, 1)
    dataset = datasets.load(spec)
    assert dataset.labels is None
    np.testing.assert_array_equal(
        np.sign(dataset.targets["test"]), np.sign(dataset.inputs["test"][:, :1])
    )


def test_zero_inputs_are_refused():
    @sources.register("dark")
    def dark(options, seed):
        return Samples(np.array([[1.0, 0], [0, 0], [0, 2], [0, 0]]), targets=np.eye(4, 1))

    spec = DataSpec("dark", n_train=1, n_validation=1, n_test=1, n_probe=1)
    with pytest.raises(UserError, match=r"'dark'.* got 2 zero vectors \(first: sample 1\)"):
        datasets.load(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (DataSpec("imagenet"), r"unknown data set 'imagenet': expected one of arrays, cifar10, "),
        (
            replace(SMALL, options={"samples": 9}),
            r"option 'samples': data set 'digits' takes centered",
        ),
        (replace(SMALL, options={"centered": 1}), r"expected true or false, got 1"),
        (replace(TEACHER, options={"width": 0}), r"'width' .* whole number ≥ 1, got 0"),
        (replace(TEACHER, options={"d_in": 2.5}), r"'d_in' .* whole number .* got 2.5"),
        (replace(SMALL, seed=-1), r"seed .* expected 0 or more, got -1"),
        (replace(SMALL, n_probe=0), r"n_probe .* at least 1, got 0"),
        (
            replace(SMALL, n_train=1700),
            r"has 1797 samples, but 1700 train \+ 50 validation \+ 60 test \+ 20 probe = 1830 were "
            r"asked for; lower one of n_train, n_validation, n_test, n_probe$",
        ),
        (replace(TEACHER, n_train=300), r"has 400 samples.* or raise its option 'samples'$"),
    ],
)
def test_what_cannot_be_had_is_refused_before_drawing(spec, message):
    with pytest.raises(UserError, match=message):
        datasets.check(spec)
    with pytest.raises(UserError, match=message):
        datasets.load(spec)


def test_mnist1d_needs_equal_shares():
    with pytest.raises(UserError, match=r"expected a multiple of 10 .* got 505"):
        datasets.load(replace(MNIST1D, options={"samples": 505}))


def test_an_absent_class_is_named():
    with pytest.raises(UserError, match=r"class \d is constant over its 5 samples \(seed 3\)"):
        datasets.load(replace(SMALL, n_train=5))


def test_every_data_set_is_documented():
    """The table of data sets has their names and sizes, and each has a citation."""
    text = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|", text, flags=re.MULTILINE)
    described, cited = rows[: len(SOURCES)], rows[len(SOURCES) :]
    assert sorted(name for name, _ in described) == sorted(SOURCES)
    assert sorted(name for name, _ in cited) == sorted(set(SOURCES) - {"file", "arrays"})
    for name, inputs in described:
        if name in ("file", "arrays"):  # they have the sizes of what is given
            continue
        d_in = re.findall(r"[\d,]+", inputs)[-1].replace(",", "")
        assert int(d_in) == datasets.dimensions(DataSpec(name))[0]


# -- files of the user -----------------------------------------------------------------------------


def written(folder, suffix, kind):
    """A file of 60 samples of 3 coordinates, with 3 classes or 2 targets, and the arrays in it."""
    source = np.random.default_rng(0)
    arrays = {"inputs": source.normal(size=(60, 3))}
    if kind == "labels":
        arrays["labels"] = np.arange(60) % 3
    else:
        arrays["targets"] = source.normal(size=(60, 2))
    path = folder / f"mine{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        names = ["x", "y", "z", *(["label"] if kind == "labels" else ["target_a", "target_b"])]
        table = np.column_stack(list(arrays.values()))
        np.savetxt(path, table, delimiter=",", header=",".join(names), comments="", fmt="%.17g")
    return path, arrays


def file_spec(path, **changes):
    sizes = {"n_train": 30, "n_validation": 10, "n_test": 10, "n_probe": 10}
    return DataSpec("file", **(sizes | changes), options={"path": str(path)})


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
@pytest.mark.parametrize("kind", ["labels", "targets"])
def test_a_file_of_the_user_is_a_data_set(tmp_path, suffix, kind):
    path, arrays = written(tmp_path, suffix, kind)
    spec = file_spec(path)
    assert datasets.dimensions(spec) == (3, 3 if kind == "labels" else 2)
    dataset = datasets.load(spec)
    unit = arrays["inputs"] / np.sqrt((arrays["inputs"] ** 2).mean(axis=1, keepdims=True))
    drawn = np.concatenate([dataset.inputs[split] for split in datasets.SPLITS])
    order = [int(np.abs(unit - row).sum(axis=1).argmin()) for row in drawn]
    assert sorted(order) == list(range(60))
    np.testing.assert_allclose(drawn, unit[order], rtol=1e-14)
    if kind == "labels":
        found = np.concatenate([dataset.labels[split] for split in datasets.SPLITS])
        np.testing.assert_array_equal(found, arrays["labels"][order])


def test_a_replaced_file_is_another_data_set(tmp_path):
    path, _ = written(tmp_path, ".npz", "labels")
    planned = datasets.resolve(file_spec(path))
    assert datasets.resolve(file_spec(path)) == planned
    np.savez(path, inputs=np.ones((60, 3)), labels=np.arange(60) % 3)
    assert datasets.resolve(file_spec(path)).contents != planned.contents
    with pytest.raises(UserError, match=r"expected files with the digest .*put the old file back"):
        datasets.load(planned)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, r"expected a file of samples, got no such file"),
        ("mine.txt", b"1", r"expected a file named .npz or .csv, got '.txt'"),
        ("mine.npz", b"PK\x03\x04", r"expected a .npz file of plain arrays"),
        ("mine.csv", b"x,label\n1,0\n2,no\n", r"numbers separated by commas"),
        ("mine.csv", b"x,y\n1,0\n", r"either labels or targets, got inputs"),
        ("mine.csv", b"x,label\n1,0.5\n", r"expected labels 0, 1, "),
        ("mine.csv", b"x,label\nnan,0\n", r"expected finite numbers, got others among the inputs"),
        ("mine.csv", b"x,label\n1,0,3\n", r"expected 2 numbers a line"),
    ],
)
def test_a_file_that_holds_something_else_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        datasets.check(file_spec(path))
    assert str(path) in str(caught.value)
