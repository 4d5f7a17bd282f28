"""The idea on one page against the engine: the same numbers, step by step, in float64."""

import os
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nup.networks.mlp import initial_weights
from nup.training.loop import train
from problems import EXACT, STORED, dataset, rows, run, shape_of, summary

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "examples" / "minimal.py"
STEPS, WIDTH, DEPTH, RATE = 20, 4, 4, 0.25


@pytest.fixture(scope="module")
def page():
    return SimpleNamespace(**runpy.run_path(str(PAGE)))


@pytest.fixture(scope="module")
def data():
    return dataset("classes", d_in=8, d_out=3, train=12, probe=6)


@pytest.fixture(scope="module")
def spec():
    return run(
        parameterization="nup",
        options={"r": 2.0},
        depth=DEPTH,
        width=WIDTH,
        activation="abs",
        learning_rate=RATE,
        steps=STEPS,
        dtype="float64",
    )


@pytest.fixture(scope="module")
def states(page, data, spec):
    """Rows (loss, λ_t, cos_t, e_1 … e_l) that the page finds from the engine's initial weights."""
    split = {name: torch.from_numpy(array) for name, array in data.inputs.items()}
    x, y = split["train"], torch.from_numpy(data.targets["train"])
    drawn = initial_weights(shape_of(spec, data), [spec.seed], dtype=torch.float64)
    start = [weight[0] for weight in drawn]
    return np.array(
        [
            [
                float(page.loss(weights, x, y, WIDTH)),
                page.sharpness(weights, x, WIDTH),
                page.cosine(updates, weights, start),
                *page.evolution(weights, start, split["probe"]),
            ]
            for weights, updates in page.train(start, x, y, WIDTH, RATE, STEPS)
        ]
    )


@pytest.mark.parametrize("compiled", [True, False])
def test_the_page_agrees_with_the_engine(states, data, spec, compiled):
    loss, sharpness, cosine, evolution = *states.T[:3], states[:, 3:]
    records = train([spec], data, compiled=compiled)
    found, steps, layers = (
        summary(records, spec),
        rows(records.steps, spec),
        rows(records.layers, spec),
    )
    assert found["status"] == "ok" and 0 < loss[-1] < loss[0]
    # The summary keeps float64, series float32.
    ends = {"initial": loss[0], "final": loss[-1], "max": loss.max(), "min": loss.min()}
    for name, value in ends.items():
        assert found[f"{name}_loss"] == pytest.approx(value, rel=EXACT)
    np.testing.assert_allclose(steps["loss"], loss, rtol=STORED)
    np.testing.assert_allclose(steps["cosine"][1:STEPS], cosine[1:STEPS], rtol=STORED, atol=STORED)
    evolved = layers["evolution"].reshape(-1, DEPTH)
    np.testing.assert_allclose(evolved, evolution, rtol=STORED, atol=STORED)
    # A Rayleigh quotient is below λ_t, and nearer to an eigenvalue than its residual: the largest.
    short = 1 - steps["sharpness"] / sharpness
    assert (short > -STORED).all()
    assert (short <= steps["sharpness_residual"] + STORED).all()


def test_it_draws_as_the_parameterization_says(page, data, spec):
    shape = shape_of(spec, data)
    drawn = page.initial_weights(WIDTH, DEPTH, data.d_in, data.d_out, seed=0)
    assert [tuple(weight.shape)[::-1] for weight in drawn] == list(pairwise(shape.widths))
    assert tuple(page.lr_factors(drawn, WIDTH)) == shape.lr_factors
    wide = page.initial_weights(64, 3, 100, 10, seed=1)
    for weight in wide:
        spread = 5 / weight.numel() ** 0.5
        assert float(weight.var() * weight.shape[1]) == pytest.approx(1, abs=spread)


def test_it_prints_the_way_to_the_edge():
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PAGE)]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=True)
    header, *lines = done.stdout.splitlines()
    assert header.split()[:4] == ["step", "loss", "η·λ_t", "cos_t"]
    step, loss, edge, cosine, *evolution = np.array([line.split() for line in lines], float).T
    assert list(step) == list(range(0, 101, 10))
    assert loss[-1] < 0.2 * loss[0]
    assert edge[0] < 1 < 2 < edge[-1]
    assert cosine[1] > 0.3 > 0.15 > abs(cosine[2:]).max()
    assert all(layer[0] == 0 < layer[-1] for layer in evolution)


def test_it_is_one_page_and_does_not_import_nup():
    text = PAGE.read_text()
    assert len(text.splitlines()) < 100
    assert "import nup" not in text and "from nup" not in text
