"""Critical lines of nets whose lines are known, and the rows that a search leaves."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
import references
from nup.jobs.phases import describe
from nup.networks import theory
from nup.networks.activations import activation
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import register
from nup.networks.parameterizations.standard import sp
from nup.phases.diagram import measure
from nup.phases.threshold_search import LINES
from nup.specs import DataSpec, PhaseSpec
from nup.tables.schema import COMPUTED, PHASES

#: Only its sizes count: every test hands over the data set itself.
ONE = DataSpec("teacher", n_train=1, options={"d_in": 1, "d_out": 1})
MADE = DataSpec("teacher", n_train=6, options={"d_in": 4, "d_out": 3})


def spec(**changes):
    plain = PhaseSpec("test", MADE, "mup", depth=3, width=5, activation="abs", seed=0, steps=16)
    return replace(plain, dtype="float64", **changes)


def lines(specs, data):
    """Rows by (seed, line)."""
    columns = describe(specs, measure(specs, data))
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return {(row["seed"], row["line"]): row for row in rows}


# -- the two-layer linear net ----------------------------------------------------------------------

STEPS, EARLY = 400, 8


def toy_spec(seed, width):
    return spec(
        data=ONE,
        parameterization="ntp",
        depth=2,
        width=width,
        activation="linear",
        seed=seed,
        steps=STEPS,
        early=EARLY,
        sharpness="gauss_newton",
        log2_from=1 / 16,  # c = 2 and c = 4 would be decided by rounding
        log2_to=4.0,
    )


def toy(net):
    """The same net as ``nup.networks.theory`` has it."""
    shape = problems.shape_of(problems.run(parameterization="ntp", depth=2, width=net.width), DATA)
    first, second = initial_weights(shape, [net.seed], dtype=torch.float64)
    scaled = math.sqrt(net.width) * second[0, 0].numpy()
    return theory.TwoLayerLinear(first[0, :, 0].numpy(), scaled)


DATA = problems.one_sample()


def toy_shows(net, c):
    """Which of the lines' predicates hold at c, from the weights themselves."""
    rate = c / net.sharpness
    losses, sharpness, state = [net.output**2 / 2], [net.sharpness], net
    while len(losses) <= STEPS and losses[-1] <= 1e4 * losses[0]:
        state = state.step(rate)
        losses.append(state.output**2 / 2)
        sharpness.append(state.sharpness)
    ended = losses[-1] <= 1e4 * losses[0]
    back = ended and losses[-1] < losses[0]
    return {
        "loss": max(losses[1 : EARLY + 1]) > losses[0] * (1 + 1e-5),
        "sharpness": max(sharpness[1 : EARLY + 1]) > sharpness[0] * 1.02,
        "catapult": back and max(losses) > losses[0] and sharpness[-1] < sharpness[0],
        "divergence": not back,
    }


@pytest.mark.parametrize("width", [16, 256])
def test_lines_of_the_two_layer_linear_net(width):
    """As its closed form has them; in a wide net the loss rises from c = 2 on, λ from 4 on."""
    specs = [toy_spec(seed, width) for seed in range(2)]
    found = lines(specs, DATA)
    ladder = 2 ** (1 / 16 + np.arange(4 * 8) / 8)
    for net in specs:
        shown = [toy_shows(toy(net), c) for c in ladder]
        for line in LINES:
            expected = next(c for c, holds in zip(ladder, shown, strict=True) if holds[line])
            row = found[net.seed, line]
            assert row["c"] == pytest.approx(expected), (net.seed, line)
            assert row["censored"] == ""
            assert row["initial_sharpness"] == pytest.approx(toy(net).sharpness, rel=1e-6)
            rate = row["learning_rate"] * row["initial_sharpness"]
            assert rate == pytest.approx(row["c"], rel=1e-12)
        if width == 256:
            octaves = {line: math.log2(found[net.seed, line]["c"]) for line in LINES}
            assert 1 < octaves["loss"] <= 1 + 2 / 8
            assert octaves["catapult"] == octaves["loss"]
            assert 2 < octaves["sharpness"] <= 2 + 2 / 8
            assert octaves["divergence"] == pytest.approx(2, abs=2 / 8)


