"""Tables of the experiment ``cells``: many seeds at few rates of one net, made from known laws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from nup.claims.estimators.features import RANKS
from synthetic_base import NUP, complete, run_columns

DEPTH = 4
RATES = (0.25, 0.35, 0.5, 0.7, 1.0)


def cells_tables(
    activations: Sequence[str] = ("abs",),
    coupling: tuple[float, float] = (1.0, 1.0),
    loss_coupling: float = 0.0,
    seeds: Sequence[int] = range(24),
    rates: Sequence[float] = RATES,
) -> dict[str, pd.DataFrame]:
    """``runs``, ``steps`` and ``layers``; the rate moves cosine and features as well.

    ``coupling`` says how strongly the ranks and the alignment of the last hidden layer follow the
    late cosine within a cell, ``loss_coupling`` how strongly the final loss drives all of them.
    """
    rng = np.random.default_rng(8)
    runs, steps, layers = [], [], []
    for activation, seed, rate in product(activations, seeds, rates):
        run = run_columns("cells", activation, NUP, DEPTH, seed, rate)
        cause, loss, *noise = rng.normal(size=4)
        run |= {"final_loss": 0.1 * np.exp(0.2 * loss), "test_accuracy": 0.9 + 0.01 * noise[0]}
        runs.append(run)
        trend = float(np.log2(rate))
        late = cause + loss_coupling * loss
        gains = [
            trend + strength * cause + loss_coupling * loss + 0.5 * error
            for strength, error in zip(coupling, noise, strict=True)
        ]
        steps += _steps(run, 0.05 * late - 0.1 * trend, gains)
        layers += _layers(run, gains)
    return {
        "runs": complete("runs", runs),
        "steps": complete("steps", steps),
        "layers": complete("layers", layers),
    }


def _steps(run: dict[str, Any], cosine: float, gains: Sequence[float]) -> list[dict[str, Any]]:
    ends = [
        {"step": 0, "ntk_alignment": 0.3, "displacement": 0.0},
        {
            "step": 200,
            "ntk_alignment": 0.3 + 0.05 * gains[1],
            "displacement": np.exp(0.1 * gains[0]),
        },
    ]
    late = [
        {"step": step, "cosine": cosine, "update_norm": 0.01 * np.exp(0.1 * gains[0])}
        for step in (140, 160, 180)
    ]
    return [{"run_id": run["run_id"], **row} for row in (*ends, *late)]


def _layers(run: dict[str, Any], gains: Sequence[float]) -> list[dict[str, Any]]:
    rows = []
    for step, (rank, alignment) in ((0, (0.0, 0.0)), (200, gains)):
        row = {"run_id": run["run_id"], "step": step, "layer": DEPTH - 1}
        row |= dict.fromkeys(RANKS, 15 + rank)
        row |= {"alignment": 0.5 + 0.05 * alignment, "evolution": 0.1 * step}
        row["movement_frobenius"] = row["movement_spectral"] = 0.1 * np.exp(0.2 * alignment)
        rows.append(row)
    return rows
