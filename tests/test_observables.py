"""Observables against dense formulas and autograd, one network at a time, in float64."""

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import problems
import references
from nup.curvature.ntk import kernel_alignment, neural_tangent_kernel
from nup.networks.derivatives import Objective, backpropagate, cotangents
from nup.networks.losses import LOSSES
from nup.training.backends.torch import dots
from nup.training.context import ForwardPass
from nup.training.loop import train
from nup.training.observables import OBSERVABLES, columns
from nup.training.observables.accuracy import held_out
from nup.training.observables.features import gram_ranks, quality
from nup.training.scalings import SCALINGS, Signals
from test_curvature import multipliers
from test_ensemble import SEEDS, make, samples

CASES = [(name, phi) for name in ("nup", "mup_residual") for phi in ("abs", "relu", "(1,-1)")]


def moved(weights, size=0.3):
    """Weights away from their initialization, and the displacement."""
    source = torch.Generator().manual_seed(11)
    displacement = [
        size * w.std() * torch.randn(w.shape, generator=source, dtype=w.dtype) for w in weights
    ]
    return [w + d for w, d in zip(weights, displacement, strict=True)], displacement


def member(tensors, index):
    return [tensor[index] for tensor in tensors]


def close(found, expected, rtol=1e-10):
    expected = torch.as_tensor(expected, dtype=found.dtype)
    torch.testing.assert_close(found, expected, rtol=rtol, atol=1e-12)


def context_of(network, weights, displacement, inputs, **more):
    """What an observable may look at, with memories of the start."""
    h = network.preactivations(weights, inputs)
    return SimpleNamespace(
        network=network,
        weights=weights,
        displacement=displacement,
        inputs={"probe": inputs},
        probe=ForwardPass(h, network.features(inputs, h)),
        probe_cotangents=h,  # of some loss
        multipliers=multipliers(network.parameterization.lr_factors),
        **more,
    )


def measured(name, network, initial, weights, displacement, inputs, **more):
    """An observable's values, after it remembered the initial state."""
    start = context_of(network, initial, [0 * d for d in displacement], inputs, **more)
    memories = {name: OBSERVABLES[name].start(start)}
    now = context_of(network, weights, displacement, inputs, memories=memories, **more)
    return OBSERVABLES[name].rule(now)


# -- motion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 100])  # short and long dot products take different ways
def test_inner_products(rows):
    source = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, rows, 40, generator=source, dtype=torch.float64)
    found = dots([left, right], [right, right])
    close(found[:, 0], [float((x * y).sum()) for x, y in zip(left, right, strict=True)])
    close(found[:, 1], [float(x.norm() ** 2) for x in right])


def motion(updates, displacements, rate=1.0):
    """Columns of the observables ``steps`` and ``layers`` for one step of one run."""
    u, p = (np.asarray(each, float)[None, None] for each in (updates, displacements))
    sums = SimpleNamespace(
        rate=np.full((1, 1), rate),
        updates=(u**2).sum(-1),
        displacements=(p**2).sum(-1),
        products=(u * p).sum(-1),
        scales=np.ones(u.shape[:-1]),
        heights=np.full(u.shape[:-1], 12.0),
        counts=np.array([3] * u.shape[2]),
    )
    with np.errstate(all="ignore"):
        return OBSERVABLES["steps"].rule(sums), OBSERVABLES["layers"].rule(sums)


def test_motion_by_hand():
    of_all, by_layer = motion([[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, -2.0]], rate=0.5)
    assert by_layer["update_norm"].tolist() == [[[2.5, 1.0]]]
    assert by_layer["cosine"] == pytest.approx(np.array([[[-0.6, 1.0]]]))
    assert by_layer["preactivation_rms"].tolist() == [[[2.0, 2.0]]]
    assert of_all["update_norm"].item() == pytest.approx(math.sqrt(2.5**2 + 1))
    assert of_all["displacement"].item() == pytest.approx(math.sqrt(5))
    assert of_all["cosine"].item() == pytest.approx((4 - 3) / math.sqrt(29 * 5))


def test_before_the_first_update_there_is_no_cosine():
    of_all, by_layer = motion([[1.0, 2.0]], [[0.0, 0.0]])
    assert np.isnan(of_all["cosine"]).all()
    assert np.isnan(by_layer["cosine"]).all()


@pytest.mark.parametrize(("name", "phi"), CASES)
def test_movement(name, phi):
    network, initial = make(name, phi)
    inputs, targets = samples("mse")
    weights, displacement = moved(initial)
    more = {"targets": {"probe": targets}}
    found = measured("features", network, initial, weights, displacement, inputs, **more)
    for k, (w0, d) in enumerate(zip(initial, displacement, strict=True)):
        for norm, order, rtol in [("frobenius", "fro", 1e-10), ("spectral", 2, 0.01)]:
            sizes = [torch.linalg.matrix_norm(x, ord=order) for x in (d, w0)]
            close(found[f"movement_{norm}"][:, k], sizes[0] / sizes[1], rtol)


