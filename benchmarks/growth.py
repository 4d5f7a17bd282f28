"""How the cost of a step of one run grows with depth, width, members and samples."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import linregress

from benchmarks import workers
from benchmarks.effort import Effort
from benchmarks.peers.ours import Ours
from benchmarks.problem import Problem, Shape

log = logging.getLogger("benchmarks")

#: Rounds are shorter than those of the comparison: what counts is the trend.
SHARE = 0.3


@dataclass(frozen=True)
class Power:
    """y ∝ x^exponent, with the standard error of the exponent."""

    exponent: float
    error: float


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds of a step of one run, one a round."""
    threads = len(workers.cores())
    points = workers.alone(sweep, threads, effort)
    return {"threads": threads, "centre": effort.centre.name, "points": points}


def sweep(threads: int, effort: Effort) -> list[dict[str, Any]]:
    """All points, in this process, round after round so that drift hits them alike."""
    Ours.configure(threads)
    points = []
    for axis, values in effort.growth.items():
        for value in values:
            shape = varied(effort.centre, axis, value)
            ours = Ours(Problem(shape))
            steps = max(2, round(2 * SHARE * effort.seconds / ours.run(2).seconds))
            point: dict[str, Any] = {"axis": axis, "value": value, "steps": steps}
            points.append((ours, shape, {**point, "flops": shape.flops, "seconds": []}))
    for repetition in range(effort.repetitions):
        log.info("growth  round %d of %d", repetition + 1, effort.repetitions)
        for ours, shape, point in points:
            total = ours.run(point["steps"]).seconds
            point["seconds"].append(total / point["steps"] / shape.members)
    return [point for *_, point in points]


def varied(centre: Shape, axis: str, value: int) -> Shape:
    """The shape with one of its sizes changed; ``members`` are seeds of one rate."""
    if axis == "members":
        return replace(centre, rates=1, seeds=value)
    change: dict[str, Any] = {axis: value}
    return replace(centre, **change)


def fit(values: Sequence[float], costs: Sequence[float]) -> Power:
    """Least squares in logarithms."""
    line = linregress(np.log(values), np.log(costs))
    return Power(float(line.slope), float(line.stderr))
