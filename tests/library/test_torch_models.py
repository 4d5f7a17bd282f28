"""Parameterized modules against the engine, and what happens to modules on their way."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nup import torch as nt
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import PARAMETERIZATIONS

SHAPE = {"depth": 4, "width": 6, "d_in": 5, "d_out": 3}


def stack(widths, act=nn.ReLU, **options):
    """One's own net of linear layers."""
    layers = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out, bias=False, **options), act()]
    return nn.Sequential(*layers[:-1])


def squares(outputs, targets):
    return (outputs - targets).square().sum() / (2 * len(outputs))


def data(n=7, d_in=5, d_out=3, dtype=torch.float64):
    source = torch.Generator().manual_seed(3)
    return tuple(torch.randn(n, m, generator=source, dtype=dtype) for m in (d_in, d_out))


@pytest.mark.parametrize("name", list(PARAMETERIZATIONS))
@pytest.mark.parametrize("phi", ["abs", "relu", "(1,2)"])
def test_modules_are_the_engines_networks(name, phi):
    model = nt.mlp(name, **SHAPE, activation=phi, seed=5).double()
    network = Network(model.shape, activation(phi))
    weights = initial_weights(model.shape, [5], dtype=torch.float64)
    for layer, weight in zip(model.layers, weights, strict=True):
        layer.weight.data.copy_(weight[0])
    x, _ = data()
    torch.testing.assert_close(model(x), network.outputs(weights, x)[0], rtol=1e-13, atol=1e-13)


def test_weights_are_those_of_a_run_with_the_seed():
    model = nt.mlp("nup", **SHAPE, seed=5)
    weights = initial_weights(model.shape, [5])
    for layer, weight in zip(model.layers, weights, strict=True):
        assert torch.equal(layer.weight, weight[0])
    torch.manual_seed(0)
    first, second = nt.mlp("nup", **SHAPE), nt.mlp("nup", **SHAPE)
    torch.manual_seed(0)
    again = nt.mlp("nup", **SHAPE)
    assert torch.equal(first.layers[0].weight, again.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, second.layers[0].weight)


def test_sizes_may_be_numbers_of_numpy():
    sizes = {key: np.int64(value) for key, value in SHAPE.items()}
    assert nt.mlp("mup", **sizes).shape == nt.mlp("mup", **SHAPE).shape


@pytest.mark.parametrize("name", ["nup", "mup", "ntp", "sp"])
def test_ones_own_stack_trains_like_the_module(name):
    """ReLU without its √2: the weights take it over, and the factors with them."""
    model = nt.mlp(name, **SHAPE, activation="relu", seed=5).double()
    own = nt.parameterize(stack(model.shape.widths), name, width=6, seed=5).double()
    for gain, layer, mine in zip(
        nt.layout_of(own).gains, model.layers, nt.layout_of(own).modules(own), strict=True
    ):
        mine.weight.data.copy_(gain * layer.weight)
    x, y = data()
    nt.record_signals(own)
    optimizers = [torch.optim.SGD(nt.param_groups(each, lr=0.05)) for each in (model, own)]
    for step in range(6):
        values = []
        for each, optimizer in zip((model, own), optimizers, strict=True):
            optimizer.zero_grad()
            value = squares(each(x), y)
            value.backward()
            if step >= 3:
                nt.scale_depthwise(each)
            optimizer.step()
            values.append(value.item())
        assert values[0] == pytest.approx(values[1], rel=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(5, 3)), "two linear layers or more, got 1"),
        (
            lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)),
            r"without biases .* got 0\.bias, 2\.bias",
        ),
        (lambda: stack((5, 6, 7, 3)), r"expected layers of widths \(5, 6, 24, 3\), got \(5, 6, 7"),
        (lambda: stack((5, 6, 24, 3), nn.Tanh), r"activations are all nn\.ReLU, got Tanh; pass"),
        (
            lambda: nn.Sequential(
                nn.Linear(5, 6, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False)
            ),
            "linear layers that follow each other",
        ),
    ],
)
def test_stacks_that_cannot_be_parameterized_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        nt.parameterize(make(), "nup", r=2)


def test_skips_need_the_module():
    with pytest.raises(UserError, match=r"mup_residual has skip connections.*nup\.torch\.mlp"):
        nt.parameterize(stack((5, 6, 6, 6, 3)), "mup_residual")


def test_a_gain_stands_in_for_an_activation():
    own = nt.parameterize(stack((5, 6, 24, 3), nn.Tanh), "nup", gain=1.59)
    assert nt.layout_of(own).gains == (1.0, 1.59, 1.59)


# -- copies and states -----------------------------------------------------------------------------


def modules():
    model = nt.mlp("nup", **SHAPE, seed=1)
    return [model, nt.parameterize(stack(model.shape.widths), "nup", width=6, seed=1)]