# -- the quadratic model ---------------------------------------------------------------------------


def test_a_quadratic_loss_diverges_just_beyond_two():
    """Trained in the last layer alone, f is linear in the weights: there is no catapult."""

    @register()
    def frozen(depth, width, d_in, d_out):
        factors = (0.0,) * (depth - 1) + (1.0,)
        return replace(sp(depth, width, d_in, d_out), lr_factors=factors)

    specs = [
        spec(parameterization="frozen", seed=seed, steps=200, early=1, sharpness=sharpness)
        for seed, sharpness in enumerate(("hessian", "gauss_newton"))
    ]
    for net in specs:
        found = lines([net], problems.dataset())
        divergence = found[net.seed, "divergence"]
        assert divergence["c"] == pytest.approx(2 ** (1 + 1 / 8))  # the least c above 2
        assert (divergence["censored"], divergence["exceptions"]) == ("", 0)
        catapult = found[net.seed, "catapult"]
        assert (catapult["c"], catapult["learning_rate"]) == (None, None)
        assert catapult["censored"] == "above"
        assert found[net.seed, "loss"]["c"] >= divergence["c"]


# -- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phi", "loss"), [("abs", "mse"), ("relu", "mse"), ("abs", "cross_entropy")]
)
def test_the_sharpness_is_that_of_the_dense_preconditioned_hessian(phi, loss):
    data = problems.dataset("regression" if loss == "mse" else "classification")
    net = spec(parameterization="nup", activation=phi, loss=loss, seed=1, log2_to=0.0)
    run = problems.run(parameterization="nup", activation=phi, loss=loss, seed=1)
    shape = problems.shape_of(run, data)
    weights = [w[0] for w in initial_weights(shape, [1], dtype=torch.float64)]
    inputs, targets = problems.training_split(run, data)
    dense = references.hessian(
        weights, inputs, targets, shape, activation(phi), shape.lr_factors, loss
    )
    row = lines([net], data)[1, "loss"]
    top = float(torch.linalg.eigvalsh(dense)[-1])
    assert row["initial_sharpness"] == pytest.approx(top, rel=2e-3)


def test_rows_are_one_per_seed_and_line():
    specs = [spec(seed=4, width=3, base_width=2, matched_to="nup(r=2)"), spec(seed=2), spec()]
    columns = describe(specs, measure(specs, problems.dataset()))
    assert set(columns) == set(PHASES) - set(COMPUTED)
    rows = list(zip(columns["width"], columns["seed"], columns["line"], strict=True))
    assert sorted(rows) == sorted((net.width, net.seed, line) for net in specs for line in LINES)
    assert set(columns["lowest_c"]) == {0.5}
    assert set(columns["highest_c"]) == {64.0}
    matched = [name == "nup(r=2)" for name in columns["matched_to"]]
    assert [width for width, m in zip(columns["base_width"], matched, strict=True) if m] == [2] * 4
    # 4 · 5 + 5 · 5 + 5 · 3 weights.
    assert {n for n, m in zip(columns["n_parameters"], matched, strict=True) if not m} == {60}


def test_a_seed_does_not_depend_on_the_others():
    data, specs = problems.dataset(), [spec(seed=seed) for seed in range(3)]
    together = lines(specs, data)
    for net in specs:
        for key, row in lines([net], data).items():
            assert row["initial_sharpness"] == pytest.approx(together[key]["initial_sharpness"])
            for name in ("c", "censored", "exceptions"):
                assert row[name] == together[key][name], (key, name)


def test_a_net_that_no_update_moves_has_no_line():
    """One ReLU unit a layer: where a weight is negative for the only positive input, all is 0."""
    nets = [spec(data=ONE, depth=3, width=1, activation="relu", seed=seed) for seed in range(8)]
    found = lines(nets, problems.one_sample(target=1.0))
    dead = [key for key, row in found.items() if row["initial_sharpness"] == 0]
    assert 0 < len(dead) < len(found)
    for key in dead:
        row = found[key]
        assert (row["censored"], row["c"], row["learning_rate"]) == ("dead", None, None)
        assert row["n_tried"] == 0
    assert all(row["n_tried"] > 0 for key, row in found.items() if key not in dead)
