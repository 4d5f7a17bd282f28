"""What λ_t, the Taylor jets, AdamW and minibatches cost, in steps of training."""

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
from nup.training import costs, optimizers
from nup.training.observables import OBSERVABLES

log = logging.getLogger("benchmarks")

#: The cadence at which λ_t is recorded unless a study says otherwise.
CADENCE = OBSERVABLES["curvature"].cadence

#: A minibatch has this part of the samples.
SHARE = 4

#: What differs from a plain step of full-batch SGD, as fields of a run.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "curvature": {"record": EVERY_STEP | {"curvature": 1}},
    "curvature at its cadence": {"record": EVERY_STEP | {"curvature": CADENCE}},
    "taylor": {"record": EVERY_STEP | {"taylor": 1}},
    # Small rates, since each of its steps moves every weight by about as much.
    "adamw": {
        "parameterization": "sp",
        "optimizer": optimizers.resolve("adamw", {}),
        "learning_rate": 2.0**-12,
    },
    "minibatch": {"batch_share": SHARE},
    "minibatch curvature": {"batch_share": SHARE, "record": EVERY_STEP | {"curvature": 1}},
}
#: The parameterization of constant widths, whose nets are as large for AdamW as for SGD.
CONSTANT_WIDTHS = "mup"

#: Goals: the most that each may add, in steps of training per step.
GOALS: Mapping[str, float] = {
    "curvature": 1.0,
    "curvature at its cadence": 0.1,
    "taylor": 0.35,
    "adamw": 0.05,
}
#: The most by which λ_t of all samples may cost more beside a minibatch than beside all samples.
MINIBATCH_GOAL = 0.05


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds of equally many steps of each of the variants."""
    threads = len(workers.cores())
    shapes = [shape for shape in effort.shapes if shape.name in effort.measured]
    found = []
    for shape in shapes:
        log.info("%s  cost of curvature and jets", shape.name)
        found.append(workers.alone(compare, shape, threads, effort))
    return {"cadence": CADENCE, "shapes": found}


def compare(shape: Shape, threads: int, effort: Effort) -> dict[str, Any]:
    """Rounds of training of each of the variants, in this process."""
    Ours.configure(threads)
    problem = Problem(shape)
    variants = [
        name
        for name, changes in VARIANTS.items()
        if "parameterization" not in changes or shape.parameterization == CONSTANT_WIDTHS
    ]
    for name in variants:
        _seconds(problem, name, 2)
    taken, _ = _seconds(problem, "plain", CADENCE)
    steps = CADENCE * max(1, round(effort.seconds / taken))
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    products: list[float] = []
    for _ in range(effort.repetitions):
        for name in variants:
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


def _seconds(problem: Problem, variant: str, steps: int) -> tuple[float, float]:
    """Seconds of ``steps`` steps of all runs, and the mean number of products of their λ_t."""
    changes = dict(VARIANTS[variant])
    if share := changes.pop("batch_share", None):
        changes["batch_size"] = problem.shape.samples // share
    runs = [with_steps(replace(run, **changes), steps) for run in problem.runs]
    seconds, products = 0.0, []
    for block in costs.blocks(runs):
        spent, records = timed_training(block, problem.dataset, steps)
        seconds += spent
        products.append(records.steps["sharpness_products"])
    used = np.concatenate(products)
    return seconds, float(np.nanmean(used)) if np.isfinite(used).any() else 0.0
