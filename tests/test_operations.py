"""Floating-point operations: by hand, and as torch counts them in the engine's own products."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import problems
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, backpropagate
from nup.networks.losses import LOSSES
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization
from nup.training import operations
from nup.training.loop import train
from nup.training.observables import cadences

SILENT = cadences(steps=1, curvature=0, taylor=0, layers=0, probe=0, features=0)
#: 4 inputs, hidden layers of 5 and 20, 3 outputs: 20, 100 and 60 weights.
NUP = parameterization("nup", depth=3, width=5, d_in=4, d_out=3)
#: The net of `problems.run`: widths 4, 5, 5, 3, so 20, 25 and 15 weights; 6 samples.
MUP = parameterization("mup", depth=3, width=5, d_in=4, d_out=3)


def test_by_hand():
    n = 6
    assert NUP.widths == (4, 5, 20, 3)
    assert operations.forward(NUP, n) == 2 * n * (20 + 100 + 60)
    assert operations.backward(NUP, n) == 2 * n * (100 + 60)
    assert operations.gradient(NUP, n) == 2 * n * (2 * 180 + 160)
    assert operations.jets(NUP, n) == 2 * n * (20 + 3 * 100 + 3 * 60)
    # With 6 samples a Gram matrix saves where 6 (m_{k-1} + m_k) < 2 m_{k-1} m_k: in layer 2,
    # 150 < 200, but not in layer 1, 54 > 40, nor in layer 3, 138 > 120.
    assert operations.curvature_setup(NUP, n) == 2 * n * n * 5
    updates = 2 * n * 2 * 20 + 2 * n * n * 20 + 2 * n * 2 * 60
    assert operations.curvature_product(NUP, n) == 2 * (2 * n * 160) + updates


def test_a_step_is_what_torch_counts_for_the_usual_network():
    n, widths = 6, NUP.widths
    layers = [torch.nn.Linear(a, b, bias=False) for a, b in pairwise(widths)]
    net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    with FlopCounterMode(display=False) as counter:
        (net(torch.ones(n, widths[0])) ** 2).sum().backward()
    assert counter.get_total_flops() == operations.gradient(NUP, n)


@pytest.mark.parametrize("samples", [2, 6, 40])
@pytest.mark.parametrize("name", ["nup", "mup", "mup_residual"])
def test_a_gradient_multiplies_as_much_as_is_counted(name, samples):
    shape = parameterization(name, depth=5, width=4, d_in=7, d_out=3)
    network, weights = Network(shape, activation("relu")), initial_weights(shape, [0, 1])
    inputs, targets = torch.randn(samples, 7), torch.randn(samples, 3)
    with FlopCounterMode(display=False) as counter:
        backpropagate(Objective(network, LOSSES["mse"](), inputs, targets), weights)
    assert counter.get_total_flops() / 2 == operations.gradient(shape, samples)  # of two members


def flops_of(spec, data):
    """Recorded operations of the run by step, and their total."""
    records = train([spec], data)
    assert list(records.steps["step"]) == list(range(spec.steps + 1))
    return records.steps["flops"], records.runs["flops"][0]


def test_a_run_needs_its_updates():
    step = 2 * 6 * (2 * 60 + 40)
    by_step, total = flops_of(problems.run(record=SILENT), problems.dataset())
    assert by_step.tolist() == [step * t for t in range(9)]
    assert total == 8 * step
    batches, _ = flops_of(problems.run(record=SILENT, batch_size=2), problems.dataset())
    assert batches.tolist() == [step / 3 * t for t in range(9)]


def test_taylor_needs_its_jets_also_where_more_is_recorded():
    step = operations.gradient(MUP, 6) + operations.jets(MUP, 6)
    for record in (SILENT, problems.EVERY_STEP):
        by_step, _ = flops_of(problems.taylor(1.0, record=record), problems.dataset())
        assert by_step.tolist() == [step * t for t in range(9)]


def test_what_is_only_recorded_is_not_counted():
    data = problems.dataset()
    loud, quiet = (flops_of(problems.run(record=r), data) for r in (problems.EVERY_STEP, SILENT))
    assert loud[0].tolist() == quiet[0].tolist()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_sharpness_needs_the_products_of_every_member(batch_size, compiled):
    """Its own number of products, whatever the others of the stack need."""
    data = problems.dataset()
    record = SILENT | {"curvature": 1}  # what is recorded is not counted, but tells the products
    specs = [
        problems.sharpness(c, record=record, seed=seed, batch_size=batch_size)
        for c, seed in ((1.0, 0), (2.5, 1))
    ]
    records = train(specs, data, compiled=compiled)
    batch = batch_size or 6
    update = operations.gradient(MUP, batch) + operations.curvature_setup(MUP, 6)
    update += operations.forward(MUP, 6) if batch_size else 0
    used = []
    for spec in specs:
        rows = problems.rows(records.steps, spec)
        products = rows["sharpness_products"][:-1].astype(float)
        by_step = np.cumsum(update + operations.curvature_product(MUP, 6) * products)
        np.testing.assert_allclose(rows["flops"], [0, *by_step], rtol=problems.STORED)
        assert problems.summary(records, spec)["flops"] == by_step[-1]
        used.append(products.tolist())
    assert used[0] != used[1]


def test_a_run_that_diverges_has_what_led_to_its_last_state():
    spec = problems.run(learning_rate=50.0, record=SILENT)
    records = train([spec], problems.dataset())
    row = problems.summary(records, spec)
    assert row["status"] == "diverged"
    assert row["flops"] == row["last_step"] * operations.gradient(MUP, 6)