@pytest.mark.parametrize("which", [0, 1])
def test_states_survive_and_return(which, tmp_path):
    model, other = modules()[which], modules()[which]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    torch.save(model.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    x, _ = data(dtype=torch.float32)
    assert torch.equal(model(x), other(x))


@pytest.mark.parametrize("which", [0, 1])
def test_states_of_another_parameterization_are_refused(which):
    model = modules()[which]
    widths = model.shape.widths if which == 0 else nt.layout_of(model).shape.widths
    other = nt.parameterize(stack(widths), "nup", width=6, normalize="both")
    with pytest.raises(RuntimeError, match=r"parameterized as .*nup\(r=2\).*got"):
        model.load_state_dict(other.state_dict(), strict=False)
    plain = stack(widths)
    with pytest.raises(RuntimeError, match="got one without a parameterization"):
        modules()[1].load_state_dict(plain.state_dict())


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent_and_keep_their_factors(which, way):
    model = modules()[which]
    nt.record_signals(model)
    twin = way(model)
    x, y = data(dtype=torch.float32)
    scales = []
    for each in (model, twin):
        optimizer = torch.optim.SGD(nt.param_groups(each, lr=0.1))
        squares(each(x), y).backward()
        scales.append(nt.scale_depthwise(each))
        optimizer.step()
    assert torch.equal(*scales)
    torch.testing.assert_close(model(x), twin(x))
    with torch.no_grad():
        next(iter(twin.parameters())).zero_()
    assert not torch.equal(model(x), twin(x))


def test_dtype_moves_and_wrappers_keep_the_layout():
    model = nt.mlp("nup", **SHAPE, seed=1)
    groups = nt.param_groups(model.double(), lr=1.0)
    assert all(group["params"][0].dtype == torch.float64 for group in groups)
    wrapped = nn.DataParallel(model)
    assert nt.layout_of(wrapped) is nt.layout_of(model)
    compiled = torch.compile(model, backend="eager")
    x, y = data()
    optimizer = torch.optim.SGD(nt.param_groups(compiled, lr=0.1))
    before = squares(compiled(x), y)
    before.backward()
    optimizer.step()
    assert squares(compiled(x), y) < before
    torch.testing.assert_close(compiled(x), model(x))


# -- parameter groups ------------------------------------------------------------------------------


def test_factors_are_the_learning_rates_of_groups():
    model = nt.mlp("nup", **SHAPE, r=2)
    groups = nt.param_groups(model, lr=0.5)
    assert [group["lr"] for group in groups] == [0.5 * c for c in model.shape.lr_factors]
    with pytest.raises(UserError, match="optimizer: expected one of sgd, adam, adamw, got 'lion'"):
        nt.param_groups(model, lr=0.5, optimizer="lion")
    with pytest.raises(UserError, match="lr: expected a positive number, got 0"):
        nt.param_groups(model, lr=0)
    with pytest.raises(UserError, match=r"expected a module of nup\.torch\.mlp"):
        nt.param_groups(stack((5, 6, 3)), lr=0.5)


def test_a_schedulers_own_rates_are_noticed():
    model = nt.mlp("nup", **SHAPE)
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=0.5), momentum=0.9)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5)
    assert nt.check_groups(optimizer) == pytest.approx(0.25)
    cycle = torch.optim.lr_scheduler.OneCycleLR
    cycle(optimizer, max_lr=1.0, total_steps=10)
    with pytest.raises(UserError, match=r"a scheduler has replaced them.*nup\.torch\.rates"):
        nt.check_groups(optimizer)
    cycle(optimizer, max_lr=nt.rates(optimizer, 1.0), total_steps=10)
    assert nt.check_groups(optimizer) == pytest.approx(1 / 25)


def test_adams_factors_are_those_of_mup_where_widths_are_constant():
    shape = {"depth": 4, "width": 16, "d_in": 5, "d_out": 1}
    groups = nt.param_groups(nt.mlp("mup", **shape), lr=1.0, optimizer="adamw", weight_decay=0.1)
    # 1/fan_in; the output's γ = m^{-1/2} makes it √m/m.
    assert [group["lr"] for group in groups] == pytest.approx([1 / 5, 1 / 16, 1 / 16, 4 / 16])
    assert [group["lr"] * group["weight_decay"] for group in groups] == pytest.approx([0.1] * 4)
    standard = nt.param_groups(nt.mlp("sp", **shape), lr=1.0, optimizer="adam")
    assert [group["lr"] for group in standard] == [1.0] * 4


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_first_step_moves_layers_as_the_factors_say(optimizer):
    """Relative to its size, layer k by √(M/m)·k^{-r/2}, for both: the law of νP [derived]."""
    moved = []
    for seed in range(12):
        model = nt.mlp("nup", depth=5, width=64, d_in=64, d_out=1, activation="abs", seed=seed)
        x = torch.randn(1, 64, generator=torch.Generator().manual_seed(seed))
        x = x / x.square().mean().sqrt()
        lr = 1e-3
        kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
        step = kind(nt.param_groups(model, lr, optimizer))
        before = model.preactivations(x)
        inputs = [x, *(model.activate(h).detach() for h in before[:-1])]
        weights = [layer.weight.detach().clone() for layer in model.layers]
        model(x).sum().backward()
        step.step()
        moved.append(
            [
                float(((layer.weight.detach() - w) @ each.T).norm() / h.detach().norm()) / lr
                for layer, w, each, h in zip(model.layers, weights, inputs, before, strict=True)
            ]
        )
    law = np.array([1 / k for k in range(1, 5)])
    found = np.mean(moved, 0)[:4]
    # Adam's Σ|x_j| is √(2/π) of √m·‖x‖ or more.
    np.testing.assert_allclose(found / found[0], law, rtol=0.15)
    assert found[0] == pytest.approx(1.0, rel=0.3)
