"""Our modules beside the package ``mup``, and what its users ask of it (docs/references.md)."""

import copy
import math
from itertools import pairwise

import pytest
import torch
import torch.distributed as dist
from mup import MuAdam, MuSGD, set_base_shapes
from tests.test_mup_oracle import Net, package_net, with_weights
from torch import nn

from nup import torch as nt
from nup.errors import UserError
from nup.networks.activations import activation

SHAPE = {"depth": 4, "width": 9, "d_in": 6, "d_out": 3}


def squares(outputs, targets):
    return (outputs - targets).square().sum() / (2 * len(outputs))


def data(d_in=6, d_out=3, n=12):
    source = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, m, generator=source, dtype=torch.float64) for m in (d_in, d_out))
    return x / x.square().mean(1, keepdim=True).sqrt(), y


def pair(name="relu"):
    """Our module and the package's, with the same function."""
    ours = nt.mlp("mup", **SHAPE, activation=name, seed=1).double()
    theirs = package_net(ours.shape, activation(name))
    weights = [layer.weight.detach() for layer in ours.layers]
    return ours, with_weights(theirs, weights, SHAPE["width"])


def losses(model, optimizer, steps=10):
    x, y = data()
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = squares(model(x), y)
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found


@pytest.mark.parametrize("name", ["relu", "abs"])
def test_gradient_descent_is_that_of_the_package(name):
    """The rate of the first layer is divided by m_0, as in tests/test_mup_oracle.py."""
    ours, theirs = pair(name)
    lr = 0.4
    first, *others = theirs.parameters()
    groups = [{"params": [first], "lr": lr / SHAPE["d_in"]}, {"params": others, "lr": lr}]
    expected = losses(theirs, MuSGD(groups, lr=lr))
    found = losses(ours, torch.optim.SGD(nt.param_groups(ours, lr)))
    assert found == pytest.approx(expected, rel=1e-9)
    assert found[-1] < 0.9 * found[0]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_is_that_of_the_package(decay):
    """With V = √m W_l, a step of V by η/√m_l is one of W_l by η/√(m m_l).

    Adam's ε is no part of the law, and next to nothing here.
    """
    ours, theirs = pair()
    lr, (d_in, d_out) = 0.05, (SHAPE["d_in"], SHAPE["d_out"])
    first, *hidden, last = theirs.parameters()
    constants = [(first, d_in), *((each, 1) for each in hidden), (last, math.sqrt(d_out))]
    groups = [
        {"params": [each], "lr": lr / constant, "weight_decay": decay * constant}
        for each, constant in constants
    ]
    expected = losses(theirs, MuAdam(groups, impl=torch.optim.AdamW, lr=lr, eps=1e-30))
    own = nt.param_groups(ours, lr, "adamw", weight_decay=decay)
    found = losses(ours, torch.optim.AdamW(own, lr=lr, eps=1e-30))
    assert found == pytest.approx(expected, rel=1e-9)
    assert found[-1] < 0.9 * found[0]


# -- microsoft/mup#41: without base shapes, the standard parameterization without a word -----------


def test_the_package_falls_back_and_ours_refuses():
    net = set_base_shapes(Net(6, 64, 3, 3, activation("relu")), None)
    assert {group["lr"] for group in MuAdam(net.parameters(), lr=0.1).param_groups} == {0.1}
    plain = nn.Sequential(nn.Linear(6, 64, bias=False), nn.ReLU(), nn.Linear(64, 3, bias=False))
    with pytest.raises(UserError, match=r"expected a module of nup\.torch\.mlp .*got Sequential"):
        nt.param_groups(plain, lr=0.1)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_without_the_factors_is_noticed(kind):
    model = nt.mlp("nup", **SHAPE, seed=0)
    name = kind.__name__.lower()
    good = kind(nt.param_groups(model, 0.1, name), lr=0.1)
    assert nt.check_groups(good, model=model) == pytest.approx(0.1)
    with pytest.raises(UserError, match=r"expected groups with the multipliers \[.*\] of nup\(r=2"):
        nt.check_groups(kind(model.parameters(), lr=0.1), model=model)
    others = nt.mlp("nup", **SHAPE, seed=0)
    with pytest.raises(
        UserError, match=r"got \[None, None, None, None\], None where a layer is in"
    ):
        nt.check_groups(good, model=others)


def test_decay_that_shrinks_layers_unequally_is_refused():
    """microsoft/mup#73: the package takes it, with a coordinate check that cannot see it."""
    model = nt.mlp("nup", **SHAPE, seed=0)
    with pytest.raises(UserError, match=r"weight_decay: expected 0 with adam, .*got 0\.1; use ada"):
        nt.param_groups(model, 0.1, "adam", weight_decay=0.1)
    with pytest.raises(UserError, match=r"weight_decay: expected 0 or more, got -1"):
        nt.param_groups(model, 0.1, "adamw", weight_decay=-1)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["nup", "mup", "ntp", "sp"])
def test_decay_alone_shrinks_all_layers_by_the_same_factor(name, optimizer):
    model = nt.mlp(name, **SHAPE, seed=0).double()
    before = [layer.weight.detach().clone() for layer in model.layers]
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
    step = kind(nt.param_groups(model, 0.5, optimizer, weight_decay=0.1), lr=0.5)
    (0 * model(data()[0])).sum().backward()
    step.step()
    for layer, weight in zip(model.layers, before, strict=True):
        torch.testing.assert_close(layer.weight.detach(), (1 - 0.5 * 0.1) * weight)


# -- microsoft/mup#54: is depth scaled too? --------------------------------------------------------


def test_the_package_refuses_another_depth_and_ours_takes_it():
    """That coordinates stay flat over depth is held by test_torch_coordinates.py."""
    deep, shallow = (Net(6, 64, 3, depth, activation("relu")) for depth in (5, 3))
    with pytest.raises(AssertionError, match="has extra names"):
        set_base_shapes(deep, shallow)
    widths = [nt.mlp("nup", **{**SHAPE, "depth": depth}).shape.widths for depth in (3, 5)]
    assert widths == [(6, 9, 36, 3), (6, 9, 36, 81, 144, 3)]


# -- microsoft/mup#59: attributes are lost where parameters are replaced ---------------------------


def test_a_copy_of_the_packages_module_has_lost_its_shapes_and_ours_has_not():
    ours, theirs = pair()
    with pytest.raises(AssertionError, match="call set_base_shapes"):
        copy.deepcopy(theirs)(data()[0])
    twin = copy.deepcopy(ours)
    assert losses(twin, _sgd(twin)) == losses(ours, _sgd(ours))


@pytest.fixture
def one_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("scaled", [False, True])
def test_sharded_and_replicated_modules_train_alike(one_process, scaled):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.nn.parallel import DistributedDataParallel

    mesh, found = init_device_mesh("cpu", (1,)), []
    for wrapper in ("none", "sharded", "replicated"):
        model = nt.mlp("nup", **SHAPE, seed=1).double()
        wrapped = model
        if wrapper == "sharded":
            for layer in model.layers:
                fully_shard(layer, mesh=mesh)
            fully_shard(model, mesh=mesh)
        elif wrapper == "replicated":
            wrapped = DistributedDataParallel(model)
        optimizer = torch.optim.SGD(nt.param_groups(wrapped, lr=0.1))
        assert nt.check_groups(optimizer, model=wrapped) == pytest.approx(0.1)
        values = []
        for _ in range(4):
            optimizer.zero_grad()
            value = squares(wrapped(data()[0]), data()[1])
            value.backward()
            if scaled:
                nt.scale_depthwise(wrapped)
            optimizer.step()
            values.append(value.item())
        found.append(values)
    assert found[1] == pytest.approx(found[0], rel=1e-12)
    assert found[2] == pytest.approx(found[0], rel=1e-12)


def test_processes_that_see_parts_of_a_batch_scale_no_gradients(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    model = nt.mlp("nup", **SHAPE, seed=0).double()
    squares(model(data()[0]), data()[1]).backward()
    with pytest.raises(UserError, match=r"expected one process, which sees all samples .* got 2"):
        nt.scale_depthwise(model)


# -- microsoft/mup#60: attributes are lost where modules are compiled ------------------------------


@pytest.mark.parametrize("which", ["mlp", "own"])
def test_compilation_keeps_the_factors(which):
    """Whole graphs, traced forward and backward; code is not generated from them here."""
    plain, compiled = (_module(which) for _ in range(2))
    compiled = torch.compile(compiled, backend="aot_eager", fullgraph=True)
    found = [losses(each, _sgd(each)) for each in (plain, compiled)]
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def _module(which):
    if which == "mlp":
        return nt.mlp("mup", **SHAPE, seed=1).double()
    layers = [
        each
        for fan_in, fan_out in pairwise((6, 9, 9, 9, 3))
        for each in (nn.Linear(fan_in, fan_out, bias=False), nn.ReLU())
    ]
    return nt.parameterize(nn.Sequential(*layers[:-1]), "mup", seed=1).double()


def _sgd(model):
    return torch.optim.SGD(nt.param_groups(model, lr=0.1))
