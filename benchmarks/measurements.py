"""What λ_t and the Taylor jets cost, in steps of training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import workers
from benchmarks.effort import Effort
from benchmarks.peers.ours import Ours, timed_training, with_steps
from benchmarks.problem import EVERY_STEP, Problem, Shape
from nup.training import costs
from nup.training.observables import OBSERVABLES

log = logging.getLogger("benchmarks")

#: The cadence at which λ_t is recorded unless a study says otherwise.
CADENCE = OBSERVABLES["curvature"].cadence

RECORDS: Mapping[str, Mapping[str, int]] = {
    "plain": EVERY_STEP,
    "curvature": EVERY_STEP | {"curvature": 1},
    "curvature at its cadence": EVERY_STEP | {"curvature": CADENCE},
    "taylor": EVERY_STEP | {"taylor": 1},
}

#: Goals: the most that each may add, in steps of training per step.
GOALS: Mapping[str, float] = {"curvature": 1.0, "curvature at its cadence": 0.1, "taylor": 0.35}


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds of equally many steps with each of the records."""
    threads = len(workers.cores())
    shapes = [shape for shape in effort.shapes if shape.name in effort.measured]
    found = []
    for shape in shapes:
        log.info("%s  cost of curvature and jets", shape.name)
        found.append(workers.alone(compare, shape, threads, effort))
    return {"cadence": CADENCE, "shapes": found}


def compare(shape: Shape, threads: int, effort: Effort) -> dict[str, Any]:
    """Rounds of training with each of the records, in this process."""
    Ours.configure(threads)
    problem = Problem(shape)
    for name in RECORDS:
        _seconds(problem, name, 2)
    taken, _ = _seconds(problem, "plain", CADENCE)
    steps = CADENCE * max(1, round(effort.seconds / taken))
    seconds: dict[str, list[float]] = {name: [] for name in RECORDS}
    products: list[float] = []
    for _ in range(effort.repetitions):
        for name in RECORDS:
            spent, used = _seconds(problem, name, steps)
            seconds[name].append(spent)
            if name == "curvature":
                products.append(used)
    return {
        "shape": shape.name,
        "threads": threads,
        "steps": steps,
        "products": float(np.mean(products)),
        "seconds": seconds,
    }


def _seconds(problem: Problem, record: str, steps: int) -> tuple[float, float]:
    """Seconds of ``steps`` steps of all runs, and the mean number of products of their λ_t."""
    runs = [with_steps(replace(run, record=RECORDS[record]), steps) for run in problem.runs]
    seconds, products = 0.0, []
    for block in costs.blocks(runs):
        spent, records = timed_training(block, problem.dataset, steps)
        seconds += spent
        products.append(records.steps["sharpness_products"])
    used = np.concatenate(products)
    return seconds, float(np.nanmean(used)) if np.isfinite(used).any() else 0.0
