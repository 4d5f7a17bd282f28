"""The init table against infinite-width theory."""

import math

import numpy as np
import pytest
import torch

import problems
import references
from nup.errors import UserError
from nup.initialization.signals import measure
from nup.networks import theory
from nup.networks.activations import activation
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import parameterization
from nup.specs import DataSpec, InitSpec
from nup.tables.schema import COMPUTED, INIT

VARIANCES = (0.8, 1.0, 1.25)


def spec(**changes):
    values = {
        "experiment": "init",
        "data": DataSpec("made"),
        "parameterization": "mup",
        "depth": 4,
        "width": 16,
        "activation": "abs",
        "weight_variance": 1.0,
        "seed": 0,
    }
    return InitSpec(**(values | changes))


def slope(values):
    """Per layer, of rows [nets, l] averaged over nets."""
    return np.polyfit(np.arange(values.shape[1]), values.mean(0), 1)[0]


@pytest.mark.parametrize("phi", ["abs", "relu"])
@pytest.mark.parametrize("variance", VARIANCES)
def test_norms_grow_as_the_theory_says(variance, phi):
    """Forward and backward log norms have slope ±½ ln σ² per layer: level at the Edge of Chaos."""
    depth, nets = 8, 60
    specs = [
        spec(depth=depth, width=256, activation=phi, weight_variance=variance, seed=seed)
        for seed in range(nets)
    ]
    columns = measure(specs, problems.dataset(d_in=16, probe=8, d_out=100, train=100))
    table = {name: np.array(values).reshape(nets, depth) for name, values in columns.items()}
    expected = math.log(variance) / 2
    assert slope(table["forward_log_norm"]) == pytest.approx(expected, abs=0.01)
    assert slope(table["backward_log_norm"]) == pytest.approx(-expected, abs=0.01)
    assert slope(table["forward_theory"]) == pytest.approx(expected)
    assert slope(table["backward_theory"]) == pytest.approx(-expected)
    for name in ("forward", "backward"):
        error = table[f"{name}_log_norm"].mean(0) - table[f"{name}_theory"].mean(0)
        np.testing.assert_allclose(error, 0, atol=0.06)
    # The last layer is the end from which backward norms are counted.
    assert (table["backward_log_norm"][:, -1] == 0).all()


@pytest.mark.parametrize("phi", ["abs", "relu", "(1,2)"])
def test_cosines_follow_the_iterated_map(phi):
    """Off the Edge of Chaos too: the cosine does not see the scale."""
    data = problems.dataset(d_in=8, probe=10, d_out=100, train=100)
    specs = [
        spec(width=200, activation=phi, weight_variance=VARIANCES[seed % 3], seed=seed)
        for seed in range(45)
    ]
    columns = measure(specs, data)
    found, expected = (
        np.array(columns[name]).reshape(-1, 4) for name in ("cosine", "cosine_theory")
    )
    np.testing.assert_allclose(found.mean(0), expected[0], atol=0.03)
    inputs = data.inputs["probe"]
    pairs = [inputs[i] @ inputs[j] / 8 for i in range(10) for j in range(i)]
    by_hand = theory.layer_cosines(np.array(pairs), activation(phi), 4).mean(1)
    np.testing.assert_allclose(expected[0], by_hand)
    assert (np.diff(expected[0]) > 0).all()  # depth aligns what is not linear


def test_rows_are_one_per_net_and_layer():
    specs = [spec(), spec(parameterization="nup", options={"r": 1.0}, depth=3, seed=4)]
    columns = measure(specs, problems.dataset())
    assert set(columns) == set(INIT) - set(COMPUTED)
    assert columns["layer"] == [1, 2, 3, 4, 1, 2, 3]
    assert columns["parameterization"] == ["mup"] * 4 + ["nup"] * 3
    assert columns["width_exponent"] == [0.0] * 4 + [1.0] * 3
    assert columns["seed"] == [0] * 4 + [4] * 3
    assert set(columns["base_width"]) == {16}
    assert set(columns["delta_phi"]) == {1.0}


def test_a_net_does_not_depend_on_the_others():
    data, one, two = problems.dataset(), spec(), spec(seed=1)
    together, alone = measure([two, one], data), measure([one], data)
    assert together["forward_log_norm"][4:] == alone["forward_log_norm"]
    assert together["forward_log_norm"][:4] != alone["forward_log_norm"]


