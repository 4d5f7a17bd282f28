"""The stacked network and its derivatives against one network at a time by autograd, in float64."""

from dataclasses import replace

import pytest
import torch

import references
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, backpropagate, linearized_curvature, taylor
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


def objective_of(network, loss, inputs, targets):
    return Objective(network, LOSSES[loss](), inputs, targets)


def member(tensors, index):
    return [tensor[index] for tensor in tensors]


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_forward_and_backward_pass_match_autograd(name, phi, loss):
    network, weights = make(name, phi, width=12)  # wide enough that no sample is at a kink
    inputs, targets = samples(loss)
    found = backpropagate(objective_of(network, loss, inputs, targets), weights, cotangents=True)
    outputs = network.outputs(weights, inputs)
    shape, phi_ = network.parameterization, network.activation
    for i in range(len(SEEDS)):
        leaves = [weight.clone().requires_grad_() for weight in member(weights, i)]
        expected, hs = references.forward(leaves, inputs, shape, phi_)
        value = references.loss(expected, targets, loss)
        torch.testing.assert_close(outputs[i], expected.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.loss[i], value.detach())
        reference = torch.autograd.grad(value, [*leaves, *hs])
        ours = [*found.gradients, *found.cotangents]
        for mine, theirs in zip(ours, reference, strict=True):
            torch.testing.assert_close(mine[i], theirs, rtol=1e-10, atol=1e-13)
        for h, theirs in zip(found.preactivations, hs, strict=True):
            torch.testing.assert_close(h[i], theirs.detach(), rtol=1e-12, atol=1e-12)


def test_cotangents_are_those_asked_for():
    network, weights = make("nup", "relu")
    objective = objective_of(network, "mse", *samples("mse"))
    plain, more = (backpropagate(objective, weights, asked) for asked in (False, True))
    assert plain.cotangents == []
    for left, right in zip(plain.gradients, more.gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("phi", "slope"), [("relu", 0.0), ("abs", -1.0), ("(-1,1)", -(2**0.5))])
def test_the_slope_at_the_kink_is_that_of_negative_arguments(phi, slope, dtype):
    network, _ = make("mup", phi)
    zero = torch.zeros(3, dtype=dtype)
    values, slopes = torch.func.jvp(network.activate, (zero,), (torch.ones_like(zero),))
    assert values.dtype == dtype
    torch.testing.assert_close(slopes, torch.full_like(zero, slope))


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_root_is_that_of_the_losses_hessian(loss):
    _, targets = samples(loss)
    outputs = torch.randn(1, *targets.shape, dtype=torch.float64)
    rule = LOSSES[loss]()
    dense = torch.func.hessian(lambda f: rule.value(f, targets).sum())(outputs)
    vector = torch.randn_like(outputs)
    product = rule.hessian_root(outputs, rule.hessian_root(outputs, vector, transpose=True))
    expected = len(targets) * torch.tensordot(dense, vector, 3)
    torch.testing.assert_close(product, expected)


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_taylor_coefficients_are_those_of_the_loss_along_the_direction(name, phi, loss):
    network, weights = make(name, phi)
    inputs, targets = samples(loss)
    direction = [torch.randn_like(weight) for weight in weights]
    objective = objective_of(network, loss, inputs, targets)
    coefficients = taylor(objective, weights, direction, 3)
    linear = linearized_curvature(objective, weights, direction)
    shape, phi_ = network.parameterization, network.activation
    for i in range(len(SEEDS)):
        start, update = member(weights, i), member(direction, i)

        def along(eta, start=start, update=update):
            parts = [w - eta * u for w, u in zip(start, update, strict=True)]
            outputs, _ = references.forward(parts, inputs, shape, phi_)
            return references.loss(outputs, targets, loss)

        first = torch.func.grad(along)
        second = torch.func.grad(first)
        third = torch.func.grad(second)
        zero = torch.zeros((), dtype=torch.float64)
        expected = (first(zero), second(zero) / 2, third(zero) / 6)
        for ours, reference in zip(coefficients, expected, strict=True):
            torch.testing.assert_close(ours[i], reference, rtol=1e-8, atol=1e-10)
        ones = [1.0] * network.depth
        matrix = references.gauss_newton(start, inputs, shape, phi_, ones, loss)
        flat = references.flat(update)
        torch.testing.assert_close(linear[i], flat @ matrix @ flat / 2)


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


def test_a_parameterizations_own_variances():
    shape = replace(
        parameterization("mup", depth=2, width=300, d_in=300, d_out=300), variances=(1.0, 4.0)
    )
    first, second = initial_weights(shape, [0], dtype=torch.float64)
    assert float(second.var() / first.var()) == pytest.approx(4, rel=0.05)
