"""How much one member that decays into subnormal numbers slows its stack, flushed or not."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch

from benchmarks import workers
from benchmarks.effort import Effort
from benchmarks.problem import Array, Problem, Shape
from nup.jobs.execute import prepare_torch
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, backpropagate
from nup.networks.losses import MeanSquaredError
from nup.networks.mlp import Network

log = logging.getLogger("benchmarks")


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds of a step, per round."""
    shape = effort.shapes[min(1, len(effort.shapes) - 1)]
    threads = len(workers.cores())
    log.info("%s  one subnormal member of %d", shape.name, shape.members)
    seconds = {
        name: workers.alone(compare, shape, threads, name == "flushed", effort)
        for name in ("flushed", "kept")
    }
    return {"shape": shape.name, "members": shape.members, "threads": threads, "seconds": seconds}


def compare(shape: Shape, threads: int, flushed: bool, effort: Effort) -> dict[str, list[float]]:
    """Seconds of rounds of steps of an ordinary stack, and of one with a subnormal member."""
    if flushed:
        prepare_torch(threads)
    else:
        torch.set_num_threads(threads)
    problem = Problem(shape)
    stacks = {"ordinary": problem.weights(), "one subnormal": decayed(problem)}
    taken = _seconds(problem, stacks["ordinary"], 2)
    steps = max(1, round(2 * effort.seconds / taken))
    seconds: dict[str, list[float]] = {name: [] for name in stacks}
    for _ in range(effort.repetitions):
        for name, weights in stacks.items():
            seconds[name].append(_seconds(problem, weights, steps) / steps)
    return seconds


def decayed(problem: Problem) -> list[Array]:
    """Weights, all ordinary numbers, of which the first run's make features of about 1e-40."""
    weights = problem.weights()
    for weight in weights[:2]:
        weight[0] *= 1e-20
    return weights


def _seconds(problem: Problem, arrays: list[Array], steps: int) -> float:
    """Seconds of forward and backward passes without updates, after one that is not timed."""
    weights = [torch.from_numpy(array) for array in arrays]
    inputs, targets = torch.from_numpy(problem.inputs), torch.from_numpy(problem.targets)
    network = Network(problem.net, activation("relu"))
    objective = Objective(network, MeanSquaredError(), inputs, targets)
    start = time.perf_counter()
    for step in range(steps + 1):
        if step == 1:
            start = time.perf_counter()
        backpropagate(objective, weights)
    return time.perf_counter() - start
