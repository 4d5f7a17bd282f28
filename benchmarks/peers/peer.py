"""What the benchmark needs of a peer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.problem import Array, Problem

#: Columns that every peer records at every step: loss [T, E]; per layer [T, E, l] the RMS of the
#: preactivations, the norm of the update, and its cosine with the sum of the updates before it.
COLUMNS = ("loss", "preactivation_rms", "update_norm", "cosine")
Row = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """Seconds of the timed steps, and the columns recorded from the first step on."""

    seconds: float
    columns: dict[str, Array]


class Peer(Protocol):
    """One way to train all runs of a problem."""

    def __init__(self, problem: Problem) -> None: ...

    @staticmethod
    def configure(threads: int) -> None:
        """Settings of the process; the first call comes before any tensor exists."""

    def run(self, steps: int) -> Run:
        """Train from the initial weights and time ``steps`` steps.

        Building and compiling are not timed, nor is the first step where its cost is special.
        """


def timed(step: Callable[[], Row], steps: int) -> Run:
    """Call ``step`` once, and then ``steps`` times with the clock running."""
    rows = [step()]
    start = now(rows[0]["loss"].device)
    rows += [step() for _ in range(steps)]
    seconds = now(rows[0]["loss"].device) - start
    columns = {name: torch.stack([row[name] for row in rows]).cpu().numpy() for name in COLUMNS}
    return Run(seconds, columns)


def now(device: str | torch.device) -> float:
    """Seconds on a clock, when all that was begun on the device is done."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