# -- evolution -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "phi"), CASES)
def test_evolution_and_its_parts(name, phi):
    network, initial = make(name, phi)
    inputs, _ = samples("mse")
    weights, displacement = moved(initial)
    found = measured("probe", network, initial, weights, displacement, inputs)
    for i in range(len(SEEDS)):
        expected = references.evolution(
            member(weights, i),
            member(initial, i),
            inputs,
            network.parameterization,
            network.activation,
        )
        assert found.keys() == expected.keys()
        for column, values in expected.items():
            close(found[column][i], values)


def test_the_split_of_the_evolution_bounds_the_whole():
    """h_k(t) − h_k(0) = ΔW_k x_{k−1}(t) + W_k(0) Δx_{k−1}, exactly."""
    network, initial = make("nup", "relu")
    inputs, _ = samples("mse")
    weights, displacement = moved(initial)
    found = measured("probe", network, initial, weights, displacement, inputs)
    by_weights, by_inputs = found["evolution_weights"], found["evolution_inputs"]
    assert bool((found["evolution"] <= by_weights + by_inputs + 1e-12).all())
    assert bool((found["evolution"] >= (by_weights - by_inputs).abs() - 1e-12).all())
    # The first layer's inputs never change.
    assert bool((by_inputs[:, 0] == 0).all())
    close(by_weights[:, 0], found["evolution"][:, 0])


@pytest.mark.parametrize("name", ["nup", "mup_residual"])
@pytest.mark.parametrize("phi", ["abs", "relu", "(1,-1)"])
def test_depthwise_scales_cancel_the_powers(name, phi):
    # Wide enough that no sample is dead: at h = 0 exactly, the reference takes another slope.
    network, weights = make(name, phi, width=12)
    inputs, targets = samples("mse")
    passed = backpropagate(Objective(network, LOSSES["mse"](), inputs, targets), weights, True)
    features = network.features(inputs.expand(len(SEEDS), -1, -1), passed.preactivations)
    factors = network.parameterization.lr_factors
    signals = Signals(passed.gradients, features, passed.cotangents, factors)
    found = SCALINGS["depthwise"].rule(signals)
    for i in range(len(SEEDS)):
        expected = references.depthwise_scales(
            member(weights, i), inputs, targets, network.parameterization, network.activation
        )
        close(found[i], expected)


# -- features and kernels --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "phi"), CASES)
def test_quality_of_features(name, phi):
    network, weights = make(name, phi)
    inputs, targets = samples("mse")
    context = context_of(network, weights, weights, inputs)
    hidden = [*context.probe.features[1:], context.probe.preactivations[-1]]
    found = quality(hidden, targets @ targets.mT)
    for i in range(len(SEEDS)):
        outputs, hs = references.forward(
            member(weights, i), inputs, network.parameterization, network.activation
        )
        hidden = [*(references.phi(h, network.activation) for h in hs[:-1]), outputs]
        close(found["soft_rank"][i], [references.soft_rank(x) for x in hidden])
        close(found["cosine_rank"][i], [references.cosine_rank(x) for x in hidden])
        close(found["stable_rank"][i], [references.stable_rank(x) for x in hidden], 0.01)
        expected = [references.alignment(x @ x.T, targets) for x in hidden]
        close(found["alignment"][i], expected)


def test_ranks_of_known_features():
    """p orthogonal rows of equal length have rank p; copies of one row have rank 1."""
    orthogonal = torch.eye(4, 5, dtype=torch.float64)[None]
    copies = torch.ones(1, 4, 3, dtype=torch.float64)
    found = quality([orthogonal, copies], torch.eye(4, dtype=torch.float64))
    for column in ("soft_rank", "cosine_rank", "stable_rank"):
        close(found[column][0], [4.0, 1.0], 1e-8)
    close(found["alignment"][0, 0], 1.0)


def test_the_cosine_rank_does_not_weigh_samples_and_passes_over_dead_ones():
    lengths = torch.tensor([1.0, 2.0, 5.0, 0.0], dtype=torch.float64)
    found = quality([torch.diag(lengths)[None]], torch.eye(4, dtype=torch.float64))
    close(found["cosine_rank"][0], [3.0], 1e-12)
    close(found["soft_rank"][0], [(1 + 4 + 25) ** 2 / (1 + 16 + 625)], 1e-12)


