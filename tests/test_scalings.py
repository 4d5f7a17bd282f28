"""Gradient scalings: their formulas, what they promise, and the rule by which they are clipped."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
import references
from nup.kernels.scalings import clipped as compiled_clip
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, backpropagate
from nup.networks.losses import LOSSES
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization
from nup.specs import ScheduleSpec
from nup.training.loop import train
from nup.training.observables import cadences
from nup.training.scalings import LIMIT, SCALINGS, Signals, clipped

RULES = ["depthwise", "equal", "per_sample", "gram"]
RECORD = cadences(steps=1, curvature=0, taylor=1, layers=1, probe=0, features=0)


def run(rule, **changes):
    return problems.run(
        **{"schedule": ScheduleSpec(gradient_scaling=rule), "depth": 4, "record": RECORD, **changes}
    )


def signals_of(weights, data, shape, phi="abs"):
    """What a scaling may look at of one net [1, ·, ·] on the training samples."""
    network = Network(shape, activation(phi))
    x, y = (torch.from_numpy(part["train"]) for part in (data.inputs, data.targets))
    passed = backpropagate(Objective(network, LOSSES["mse"](), x, y), weights, cotangents=True)
    first, *others = network.features(x, passed.preactivations)
    return Signals(passed.gradients, [first[None], *others], passed.cotangents, shape.lr_factors)


def scales_of(rule, signals, initial=None):
    """ξ [l] by a rule of the registry."""
    entry = SCALINGS[rule]
    assert entry.rule is not None
    start = entry.start(initial or signals) if entry.start else None
    return clipped(entry.rule(replace(signals, initial=start)))[0]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_training_follows_the_formula(rule, compiled):
    """Losses and ξ of every step are those of the formula, written out for one run."""
    data, spec = problems.dataset(), run(rule, activation="(1,2)")
    records = train([spec], data, compiled=compiled)
    losses, states, shape, phi = problems.slow_training(spec, data)
    np.testing.assert_allclose(records.steps["loss"], losses, rtol=problems.STORED)
    found = records.layers["gradient_scale"].reshape(-1, 4)
    x, y = problems.training_split(spec, data)
    signals = [references.layer_signals(state, x, y, shape, phi) for state in states]
    scales = np.array(
        [references.gradient_scales(rule, *each, shape.lr_factors) for each in signals]
    )
    if rule in ("per_sample", "gram"):
        scales /= scales[0]
    np.testing.assert_allclose(found, scales, rtol=problems.STORED)


@pytest.mark.parametrize("name", ["nup", "mup_residual"])
def test_equal_shares_leave_their_sum(name):
    """Every layer has the same part in −T1, and the first T1 is that without scaling. [derived]"""
    data = problems.dataset()
    plain, equal = (run(rule, parameterization=name, steps=4) for rule in ("none", "equal"))
    first = [train([spec], data).steps["taylor_1"][0] for spec in (plain, equal)]
    assert first[1] == pytest.approx(first[0], rel=problems.STORED)
    layers = train([equal], data).layers
    squares = (layers["update_norm"] / equal.learning_rate) ** 2  # (c_k ξ_k)² ‖∂L/∂W_k‖²
    factors = np.tile(problems.shape_of(equal, data).lr_factors, equal.steps + 1)
    parts = (squares / factors / layers["gradient_scale"]).reshape(-1, 4)[:-1]
    np.testing.assert_allclose(parts, parts[:, :1] * np.ones(4), rtol=1e-5)


@pytest.mark.parametrize("rule", ["per_sample", "gram"])
def test_scalings_that_look_back_start_at_one(rule):
    layers = train([run(rule), run(rule, seed=1)], problems.dataset()).layers
    np.testing.assert_array_equal(layers["gradient_scale"][layers["step"] == 0], 1)


def test_ratios_are_clipped_by_one_rule():
    given = [0.0, -1.0, np.nan, np.inf, 3.0, 1e-30, 1e30, LIMIT, 1 / LIMIT]
    expected = [1.0, 1.0, 1.0, 1.0, 3.0, 1 / LIMIT, LIMIT, LIMIT, 1 / LIMIT]
    assert LIMIT == 2**20
    assert clipped(torch.tensor(given, dtype=torch.float64)).tolist() == expected
    assert [compiled_clip.py_func(value, LIMIT) for value in given] == expected


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_a_layer_without_signal_keeps_one(rule, compiled):
    """Inputs of zero: no gradient reaches any layer, and none moves."""
    data = problems.dataset()
    data.inputs["train"][:] = 0
    records = train([run(rule)], data, compiled=compiled)
    assert records.runs["status"] == ["ok"]
    scales = records.layers["gradient_scale"].reshape(-1, 4)
    np.testing.assert_array_equal(scales[:, :3] if rule == "depthwise" else scales, 1)
    assert (records.steps["update_norm"][:-1] == 0).all()


def test_products_of_gram_are_counted():
    """2·n·m·min(n, m) for the features and the cotangents of every layer."""
    data, n = problems.dataset(), 6  # widths 4, 5, 5, 5, 3
    flops = [train([run(rule)], data).steps["flops"][1] for rule in ("none", "gram")]
    own = 2 * n * sum(m * min(n, m) for m in (4, 5, 5, 5, 5, 5, 5, 3))
    assert flops[1] - flops[0] == own


# -- equivariance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "right"), [(0, 1), (0, 3), (2, 1)])
def test_only_the_product_of_both_powers_is_equivariant(left, right):
    """Under W_j → aW_j, W_i → W_i/a, which leaves the function as it is, so does every step.

    ΔW_j is a times as large and ΔW_i 1/a times, so that the weights stay related. [derived] Neither
    the square root of F·B does that, nor no scaling at all.
    """
    data, a = problems.dataset(), 3.0
    shape = parameterization("mup", depth=4, width=5, d_in=4, d_out=3)
    weights = initial_weights(shape, [0], dtype=torch.float64)
    ratio = torch.ones(4, dtype=torch.float64)
    ratio[left], ratio[right] = a, 1 / a
    moved = [w * r for w, r in zip(weights, ratio, strict=True)]

    def updates(of, power):
        signals = signals_of(of, data, shape)
        scales = scales_of("depthwise", signals) ** power
        return [g[0] * s for g, s in zip(signals.gradients, scales, strict=True)]

    errors = {}
    for power in (1.0, 0.5, 0.0):
        pairs = zip(updates(moved, power), updates(weights, power), ratio, strict=True)
        errors[power] = max(float((u / (r * v) - 1).abs().max()) for u, v, r in pairs)
    assert errors[1.0] < 1e-9
    assert min(errors[0.5], errors[0.0]) > 0.5
