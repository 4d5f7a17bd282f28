"""Infinite-width theory against integrals and finite nets; toy models against the engine."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import problems
import references
from nup.curvature.ntk import neural_tangent_kernel
from nup.networks import theory
from nup.networks.activations import activation
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization
from nup.training.loop import train
from nup.training.observables import cadences

PHIS = ["abs", "relu", "linear", "(1,2)", "(1,-1)", "(-3,0.5)"]
COSINES = np.array([-1.0, -0.9, -0.3, 0.0, 0.4, 0.8, 0.99, 1.0])


# -- maps as Gaussian integrals --------------------------------------------------------------------


@pytest.mark.parametrize("name", PHIS)
def test_cosine_map_is_the_gaussian_integral(name):
    phi = activation(name)

    def value(s):
        return (phi.a * s + phi.b * abs(s)) / phi.norm

    expected = [2 * references.angular_mean(value, value, rho) for rho in COSINES]
    np.testing.assert_allclose(theory.cosine_map(COSINES, phi), expected, atol=1e-10)


@pytest.mark.parametrize("name", PHIS)
def test_derivative_map_is_the_gaussian_integral(name):
    phi = activation(name)

    def slope(s):
        return phi.positive_slope if s > 0 else phi.negative_slope

    expected = [references.angular_mean(slope, slope, rho) for rho in COSINES]
    np.testing.assert_allclose(theory.derivative_map(COSINES, phi), expected, atol=1e-10)


def test_derivative_map_is_the_derivative_of_the_cosine_map():
    rho, step, phi = COSINES[1:-1], 1e-6, activation("(1,2)")
    ends = [theory.cosine_map(rho + sign * step, phi) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(theory.derivative_map(rho, phi), slope, rtol=1e-8)


def test_known_values():
    phi = activation("abs")
    np.testing.assert_allclose(theory.cosine_map(np.array([0.0, 1.0]), phi), [2 / np.pi, 1])
    np.testing.assert_allclose(theory.derivative_map(np.array([-1.0, 0, 1]), phi), [-1, 0, 1])
    linear = activation("linear")
    np.testing.assert_allclose(theory.layer_cosines(COSINES, linear, 5), [COSINES] * 5)
    # Rounding may push a cosine beyond 1.
    assert theory.cosine_map(np.array(1 + 1e-12), phi) == 1


# -- finite nets approach the limit ----------------------------------------------------------------


def at_initialization(name, phi, depth, width, seeds, data, **options):
    """Network, weights, and the preactivations of the probe set."""
    shape = parameterization(
        name, depth=depth, width=width, d_in=data.d_in, d_out=data.d_out, **options
    )
    network = Network(shape, activation(phi))
    weights = initial_weights(shape, range(seeds), dtype=torch.float64)
    return network, weights, network.preactivations(weights, torch.from_numpy(data.inputs["probe"]))


def slope(widths, errors):
    """Of log error in log width."""
    return np.polyfit(np.log(widths), np.log(errors), 1)[0]


def input_cosines(data):
    inputs = data.inputs["probe"]
    return inputs @ inputs.T / data.d_in


@pytest.mark.parametrize("phi", ["abs", "relu"])
@pytest.mark.parametrize(("name", "options"), [("mup", {}), ("nup", {"r": 1.0})])
def test_finite_nets_approach_the_infinite_width_ntk(name, options, phi):
    data, widths = problems.dataset(d_in=8, probe=6), (16, 64, 256)
    errors = []
    for width in widths:
        network, weights, _ = at_initialization(name, phi, 3, width, 60, data, **options)
        shape = network.parameterization
        factors = torch.tensor([shape.lr_factors], dtype=torch.float64)
        probe = torch.from_numpy(data.inputs["probe"])
        kernel = neural_tangent_kernel(network, weights, probe, factors)
        limit = theory.infinite_width_ntk(input_cosines(data), shape, network.activation)
        error = kernel.numpy() - limit
        errors.append(np.sqrt((error**2).mean() / (limit**2).mean()))
    assert slope(widths, errors) == pytest.approx(-0.5, abs=0.08)
    assert errors[-1] < 0.2
    # What is left at the largest width is chance: of either sign, within its standard error.
    scores = error.mean(0) / (error.std(0) / math.sqrt(len(error)))
    assert np.abs(scores).max() < 4


@pytest.mark.parametrize("phi", ["abs", "(1,2)"])
def test_cosines_of_finite_nets_approach_the_iterated_map(phi):
    data, widths = problems.dataset(d_in=8, probe=6), (32, 128, 512)
    errors = []
    for width in widths:
        network, _, preactivations = at_initialization("mup", phi, 4, width, 12, data)
        expected = theory.layer_cosines(input_cosines(data), network.activation, 4)
        hidden = [h.numpy() for h in preactivations[:-1]]
        units = [h / np.linalg.norm(h, axis=-1, keepdims=True) for h in hidden]
        found = np.stack([unit @ unit.swapaxes(-1, -2) for unit in units])  # [3, E, n, n]
        errors.append(np.sqrt(np.mean((found - expected[:-1, None]) ** 2)))
    assert slope(widths, errors) == pytest.approx(-0.5, abs=0.1)
    assert errors[-1] < 0.05


def test_the_kernel_has_no_skip_connections():
    shape = parameterization("mup_residual", depth=4, width=4, d_in=2, d_out=1)
    with pytest.raises(ValueError, match="mup_residual has skip connections"):
        theory.infinite_width_ntk(COSINES, shape, activation("abs"))


def test_kernel_on_the_diagonal_is_its_scale():
    """At cosine 1 every layer adds γ² c_k m_{k−1}: l for ntp and for mup alike."""
    for name in ("ntp", "mup"):
        shape = parameterization(name, depth=5, width=7, d_in=3, d_out=2)
        kernel = theory.infinite_width_ntk(np.array(1.0), shape, activation("relu"))
        assert kernel == pytest.approx(5)


@pytest.mark.parametrize("name", ["abs", "relu", "(1,2)", "(-3,0.5)"])
def test_angles_and_kernel_at_great_depth(name):
    """θ_l → 3π/(2 Δ_φ l), 1 − ρ_l → 9π²/(8 Δ_φ² l²), K → 3π/(8 Δ_φ θ_l) → l/4, of any start."""
    phi, depth = activation(name), 4000
    starts = np.array([-0.5, 0.0, 0.6])
    last = theory.layer_cosines(starts, phi, depth)[-1]
    slow = 1 / phi.delta_phi  # what is small is (Δ_φ l)^{-1} ln l
    law = 9 * np.pi**2 / (8 * phi.delta_phi**2 * depth**2)
    np.testing.assert_allclose(1 - last, law, rtol=0.02 * slow)
    np.testing.assert_allclose(
        np.arccos(last), 3 * np.pi / (2 * phi.delta_phi * depth), rtol=0.01 * slow
    )
    shape = parameterization("ntp", depth=depth, width=1, d_in=1, d_out=1)
    kernel = theory.infinite_width_ntk(starts, shape, phi)
    np.testing.assert_allclose(theory.inverse_distance_ntk(last, phi), kernel, rtol=2e-3)
    np.testing.assert_allclose(kernel, depth / 4, rtol=0.01 * slow)


def test_the_condition_number_has_its_limit():
    """1 + n/3 is that of (3/4) I + (1/4) 11ᵀ, and that of a kernel at great depth."""
    phi, n = activation("abs"), 5
    limit = 0.75 * np.eye(n) + 0.25
    assert np.linalg.cond(limit) == pytest.approx(theory.limiting_condition(n, phi))
    inputs = np.random.default_rng(0).normal(size=(n, 8))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    shape = parameterization("mup", depth=4000, width=1, d_in=8, d_out=1)
    kernel = theory.infinite_width_ntk(inputs @ inputs.T, shape, phi)
    assert np.linalg.cond(kernel) == pytest.approx(theory.limiting_condition(n, phi), rel=0.01)


def test_a_linear_network_has_no_limit_in_depth():
    for function in (theory.inverse_distance_ntk, theory.limiting_condition):
        with pytest.raises(ValueError, match=r"linear is linear \(Δ_φ = 0\)"):
            function(3, activation("linear"))


# -- the first update ------------------------------------------------------------------------------


# -- the two-layer linear net ----------------------------------------------------------------------


def toy(width=16, seed=0):
    source = np.random.default_rng(seed)
    return theory.TwoLayerLinear(source.normal(size=width), source.normal(size=width))


@pytest.mark.parametrize("c", [0.5, 1.9, 2.5, 3.5, 4.0, 4.5])
def test_two_layer_linear_recursion(c):
    """f′ = f (1 − c + z) and λ′ = λ (1 − z (4−c)/c), z = η²f²/n, from the weights themselves."""
    states = toy().run(lambda state: c / state.sharpness, 12)
    n = len(states[0].u)
    for before, after in pairwise(states):
        if abs(before.output) < 1e-6:
            break
        z = (c / before.sharpness * before.output) ** 2 / n
        assert after.output == pytest.approx(before.output * (1 - c + z), rel=1e-9)
        assert after.sharpness == pytest.approx(before.sharpness * (1 - z * (4 - c) / c), rel=1e-9)


@pytest.mark.parametrize("c", [2.1, 2.5, 3.0, 3.5, 3.9])
def test_the_catapult_goes_on_between_two_and_four(c):
    """The loss falls to 0 while every step stays beyond the edge, and λ never grows."""
    states = toy().run(lambda state: c / state.sharpness, 400)
    losses = np.array([state.output**2 / 2 for state in states])
    sharpness = np.array([state.sharpness for state in states])
    assert losses[-1] < 1e-6 * losses[0]
    assert (np.diff(sharpness) <= 0).all()


@pytest.mark.parametrize("c", [2.5, 3.0, 3.5, 3.9])
def test_the_loss_falls_by_spikes(c):
    """Not by settling: late in the run the loss still rises again and again."""
    states = toy().run(lambda state: c / state.sharpness, 200)
    logs = np.log([max(state.output**2, 1e-300) for state in states])
    late = np.diff(logs[100:])
    assert (late > 0.1).sum() >= 10
    assert late.sum() < 0


def test_the_sharpness_grows_beyond_four():
    states = toy().run(lambda state: 4.2 / state.sharpness, 60)
    sharpness = np.array([state.sharpness for state in states])
    assert (np.diff(sharpness) > 0).all()
    assert sharpness[-1] > 10 * sharpness[0]


def test_a_constant_rate_ends_the_catapult():
    """Between 2/λ_0 and about 4/λ_0 a constant rate ends at a minimum flatter than 2/η."""
    start = toy(width=64)
    rate = 2.5 / start.sharpness
    final = start.run(lambda state: rate, 300)[-1]
    assert abs(final.output) < 1e-9
    assert rate * final.sharpness < 2


@pytest.mark.parametrize("name", ["ntp", "mup"])
@pytest.mark.parametrize("c", [0.5, 1.5, 2.5, 3.5, 4.5])
def test_the_engine_trains_the_two_layer_linear_net(name, c):
    """Under sharpness(c), on one sample x = 1 with target 0, activation linear, l = 2.

    With u = W_1 and v = √m W_2 the engine's update with its c_k is the toy's with the same η, and
    its λ is the toy's: for ntp f = ⟨u,v⟩/√m is the toy's output, and the loss the same. For mup
    γ = 1/√m and c_k are m times those of ntp: outputs are 1/√m of the toy's and losses 1/m.
    """
    width = 8
    make = {"parameterization": name, "activation": "linear", "depth": 2, "width": width}
    record = cadences(steps=1, curvature=1, taylor=0, layers=0, probe=0, features=0)
    spec = problems.sharpness(c, steps=10, record=record, **make)
    data = problems.one_sample()
    records = train([spec], data)
    first, second = initial_weights(problems.shape_of(spec, data), [0], dtype=torch.float64)
    start = theory.TwoLayerLinear(first[0, :, 0].numpy(), math.sqrt(width) * second[0, 0].numpy())
    states = start.run(lambda state: c / state.sharpness, spec.steps)
    scale = 1.0 if name == "ntp" else 1 / width
    losses = np.array([scale * state.output**2 / 2 for state in states])
    sharpness = np.array([state.sharpness for state in states])
    np.testing.assert_allclose(records.steps["loss"], losses, rtol=2e-6, atol=1e-18)
    np.testing.assert_allclose(records.steps["sharpness"], sharpness, rtol=2e-6)
    row = problems.summary(records, spec)
    assert row["final_loss"] == pytest.approx(losses[-1], rel=1e-9)
    assert row["final_sharpness"] == pytest.approx(sharpness[-1], rel=1e-9)