def test_errors_are_those_of_the_registries():
    with pytest.raises(UserError, match="unknown parameterization 'xup'"):
        measure([spec(parameterization="xup")], problems.dataset())
    with pytest.raises(UserError, match="unknown activation 'gelu'"):
        measure([spec(activation="gelu")], problems.dataset())


# -- kernels ---------------------------------------------------------------------------------------


def kernel_row(data, **changes):
    """The row of the last layer, and that none of the others holds anything of the kernel."""
    columns = measure([spec(kernel="net", **changes)], data)
    names = [name for name in INIT if name.startswith("ntk_")]
    for name in names:
        assert columns[name][:-1] == [None] * (len(columns["layer"]) - 1)
    return {name: columns[name][-1] for name in names}


@pytest.mark.parametrize(("name", "options"), [("mup", {}), ("nup", {"r": 2.0}), ("ntp", {})])
def test_kernel_error_is_that_of_the_dense_jacobian(name, options):
    data = problems.dataset()
    row = kernel_row(data, parameterization=name, width=5, activation="(1,2)", options=options)
    shape = parameterization(name, depth=4, width=5, d_in=4, d_out=3, **options)
    phi = activation("(1,2)")
    weights = [w[0] for w in initial_weights(shape, [0], dtype=torch.float64)]
    inputs = torch.from_numpy(data.inputs["probe"])
    kernel = references.neural_tangent_kernel(weights, inputs, shape, phi, shape.lr_factors)
    cosines = (inputs @ inputs.T / 4).fill_diagonal_(1.0)
    limit = theory.infinite_width_ntk(cosines.numpy(), shape, phi)
    error = np.linalg.norm(kernel.numpy() - limit) / np.linalg.norm(limit)
    assert row["ntk_error"] == pytest.approx(error, rel=1e-10)
    tops = [np.linalg.norm(each, 2) / len(inputs) for each in (kernel.numpy(), limit)]
    assert [row["ntk_top"], row["ntk_top_limit"]] == pytest.approx(tops, rel=1e-10)


@pytest.mark.parametrize("phi", ["abs", "relu", "(1,2)"])
def test_inverse_distances_and_the_condition_number_converge_with_depth(phi):
    """What is derived in ``theory``: the relative error is about 1/2l, and κ → 1 + n/3."""
    data = problems.dataset(d_in=8, probe=12)
    rows = [kernel_row(data, depth=depth, width=2, activation=phi) for depth in (64, 256, 512)]
    errors = np.array([row["ntk_distance_error"] for row in rows])
    assert (np.diff(errors) < 0).all()
    assert errors[-1] == pytest.approx(0.5 / 512, rel=0.4)
    gaps = np.array([row["ntk_condition"] / row["ntk_condition_limit"] - 1 for row in rows])
    assert (np.diff(gaps) < 0).all()
    assert 0 < gaps[-1] < 0.1
    assert {row["ntk_condition_limit"] for row in rows} == {1 + 6 / 3}  # half of the inputs


def test_each_seed_draws_its_own_half_of_the_inputs():
    data = problems.dataset(probe=8)
    rows = [kernel_row(data, seed=seed) for seed in (0, 1, 0)]
    assert rows[0] == rows[2]
    assert rows[0]["ntk_condition"] != rows[1]["ntk_condition"]
    narrow = kernel_row(data, width=3)  # the limit knows no width
    assert narrow["ntk_condition"] == pytest.approx(rows[0]["ntk_condition"])


def test_kernels_of_infinite_width_alone_need_no_net():
    data = problems.dataset()
    alone = measure([spec(kernel="limit", width=10**6, depth=5)], data)
    assert {name: len(values) for name, values in alone.items()} == dict.fromkeys(
        set(INIT) - set(COMPUTED), 1
    )
    net = kernel_row(data, depth=5)
    for name in ("ntk_top_limit", "ntk_distance_error", "ntk_condition", "ntk_condition_limit"):
        assert alone[name] == pytest.approx([net[name]], rel=1e-12)
    for name in ("ntk_error", "ntk_top", "cosine", "forward_log_norm"):
        assert alone[name] == [None]
    assert alone["layer"] == [5]


def test_kernels_without_a_limit_in_depth_say_so():
    data = problems.dataset()
    for changes in ({"activation": "linear"}, {"parameterization": "sp"}):
        row = kernel_row(data, **changes)
        assert math.isfinite(row["ntk_error"])
        assert math.isnan(row["ntk_distance_error"])
        assert math.isnan(row["ntk_condition_limit"])
