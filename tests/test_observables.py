"""Observables against dense formulas and autograd, one network at a time, in float64."""

import math

import pytest
import torch

import problems
import references
from nup.networks.losses import LOSSES
from nup.training import observables
from nup.training.loop import train
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


# -- motion ----------------------------------------------------------------------------------------


def test_inner_products_by_hand():
    left = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])
    right = torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[2.0, 5.0], [7.0, 3.0]]])
    assert observables.dot(left, right).tolist() == [2, 5]
    assert observables.square(left).tolist() == pytest.approx([30, 2])
    whole = observables.norm([left, 2 * left]).tolist()
    assert whole == pytest.approx([math.sqrt(150), math.sqrt(10)])


@pytest.mark.parametrize("rows", [3, 100])  # short and long dot products take different ways
def test_inner_products(rows):
    source = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, rows, 40, generator=source, dtype=torch.float64)
    pairs = zip(left, right, strict=True)
    close(observables.dot(left, right), [float((x * y).sum()) for x, y in pairs])
    close(observables.square(left), [float(x.norm() ** 2) for x in left])


def test_cosine_of_motion():
    _, weights = make("nup", "abs")
    _, displacement = moved(weights)
    source = torch.Generator().manual_seed(3)
    direction = [torch.randn(w.shape, generator=source, dtype=w.dtype) for w in weights]
    motion = observables.motion(direction, displacement)
    for i in range(len(SEEDS)):
        updates = [-0.7 * u[i] for u in direction]
        so_far = member(displacement, i)
        by_layer = [references.cosine(u, d) for u, d in zip(updates, so_far, strict=True)]
        close(motion.cosine()[i], by_layer)
        whole = references.cosine(references.flat(updates), references.flat(so_far))
        close(motion.cosine(whole=True)[i], whole)


def test_cosine_signs():
    """Onward is 1, back is −1; before the first update there is no cosine."""
    displacement = [torch.tensor([[[1.0, 2.0]]])]
    assert observables.motion([-2 * displacement[0]], displacement).cosine().tolist() == [[1]]
    assert observables.motion([3 * displacement[0]], displacement).cosine().tolist() == [[-1]]
    still = observables.motion(displacement, [torch.zeros(1, 1, 2)])
    assert still.cosine().isnan().all()
    assert still.cosine(whole=True).isnan().all()


@pytest.mark.parametrize(("name", "phi"), CASES)
def test_movement(name, phi):
    _, initial = make(name, phi)
    _, displacement = moved(initial)
    found = observables.Movement(initial).measure(displacement)
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
    evolution = observables.Evolution(network, initial, inputs)
    found = evolution.measure(weights, displacement, evolution.trace(weights))
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


def test_the_split_of_the_evolution_is_exact():
    """h_k(t) − h_k(0) = ΔW_k x_{k−1}(t) + W_k(0) Δx_{k−1}, so the parts bound the whole."""
    network, initial = make("nup", "relu")
    inputs, _ = samples("mse")
    weights, displacement = moved(initial)
    before, now = (network.forward(w, inputs) for w in (initial, weights))
    for k in range(network.depth):
        x0, x = (network.true_features(trace, k) for trace in (before, now))
        parts = x @ displacement[k].mT + (x - x0) @ initial[k].mT
        close(now.preactivations[k] - before.preactivations[k], parts)
    evolution = observables.Evolution(network, initial, inputs)
    found = evolution.measure(weights, displacement, now)
    by_weights, by_inputs = found["evolution_weights"], found["evolution_inputs"]
    assert bool((found["evolution"] <= by_weights + by_inputs + 1e-12).all())
    assert bool((found["evolution"] >= (by_weights - by_inputs).abs() - 1e-12).all())
    # The first layer's inputs never change.
    assert bool((by_inputs[:, 0] == 0).all())
    close(by_weights[:, 0], found["evolution"][:, 0])


