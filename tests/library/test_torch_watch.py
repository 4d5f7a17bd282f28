"""Watching and checking in one's own loop."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

import problems
from nup import torch as nt
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training.loop import train
from nup.training.observables import cadences


def squares(outputs, targets):
    return (outputs - targets).square().sum() / (2 * len(outputs))


def test_a_watch_records_what_the_engine_does():
    data = problems.dataset(train=12, d_in=5, d_out=3, probe=6)
    steps = 6
    record = cadences(steps=1, curvature=1, taylor=0, layers=1, probe=1, features=1)
    spec = RunSpec(
        "library", DataSpec("made", 12), "nup", 3, 6, "abs", ScheduleSpec(), 0.1, 1, steps,
        options={"r": 2.0}, dtype="float64", record=record,
    )  # fmt: skip
    found = train([spec], data, compiled=False)
    x, y = (torch.from_numpy(each["train"]) for each in (data.inputs, data.targets))
    probe = torch.from_numpy(data.inputs["probe"])
    model = nt.mlp("nup", depth=3, width=6, d_in=5, d_out=3, activation="abs", seed=1).double()
    from nup.networks.mlp import initial_weights

    with torch.no_grad():
        drawn = initial_weights(model.shape, [1], dtype=torch.float64)
        for layer, weight in zip(model.layers, drawn, strict=True):
            layer.weight.copy_(weight[0])
    optimizer = torch.optim.SGD(nt.param_groups(model, lr=0.1))
    watch = nt.Watch(model, optimizer, probe)
    sharp = nt.Watch(model, optimizer, (x, y), loss=squares)
    for _ in range(steps):
        optimizer.zero_grad()
        squares(model(x), y).backward()
        optimizer.step()
    table, edges = watch.frame(), sharp.frame()
    np.testing.assert_allclose(table["cosine"][1:], found.steps["cosine"][1:steps], rtol=1e-6)
    np.testing.assert_allclose(table["update_norm"], found.steps["update_norm"][:steps], rtol=1e-6)
    np.testing.assert_allclose(edges["edge"], found.steps["edge"][:steps], rtol=0.02)
    layers = {key: np.array(value).reshape(-1, 3) for key, value in found.layers.items()
              if key in ("evolution", "soft_rank", "cosine")}  # fmt: skip
    for k in range(3):
        evolution = table[f"evolution_{k + 1}"]
        np.testing.assert_allclose(evolution, layers["evolution"][1:, k], rtol=1e-6)
        np.testing.assert_allclose(
            table[f"soft_rank_{k + 1}"], layers["soft_rank"][1:, k], rtol=1e-6
        )
        np.testing.assert_allclose(
            table[f"cosine_{k + 1}"][1:], layers["cosine"][1:steps, k], rtol=1e-6
        )
    watch.close()
    optimizer.step()
    assert len(watch.records) == steps


def make(name, **options):
    def built(depth, width):
        return nt.mlp(name, depth=depth, width=width, d_in=16, d_out=4, **options)

    return built


def test_changes_are_split_into_own_and_passed_on():
    check = nt.coord_check(make("nup"), (8,), (3,), seeds=1, steps=1)
    table = check.frame()
    assert (table["passed_on"][table["layer"] == 1] == 0).all()
    first = table[table["layer"] == 1]
    np.testing.assert_allclose(first["own"], first["change"], rtol=1e-5)
    figure = check.plot()
    assert len(figure.axes) == 2


def test_best_rates_and_their_drift():
    records = [
        {"depth": d, "width": 8, "seed": 0, "lr": lr, "loss": abs(np.log2(lr * d))}
        for d in (2, 4, 8)
        for lr in (0.5, 0.25, 0.125)
    ]
    transfer = nt.Transfer(records)
    assert transfer.best() == {(2, 8): 0.5, (4, 8): 0.25, (8, 8): 0.125}
    assert transfer.drift("depth") == pytest.approx(-1)
    assert "−1.00 octaves" in transfer.plot().axes[0].get_title()


def test_rates_are_swept():
    batch = (torch.randn(16, 16), torch.randn(16, 4))
    found = nt.lr_transfer(make("nup"), (0.01, 0.1, 1e6), batch, depths=(2, 3), steps=5, seeds=1)
    table = found.frame()
    assert len(table) == 6
    assert table[table["lr"] == 1e6]["loss"].isna().all()
    assert set(found.best().values()) <= {0.01, 0.1}


def test_the_loop_of_the_documentation_runs():
    """The block that the documentation shows."""
    torch.manual_seed(0)
    probe = (torch.randn(32, 784), torch.randint(10, (32,)))
    loader = [(torch.randn(16, 784), torch.randint(10, (16,))) for _ in range(3)]
    model = nt.mlp("nup", depth=6, width=16, d_in=784, d_out=10, activation="relu", r=2)
    opt = torch.optim.SGD(nt.param_groups(model, lr=0.5), lr=0.5)
    sched = nt.SharpnessLR(opt, model, F.cross_entropy, probe, c=2.0, every=10)
    watch = nt.Watch(model, opt, probe)
    for x, y in loader:
        opt.zero_grad()
        F.cross_entropy(model(x), y).backward()
        nt.scale_depthwise(model)
        watch.before_step()
        opt.step()
        sched.step()
    assert len(watch.records) == 3
    assert nt.check_groups(opt) > 0


def test_tables_need_pandas_and_say_so():
    code = """
import sys
sys.modules["pandas"] = None
import torch
from nup import torch as nt
from nup.errors import UserError
model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=2)
watch = nt.Watch(model, torch.optim.SGD(nt.param_groups(model, lr=0.1)), torch.randn(4, 5))
try:
    watch.frame()
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "expected the package pandas for tables and plots" in done.stdout, done.stderr
