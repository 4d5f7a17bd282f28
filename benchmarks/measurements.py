"""What λ_t and the Taylor jets cost, in steps of training."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch

from benchmarks import workers
from benchmarks.effort import Effort
from benchmarks.peers.ours import Ours, timed_training, with_steps
from benchmarks.problem import EVERY_STEP, Problem, Shape
from nup import cost, training
from nup.curvature import Operator, gauss_newton_operator
from nup.specification import RecordSpec

log = logging.getLogger("benchmarks")

#: Both groups are timed at the cadence at which λ_t is recorded unless a study says otherwise.
CADENCE = RecordSpec().curvature

RECORDS = {
    "plain": EVERY_STEP,
    "curvature": replace(EVERY_STEP, curvature=CADENCE),
    "taylor": replace(EVERY_STEP, taylor=CADENCE),
}


@dataclass
class Tally:
    """Measurements of λ_t, and the products that they took."""

    measurements: int = 0
    products: int = 0
    open: bool = False

    def watch(self, *arguments: Any) -> Operator:
        """In place of ``gauss_newton_operator``: an operator that counts its applications."""
        operator = gauss_newton_operator(*arguments)
        self.measurements += self.open

        def apply(vectors: torch.Tensor) -> torch.Tensor:
            self.products += self.open
            return operator(vectors)

        return apply


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
    problem, tally = Problem(shape), Tally()
    taken = _seconds(problem, "plain", CADENCE, tally)
    measurements = max(1, round(effort.seconds / taken))
    steps = CADENCE * measurements
    seconds: dict[str, list[float]] = {name: [] for name in RECORDS}
    for _ in range(effort.repetitions):
        for name in RECORDS:
            seconds[name].append(_seconds(problem, name, steps, tally))
    return {
        "shape": shape.name,
        "threads": threads,
        "steps": steps,
        "measurements": measurements,
        "products": tally.products / tally.measurements,
        "seconds": seconds,
    }


def _seconds(problem: Problem, record: str, steps: int, tally: Tally) -> float:
    """Seconds of ``steps`` steps of all runs."""
    runs = [with_steps(replace(run, record=RECORDS[record]), steps) for run in problem.runs]

    def after(step: int) -> None:
        tally.open = step < steps  # the timed steps are 1 … steps

    with patch.object(training, "gauss_newton_operator", tally.watch):
        return sum(
            timed_training(block, problem.dataset, steps, after)[0] for block in cost.blocks(runs)
        )