def test_evolution_keeps_the_members_that_stay():
    network, initial = make("mup", "abs")
    inputs, _ = samples("mse")
    weights, displacement = moved(initial)
    evolution = observables.Evolution(network, initial, inputs)
    full = evolution.measure(weights, displacement, evolution.trace(weights))
    kept = torch.tensor([0, 2])
    evolution.keep(kept)
    weights, displacement = ([x[kept] for x in each] for each in (weights, displacement))
    fewer = evolution.measure(weights, displacement, evolution.trace(weights))
    for column, values in fewer.items():
        close(values, full[column][kept])


@pytest.mark.parametrize("name", ["nup", "mup_residual"])
@pytest.mark.parametrize("phi", ["abs", "relu", "(1,-1)"])
def test_powers_are_those_of_the_depthwise_scale(name, phi):
    # Wide enough that no sample is dead: at h = 0 exactly, autograd takes another slope than ours.
    network, weights = make(name, phi, width=12)
    inputs, targets = samples("mse")
    trace = network.forward(weights, inputs)
    cotangent = LOSSES["mse"]().cotangent(network.outputs(trace), targets)
    pairs = observables.powers(network, trace, network.backward(weights, trace, cotangent))
    scales = [1 / (f * b / pairs[-1][1]) for f, b in pairs]
    for i in range(len(SEEDS)):
        expected = references.depthwise_scales(
            member(weights, i), inputs, targets, network.parameterization, network.activation
        )
        close(torch.stack([scale[i] for scale in scales]), expected)


# -- features and kernels --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "phi"), CASES)
def test_quality_of_features(name, phi):
    network, weights = make(name, phi)
    inputs, targets = samples("mse")
    found = observables.features(network.forward(weights, inputs), targets)
    for i in range(len(SEEDS)):
        outputs, hs = references.forward(
            member(weights, i), inputs, network.parameterization, network.activation
        )
        hidden = [*(references.phi(h, network.activation) for h in hs[:-1]), outputs]
        close(found["soft_rank"][i], [references.soft_rank(x) for x in hidden])
        close(found["stable_rank"][i], [references.stable_rank(x) for x in hidden], 0.01)
        expected = [references.alignment(x @ x.T, targets) for x in hidden]
        close(found["alignment"][i], expected)


def test_ranks_of_known_features():
    """p orthogonal rows of equal length have rank p; copies of one row have rank 1."""
    network, _ = make("mup", "abs", depth=2)
    trace = network.buffers(1, 4, torch.zeros(1, dtype=torch.float64))
    trace.features[1] = torch.eye(4, 5, dtype=torch.float64)[None]
    trace.preactivations[-1] = torch.ones(1, 4, 3, dtype=torch.float64)
    found = observables.features(trace, torch.eye(4, dtype=torch.float64))
    for column in ("soft_rank", "stable_rank"):
        close(found[column][0], [4.0, 1.0], 1e-8)
    close(found["alignment"][0, 0], 1.0)


def test_alignment_does_not_depend_on_scale_or_mean():
    source = torch.Generator().manual_seed(2)
    x = torch.randn(2, 6, 3, generator=source, dtype=torch.float64)
    targets = torch.randn(6, 2, generator=source, dtype=torch.float64)
    gram = targets @ targets.T
    shifted = 3 * x + torch.tensor([5.0, -1.0, 2.0]).double()
    found = observables.kernel_alignment(x @ x.mT, gram)
    close(observables.kernel_alignment(shifted @ shifted.mT, gram), found)
    close(observables.kernel_alignment(gram.expand(2, 6, 6), gram), torch.ones(2))


@pytest.mark.parametrize(("name", "phi"), [*CASES, ("ntp", "linear")])
def test_neural_tangent_kernel_is_that_of_the_jacobian(name, phi):
    network, weights = make(name, phi)
    inputs, _ = samples("mse")
    factors = list(network.parameterization.lr_factors)
    factors[1] = factors[1] * torch.tensor([0.5, 1.0, 3.0]).double()  # as with depthwise scaling
    trace = network.forward(weights, inputs)
    found = observables.neural_tangent_kernel(network, weights, trace, factors)
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
    assert observables.accuracy(outputs, torch.tensor([1, 1])).tolist() == [0.5, 1.0]
