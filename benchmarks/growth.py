"""How the cost of a step of one run grows with depth, width, members and samples.

On one core with one thread, as jobs train. (Several threads share out the members of a block; deep
and wide nets, whose blocks hold few, would then look worse than they are.)
"""

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
from nup.training import costs

log = logging.getLogger("benchmarks")

#: Rounds are shorter than those of the comparison: what counts is the trend.
SHARE = 0.3
#: Exponents that are to be seen where a size is large: nets are deep in proportion to their layers,
#: wide nets consist of products of their widths, and a full block gains nothing from more members.
EXPECTED = {"depth": 1.0, "width": 2.0, "members": 0.0, "samples": 1.0}
#: The upper end of an axis: its last values, by number.
UPPER = 3


@dataclass(frozen=True)
class Power:
    """y ∝ x^exponent, with the standard error of the exponent."""

    exponent: float
    error: float


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds of a step of one run, one a round.

    ``full_block`` is the number of members from which a stack is cut into blocks.
    """
    worker = workers.Worker(workers.cores()[:1])
    try:
        points = worker.call(sweep, effort).result()
    finally:
        worker.close()
    many = varied(effort.centre, "members", max(effort.growth["members"]))
    full = max(len(block) for block in costs.blocks(many.runs()))
    return {"threads": 1, "centre": effort.centre.name, "full_block": full, "points": points}


def sweep(effort: Effort) -> list[dict[str, Any]]:
    """All points, in this process, round after round so that drift hits them alike."""
    Ours.configure(1)
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


def upper(axis: str, values: Sequence[float], full_block: int) -> list[int]:
    """Indices of the values at the upper end: of members, those from a full block on."""
    last = list(range(len(values)))[-UPPER:]
    if axis != "members":
        return last
    full = [index for index, value in enumerate(values) if value >= full_block]
    return full if len(full) >= UPPER else last


def fit(values: Sequence[float], costs: Sequence[float]) -> Power:
    """Least squares in logarithms."""
    line = linregress(np.log(values), np.log(costs))
    return Power(float(line.slope), float(line.stderr))
