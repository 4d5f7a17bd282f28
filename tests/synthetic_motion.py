"""Motion of known kinds: explicit vectors in float64, and the columns that tables hold of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from synthetic_base import NUP, SEEDS, complete, run_columns, schedule_columns

WEIGHTS = 300
LAYERS = 4
#: Share of each update along the one before it, by schedule: straight on below the edge, back and
#: forth beyond it.
FOLLOWS = {0.25: 0.2, 0.5: -0.4, 1.0: -0.9, "sharpness(1.5)": 0.95, "sharpness(2.5)": -0.8}


def updates(
    steps: int, dimension: int, follows: float, rng: np.random.Generator, fading: float = 0.99
) -> np.ndarray:
    """Updates whose direction is ``follows`` times the one before, plus something random."""
    found = np.zeros((steps, dimension))
    direction = rng.normal(size=dimension)
    for t in range(steps):
        fresh = rng.normal(size=dimension)
        direction = follows * direction / np.linalg.norm(direction)
        direction = direction + (1 - follows**2) ** 0.5 * fresh / np.linalg.norm(fresh)
        found[t] = 0.1 * fading**t * direction / np.linalg.norm(direction)
    return found


def measured(deltas: np.ndarray) -> dict[str, np.ndarray]:
    """``lengths`` [T], ``cosines`` [T] and ``distances`` [T + 1] of the way along these vectors."""
    places = np.concatenate([np.zeros((1, deltas.shape[1])), np.cumsum(deltas, axis=0)])
    lengths = np.array([np.linalg.norm(delta) for delta in deltas])
    distances = np.array([np.linalg.norm(place) for place in places])
    cosines = np.full(len(deltas), np.nan)
    for t in range(1, len(deltas)):
        cosines[t] = deltas[t] @ places[t] / (lengths[t] * distances[t])
    return {"lengths": lengths, "cosines": cosines, "distances": distances}


def motion_tables(
    activations: Sequence[str] = ("abs",),
    seeds: Sequence[int] = SEEDS,
    steps: int = 60,
    follows: Mapping[float | str, float] = FOLLOWS,
    every: int = 1,
) -> dict[str, pd.DataFrame]:
    """Tables ``runs``, ``steps`` and ``layers`` of a catapult experiment with consistent motion."""
    rng = np.random.default_rng(7)
    runs, rows, layers = [], [], []
    for activation in activations:
        for schedule, share in follows.items():
            for seed in seeds:
                run = _run(activation, schedule, seed, steps)
                runs.append(run)
                deltas = updates(steps, WEIGHTS, share, rng)
                rows += _steps(run, deltas)[::every]
                layers += _layers(run, deltas)
    return {
        "runs": complete("runs", runs),
        "steps": complete("steps", rows),
        "layers": complete("layers", layers),
    }


def _run(activation: str, schedule: float | str, seed: int, steps: int) -> dict[str, Any]:
    rate = schedule if isinstance(schedule, float) else None
    run = run_columns("catapult", activation, NUP, LAYERS, seed, rate)
    run |= {"steps": steps, "n_parameters": WEIGHTS, "initial_sharpness": 4.0}
    if isinstance(schedule, str):
        c = float(schedule[10:-1])
        run |= schedule_columns("sharpness", c)
        run["run_id"] = f"{run['run_id']}-{schedule}"
    return run


def _steps(run: Mapping[str, Any], deltas: np.ndarray) -> list[dict[str, Any]]:
    found = measured(deltas)
    rows = []
    for t in range(len(deltas) + 1):
        row = {"run_id": run["run_id"], "step": t, "displacement": found["distances"][t]}
        sharpness = 4 + 0.5 * np.sin(t)
        rate = run["learning_rate"] or json.loads(run["schedule_options"])["c"] / sharpness
        if t < len(deltas):
            row |= {
                "learning_rate": rate,
                "update_norm": found["lengths"][t],
                "cosine": found["cosines"][t],
                "sharpness": sharpness,
                "edge": rate * sharpness,
            }
        rows.append(row)
    return rows


def _layers(run: Mapping[str, Any], deltas: np.ndarray) -> list[dict[str, Any]]:
    """Layer k is the k-th of equal parts of the weights; recorded every 5 steps."""
    rows = []
    for layer, part in enumerate(np.split(deltas, LAYERS, axis=1), start=1):
        cosines = measured(part)["cosines"]
        rows += [
            {"run_id": run["run_id"], "step": t, "layer": layer, "cosine": cosines[t]}
            for t in range(0, len(deltas), 5)
        ]
    return rows
