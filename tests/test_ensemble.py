"""The hand-written engine against autograd and torch.func, in float64."""

import pytest
import torch

import references
from nup.networks.activations import activation
from nup.networks.losses import LOSSES
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization

CASES = [
    (name, phi, loss)
    for name in ("mup", "nup", "mup_residual")
    for phi in ("abs", "relu", "(1,2)", "(1,-1)", "linear")
    for loss in ("mse", "cross_entropy")
]
SEEDS = (0, 1, 2)


def make(name, phi, depth=4, width=5, d_in=6, d_out=3):
    shape = parameterization(name, depth=depth, width=width, d_in=d_in, d_out=d_out)
    network = Network(shape, activation(phi))
    return network, initial_weights(shape, SEEDS, dtype=torch.float64)


def samples(loss, n=7, d_in=6, d_out=3):
    source = torch.Generator().manual_seed(5)
    inputs = torch.randn(n, d_in, generator=source, dtype=torch.float64)
    if loss == "mse":
        return inputs, torch.randn(n, d_out, generator=source, dtype=torch.float64)
    classes = torch.randint(d_out, (n,), generator=source)
    return inputs, torch.nn.functional.one_hot(classes, d_out).double()


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_forward_and_gradient_match_autograd(name, phi, loss):
    network, weights = make(name, phi)
    inputs, targets = samples(loss)
    trace = network.forward(weights, inputs)
    outputs = network.outputs(trace)
    cotangent = LOSSES[loss]().cotangent(outputs, targets)
    factors = (1.0, torch.tensor([1.0, 2.0, 3.0]).double(), 0.5, 1.0)
    deltas = network.backward(weights, trace, cotangent)
    gradients = network.weight_gradients(trace, deltas, factors)
    for member in range(len(SEEDS)):
        one = [weight[member] for weight in weights]
        shape, phi_ = network.parameterization, network.activation
        expected, hs = references.forward(one, inputs, shape, phi_)
        torch.testing.assert_close(outputs[member], expected, rtol=1e-12, atol=1e-12)
        for h, reference in zip(trace.preactivations, hs, strict=True):
            torch.testing.assert_close(h[member], reference, rtol=1e-12, atol=1e-12)
        value, by_autograd = references.gradient(one, inputs, targets, shape, phi_, loss)
        torch.testing.assert_close(LOSSES[loss]().value(outputs, targets)[member], value)
        for gradient, reference, factor in zip(gradients, by_autograd, factors, strict=True):
            scale = factor[member] if isinstance(factor, torch.Tensor) else factor
            torch.testing.assert_close(gradient[member], scale * reference, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_tangent_matches_torch_func(name, phi, loss):
    network, weights = make(name, phi)
    inputs, _ = samples(loss)
    direction = [torch.randn_like(weight) for weight in weights]
    tangent = network.tangent(weights, network.forward(weights, inputs), direction)
    for member in range(len(SEEDS)):

        def outputs(parts):
            return references.forward(parts, inputs, network.parameterization, network.activation)[
                0
            ]

        _, expected = torch.func.jvp(
            outputs, ([w[member] for w in weights],), ([d[member] for d in direction],)
        )
        torch.testing.assert_close(tangent[member], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_taylor_coefficients_match_nested_derivatives(name, phi, loss):
    network, weights = make(name, phi)
    inputs, targets = samples(loss)
    direction = [torch.randn_like(weight) for weight in weights]
    trace = network.forward(weights, inputs)
    jets = network.jets(weights, trace, direction, 3)
    coefficients = LOSSES[loss]().taylor(network.outputs(trace), targets, jets)
    for member in range(len(SEEDS)):
        start, update = ([x[member] for x in each] for each in (weights, direction))

        def along(eta, start=start, update=update):
            parts = [w - eta * u for w, u in zip(start, update, strict=True)]
            outputs, _ = references.forward(
                parts, inputs, network.parameterization, network.activation
            )
            return references.loss(outputs, targets, loss)

        first = torch.func.grad(along)
        second = torch.func.grad(first)
        third = torch.func.grad(second)
        zero = torch.zeros((), dtype=torch.float64)
        expected = (first(zero), second(zero) / 2, third(zero) / 6)
        for ours, reference in zip(coefficients, expected, strict=True):
            torch.testing.assert_close(ours[member], reference, rtol=1e-8, atol=1e-10)


def test_jets_are_the_polynomial_itself():
    """Between kinks f(W − η U) is a polynomial of degree l in η: at order l the jets are it."""
    network, weights = make("nup", "relu", depth=3)
    inputs, _ = samples("mse")
    direction = [torch.randn_like(weight) for weight in weights]
    trace = network.forward(weights, inputs)
    jets = network.jets(weights, trace, direction, 3)
    eta = 1e-7
    moved = [w - eta * u for w, u in zip(weights, direction, strict=True)]
    exact = network.outputs(network.forward(moved, inputs))
    series = network.outputs(trace) + sum(f * eta**j for j, f in enumerate(jets, 1))
    torch.testing.assert_close(series, exact, rtol=0, atol=1e-14)


def test_weights_of_a_member_depend_on_its_seed_alone():
    shape = parameterization("nup", depth=3, width=4, d_in=3, d_out=2)
    together = initial_weights(shape, [3, 1, 3], dtype=torch.float64)
    alone = initial_weights(shape, [1], dtype=torch.float64)
    for stacked, single in zip(together, alone, strict=True):
        assert torch.equal(stacked[1], single[0])
        assert torch.equal(stacked[0], stacked[2])
        assert not torch.equal(stacked[0], stacked[1])


def test_weight_variance():
    shape = parameterization("mup", depth=2, width=400, d_in=200, d_out=10)
    first = initial_weights(shape, [0], weight_variance=1.5, dtype=torch.float64)[0]
    assert float(first.var()) * 200 == pytest.approx(1.5, rel=0.02)


def test_forward_reuses_its_buffers():
    network, weights = make("mup", "relu")
    inputs, _ = samples("mse")
    buffers = network.buffers(len(SEEDS), len(inputs), weights[0])
    fresh = network.forward(weights, inputs)
    reused = network.forward(weights, inputs, buffers)
    fewer = network.forward([weight[1:] for weight in weights], inputs, buffers)
    torch.testing.assert_close(fewer.preactivations[-1], fresh.preactivations[-1][1:])
    assert reused.preactivations[1].data_ptr() == buffers.preactivations[1].data_ptr()