@pytest.mark.parametrize("size", [0, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-15])
def test_features_that_underflow_have_no_quality(size):
    """Small ones have the quality of large ones, smaller ones none: never a number in between."""
    source = torch.Generator().manual_seed(4)
    x, targets = torch.randn(1, 8, 5, generator=source), torch.randn(8, 3, generator=source)
    gram = targets @ targets.T
    expected, found = quality([x], gram), quality([size * x], gram)
    for column, values in found.items():
        if size < 1e-15:
            assert values.isnan().all(), column
        else:
            torch.testing.assert_close(values, expected[column], rtol=1e-4, atol=0)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("name", ["nup", "mup_residual"])
def test_the_gram_rank_is_the_soft_rank_of_the_gradient(name, loss):
    """tr(AB) = ‖∂L/∂W‖² and tr(ABAB) = ‖∂L/∂W (∂L/∂W)ᵀ‖², up to powers of β_k. [derived]"""
    network, weights = make(name, "abs", width=12)
    inputs, targets = samples(loss)
    objective = Objective(network, LOSSES[loss](), inputs, targets)
    passed = backpropagate(objective, weights)
    features = network.features(inputs, passed.preactivations)
    found = gram_ranks(features, cotangents(objective, weights))
    for k, gradients in enumerate(passed.gradients):
        close(found[:, k], [references.soft_rank(gradient) for gradient in gradients])


def test_alignment_does_not_depend_on_scale_or_mean():
    source = torch.Generator().manual_seed(2)
    x = torch.randn(2, 6, 3, generator=source, dtype=torch.float64)
    targets = torch.randn(6, 2, generator=source, dtype=torch.float64)
    gram = targets @ targets.T
    shifted = 3 * x + torch.tensor([5.0, -1.0, 2.0]).double()
    found = kernel_alignment(x @ x.mT, gram)
    close(kernel_alignment(shifted @ shifted.mT, gram), found)
    close(kernel_alignment(gram.expand(2, 6, 6), gram), torch.ones(2))


@pytest.mark.parametrize(("name", "phi"), [*CASES, ("ntp", "linear")])
def test_neural_tangent_kernel_is_that_of_the_jacobian(name, phi):
    network, weights = make(name, phi)
    inputs, _ = samples("mse")
    factors = list(network.parameterization.lr_factors)
    factors[1] = factors[1] * torch.tensor([0.5, 1.0, 3.0]).double()  # as with depthwise scaling
    found = neural_tangent_kernel(network, weights, inputs, multipliers(factors))
    for i in range(len(SEEDS)):
        own = [float(f[i]) if isinstance(f, torch.Tensor) else f for f in factors]
        expected = references.neural_tangent_kernel(
            member(weights, i), inputs, network.parameterization, network.activation, own
        )
        close(found[i], expected)


def test_recorded_features_are_those_of_the_probe_set():
    """The columns of a run at θ_0, from the initial weights alone."""
    data = problems.dataset("classes")
    spec = problems.run(parameterization="nup", steps=1)
    records = train([spec], data)
    network, weights = make("nup", "abs", depth=3, d_in=4)
    one = member(weights, SEEDS.index(spec.seed))
    probe, targets = (torch.from_numpy(x["probe"]) for x in (data.inputs, data.targets))
    shape, phi = network.parameterization, network.activation
    outputs, hs = references.forward(one, probe, shape, phi)
    hidden = [*(references.phi(h, phi) for h in hs[:-1]), outputs]
    ranks = [references.soft_rank(x) for x in hidden]
    assert records.layers["soft_rank"][:3] == pytest.approx(ranks, rel=1e-6)
    kernel = references.neural_tangent_kernel(one, probe, shape, phi, shape.lr_factors)
    expected = references.alignment(kernel, targets)
    assert records.steps["ntk_alignment"][0] == pytest.approx(expected, rel=1e-6)
    movement = records.layers["movement_frobenius"]
    assert movement[:3] == pytest.approx([0, 0, 0])
    assert (movement[3:] > 0).all()


def test_accuracy():
    outputs = torch.tensor([[[1.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    context = SimpleNamespace(outputs=lambda _: outputs, labels={"test": torch.tensor([1, 1])})
    assert held_out(context, ("test",))["test_accuracy"].tolist() == [0.5, 1.0]


def test_every_column_belongs_to_one_observable():
    for table in ("steps", "layers"):
        names = [name for each in OBSERVABLES.values() for name in each.columns(table)]
        assert len(names) == len(set(names))
        assert set(names) <= set(columns(table))


def test_declarations_import_no_torch():
    script = "import sys, nup.tables.schema as s; print(len(s.STEPS) > 9, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr
