"""Schedules, scalings and curvature in one's own loop, against the engine and dense matrices."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

import problems
from nup import torch as nt
from nup.errors import UserError
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training.loop import train
from nup.training.observables import cadences

STEPS = 12
SCHEDULES = {"sharpness": nt.SharpnessLR, "taylor": nt.TaylorLR, "polyak": nt.PolyakLR}


def squares(outputs, targets):
    """The engine's mse."""
    return (outputs - targets).square().sum() / (2 * len(outputs))


def engine(schedule, scaling="none", rate=None, batch=None):
    """Losses and rates of a run of the engine in float64."""
    data = problems.dataset(train=12, d_in=5, d_out=3)
    spec = RunSpec(
        "library",
        DataSpec("made", 12),
        "nup",
        4,
        6,
        "relu",
        ScheduleSpec(*schedule, scaling),
        rate,
        1,
        STEPS,
        options={"r": 2.0},
        dtype="float64",
        batch_size=batch,
        record=cadences(steps=1, curvature=1, taylor=0, layers=0, probe=0, features=0),
    )
    steps = train([spec], data, compiled=False).steps
    return data, steps


def loop(data, scheduler=None, scaling=None, rate=None, **options):
    """The same in one's own loop: losses and rates."""
    x, y = (torch.from_numpy(each["train"]) for each in (data.inputs, data.targets))
    model = nt.mlp("nup", depth=4, width=6, d_in=5, d_out=3, activation="relu", seed=1, r=2.0)
    from nup.networks.mlp import initial_weights

    model = model.double()
    weights = initial_weights(model.shape, [1], dtype=torch.float64)
    with torch.no_grad():
        for layer, weight in zip(model.layers, weights, strict=True):
            layer.weight.copy_(weight[0])
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=rate or 1.0))
    steps = scheduler(optimizer, model, squares, (x, y), **options) if scheduler else None
    losses, rates = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = squares(model(x), y)
        value.backward()
        if scaling:
            nt.scale_gradients(model, scaling)
        losses.append(value.item())
        rates.append(nt.check_groups(optimizer))
        optimizer.step()
        if steps is not None:
            steps.step()
    return losses, rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_set_the_engines_rates(name):
    """Taylor and Polyak to rounding; λ_t to the tolerance with which both follow it."""
    data, steps = engine((name, {"c": 1.5}))
    losses, rates = loop(data, SCHEDULES[name], c=1.5)
    tolerance = 1e-6 if name != "sharpness" else 0.02
    assert rates[0] == pytest.approx(steps["learning_rate"][0], rel=min(tolerance, 1e-3))
    assert rates == pytest.approx(list(steps["learning_rate"][:STEPS]), rel=tolerance)
    assert losses == pytest.approx(list(steps["loss"][:STEPS]), rel=3 * tolerance)


@pytest.mark.parametrize("name", ["none", "depthwise", "equal", "per_sample", "gram"])
def test_scalings_train_as_the_engines(name):
    data, steps = engine(("constant", {}), name, rate=0.05)
    losses, _ = loop(data, scaling=name, rate=0.05)
    assert losses == pytest.approx(list(steps["loss"][:STEPS]), rel=1e-9)


def test_accumulated_gradients_are_scaled_as_those_of_one_batch():
    data, _ = engine(("constant", {}), rate=0.05)
    x, y = (torch.from_numpy(each["train"]) for each in (data.inputs, data.targets))
    scales = []
    for pieces in (1, 3):
        model = nt.mlp("nup", depth=4, width=6, d_in=5, d_out=3, seed=1).double()
        for part, wanted in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
            (squares(model(part), wanted) / pieces).backward()
        scales.append(nt.scale_depthwise(model))
    torch.testing.assert_close(*scales)


def test_a_forward_pass_alone_leaves_no_signal():
    model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=3)
    x = torch.randn(6, 5)
    model(x)
    with pytest.raises(UserError, match="no signals were recorded"):
        nt.scale_depthwise(model)
    model(x).sum().backward()
    with torch.no_grad():
        model(x)
    nt.scale_depthwise(model)
    with pytest.raises(UserError, match="no signals were recorded"):
        nt.scale_depthwise(model)


# -- curvature -------------------------------------------------------------------------------------

LOSSES = {
    "cross-entropy": (F.cross_entropy, lambda n: torch.arange(n) % 3),
    "mse": (F.mse_loss, lambda n: torch.sin(torch.arange(3.0 * n).double()).view(n, 3)),
}


def dense(model, loss, x, y, factors):
    """Gauss–Newton matrix and Hessian in the weights, with the factors' roots at both ends."""
    parameters = dict(model.named_parameters())
    names = list(parameters)
    flat = torch.cat([parameters[name].detach().flatten() for name in names])

    def outputs(theta):
        parts = torch.split(theta, [parameters[name].numel() for name in names])
        given = {n: p.view_as(parameters[n]) for n, p in zip(names, parts, strict=True)}
        return torch.func.functional_call(model, given, (x,))

    J = torch.func.jacrev(outputs)(flat).flatten(0, 1)
    f = outputs(flat).detach()
    H = torch.func.hessian(lambda f: loss(f.view(len(x), -1), y))(f.flatten())
    roots = torch.cat(
        [
            torch.full_like(parameters[name].detach().flatten(), factors.get(name, 1.0) ** 0.5)
            for name in names
        ]
    ).double()
    hessian = torch.func.hessian(lambda theta: loss(outputs(theta), y))(flat)
    return roots[:, None] * (J.T @ H @ J) * roots, roots[:, None] * hessian * roots


@pytest.mark.parametrize("kind", ["gauss_newton", "hessian"])
@pytest.mark.parametrize("name", LOSSES)
def test_sharpness_is_that_of_dense_matrices(name, kind):
    loss, targets = LOSSES[name]
    model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=3, seed=2).double()
    x = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = targets(9)
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=1.0))
    factors = dict(zip(dict(model.named_parameters()), nt.layout_of(model).factors, strict=True))
    matrices = dense(model, loss, x, y, factors)
    expected = torch.linalg.eigvalsh(matrices[0 if kind == "gauss_newton" else 1])[-1]
    found = nt.sharpness(model, loss, (x, y), optimizer, kind=kind, tolerance=1e-9, products=100)
    assert found == pytest.approx(float(expected), rel=1e-8)


def test_any_module_has_a_sharpness():
    """Biases, layer norm, convolutions: all that is a function of the parameters."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(1, 2, 3), nn.Flatten(), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3)
    ).double()
    x, y = torch.randn(4, 1, 5).double(), torch.arange(4) % 3
    gauss_newton, _ = dense(model, F.cross_entropy, x, y, {})
    found = nt.sharpness(model, F.cross_entropy, (x, y), tolerance=1e-9, products=60)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(gauss_newton)[-1]), rel=1e-8)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = nt.SharpnessLR(optimizer, model, F.cross_entropy, (x, y), c=1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1 / found, rel=1e-3)
    assert schedule.measured["sharpness"] == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(6)])
def test_functions_of_chance_or_of_other_samples_are_refused(layer):
    model = nn.Sequential(nn.Linear(5, 6), layer, nn.Linear(6, 3))
    batch = (torch.randn(4, 5), torch.arange(4) % 3)
    with pytest.raises(UserError, match=r"1 \((Dropout|BatchNorm1d)\): expected a function of the"):
        nt.sharpness(model, F.cross_entropy, batch)
    assert nt.sharpness(model.eval(), F.cross_entropy, batch) > 0


def test_the_tangent_kernel_is_that_of_jacobians():
    model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=2, seed=2).double()
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=1.0))
    factors = nt.layout_of(model).factors
    rows = []
    for output in model(x).flatten():
        gradients = torch.autograd.grad(output, list(model.parameters()), retain_graph=True)
        scaled = [c**0.5 * g.flatten() for c, g in zip(factors, gradients, strict=True)]
        rows.append(torch.cat(scaled))
    expected = (torch.stack(rows) @ torch.stack(rows).T).view(4, 2, 4, 2)
    torch.testing.assert_close(nt.ntk(model, x, optimizer), expected)


def test_soft_ranks_count_orthogonal_features():
    assert nt.soft_rank(torch.eye(6)[:4]).item() == pytest.approx(4)
    assert nt.soft_rank(torch.ones(5, 3)).item() == pytest.approx(1)


# -- conventions of schedulers ---------------------------------------------------------------------


def problem(seed=1):
    model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=3, seed=seed).double()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=1.0))
    return model, optimizer, (x, y)


def trained(model, optimizer, schedule, batch, steps):
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        squares(model(batch[0]), batch[1]).backward()
        optimizer.step()
        schedule.step()
        found.append(nt.check_groups(optimizer))
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_from_its_state(name):
    model, optimizer, batch = problem()
    schedule = SCHEDULES[name](optimizer, model, squares, batch, c=1.0)
    trained(model, optimizer, schedule, batch, 4)
    states = [copy.deepcopy(each.state_dict()) for each in (model, optimizer, schedule)]
    assert not any(torch.is_tensor(v) and v.dim() > 2 for v in states[2].values())
    expected = trained(model, optimizer, schedule, batch, 4)
    model, optimizer, batch = problem(seed=2)
    schedule = SCHEDULES[name](optimizer, model, squares, batch, c=1.0)
    for each, state in zip((model, optimizer, schedule), states, strict=True):
        each.load_state_dict(state)
    assert trained(model, optimizer, schedule, batch, 4) == pytest.approx(expected, rel=1e-9)


def test_rates_stay_between_measurements():
    model, optimizer, batch = problem()
    schedule = nt.SharpnessLR(optimizer, model, squares, batch, c=1.0, every=3)
    rates = trained(model, optimizer, schedule, batch, 7)
    assert rates[0] == rates[1] != rates[2]
    assert rates[2] == rates[3] == rates[4] != rates[5]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_net_without_curvature_has_no_rate(name):
    model, optimizer, batch = problem()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with pytest.raises(UserError, match=r"LR: expected a loss with slope and curvature on the pr"):
        SCHEDULES[name](optimizer, model, squares, batch, c=1.0)


def test_updates_that_the_sharpness_is_not_about_are_refused():
    model, _, batch = problem()
    adam = torch.optim.Adam(nt.param_groups(model, lr=1.0, optimizer="adam"))
    with pytest.raises(UserError, match=r"SharpnessLR: expected torch\.optim\.SGD without moment"):
        nt.SharpnessLR(adam, model, squares, batch)
    momentum = torch.optim.SGD(nt.param_groups(model, lr=1.0), momentum=0.9)
    with pytest.raises(UserError, match="TaylorLR: expected"):
        nt.TaylorLR(momentum, model, squares, batch, c=1.0)
    _, optimizer, _ = problem()
    with pytest.raises(UserError, match="expected c > 0 and every ≥ 1, got c = 0"):
        nt.PolyakLR(optimizer, model, squares, batch, c=0)
    with pytest.raises(UserError, match="kind: expected gauss_newton or hessian, got 'fisher'"):
        nt.SharpnessLR(optimizer, model, squares, batch, kind="fisher")
