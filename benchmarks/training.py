"""Ours against peers: who agrees is timed, one after another, round after round."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks import peak, workers
from benchmarks.effort import Effort
from benchmarks.peers import PEERS
from benchmarks.peers.peer import COLUMNS
from benchmarks.problem import Array, Problem, Shape
from benchmarks.workers import Worker

log = logging.getLogger("benchmarks")

#: Largest difference from ours in any column over the horizon, relative to the column's largest
#: value, in float64, where only our storing of columns in float32 is seen, about 5e-8. In float32
#: trajectories part within a few steps wherever a preactivation changes its sign.
TOLERANCE = 1e-6

AGREES, DISAGREES, ABSENT = "agrees", "disagrees", "absent"


@dataclass
class Timing:
    """One peer on one shape, in so many processes: a raw record.

    ``rates`` are steps of runs per second, one for every round.
    """

    shape: str
    peer: str
    processes: int
    threads: int
    status: str = ""
    remark: str = ""
    deviation: float | None = None
    steps: int = 0
    rates: list[float] = field(default_factory=list)


class Lane:
    """The processes of one peer, each with its cores, among which the runs are dealt out."""

    def __init__(self, peer: str, pinned: Sequence[tuple[int, ...]]) -> None:
        self.peer = peer
        self.workers = [Worker(cores) for cores in pinned]
        self.threads = len(pinned[0])

    def load(self, shape: Shape, horizon: int) -> list[dict[str, Array]]:
        """What each process records over the horizon."""
        parts = len(self.workers)
        started = [
            worker.call(workers.load, self.peer, Problem(shape, part, parts), self.threads, horizon)
            for part, worker in enumerate(self.workers)
        ]
        return _results(started)

    def settle(self, shape: Shape, effort: Effort) -> tuple[int, int]:
        """The best number of threads, and the number of steps that take about as long as asked."""
        by_cores = self.peer.startswith("JAX")  # whose threads are not ours to set
        choices = [self.threads] if by_cores else sorted({self.threads, 1})
        tried = {
            threads: max(self._all(workers.trial, threads, effort.horizon)) for threads in choices
        }
        best = min(tried, key=tried.__getitem__)
        steps = max(2, round(effort.seconds / tried[best] * effort.horizon))
        self._all(workers.trial, best, steps)  # compiles it, where anything is compiled
        return best, steps

    def clock(self, steps: int) -> float:
        """Seconds of the slowest process."""
        return max(self._all(workers.clock, steps))

    def _all(self, function: Any, *arguments: Any) -> list[float]:
        return _results([worker.call(function, *arguments) for worker in self.workers])

    def close(self) -> None:
        for worker in self.workers:
            worker.close()


def _results(started: list[Future[Any]]) -> list[Any]:
    return [future.result() for future in started]


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section."""
    cores = workers.cores()
    processes = min(len(cores), *(shape.members for shape in effort.shapes))
    layouts = [[cores]] + [[(core,) for core in cores[:processes]]] * (processes > 1)
    lanes = [Lane(peer, layout) for layout in layouts for peer in PEERS]
    try:
        timings, peaks = [], []
        for shape in effort.shapes:
            found, rates = _compare(shape, lanes, effort)
            timings += [asdict(timing) for timing in found]
            peaks += [
                {"shape": shape.name, "threads": n, "way": way, "gflops": gflops}
                for (n, way), gflops in rates.items()
            ]
    finally:
        for lane in lanes:
            lane.close()
    shapes = [
        {**asdict(shape), "widths": list(shape.net.widths), "flops": shape.flops}
        for shape in effort.shapes
    ]
    return {"tolerance": TOLERANCE, "shapes": shapes, "timings": timings, "peaks": peaks}


def _compare(
    shape: Shape, lanes: list[Lane], effort: Effort
) -> tuple[list[Timing], dict[tuple[int, str], list[float]]]:
    """Timings of all lanes and, by threads and way, the peak rates of our process, one a round."""
    ours = lanes[0].load(shape, effort.horizon)[0]
    timings = []
    for lane in lanes:
        timing = _checked(shape, lane, ours, effort.horizon)
        if timing.status == AGREES:
            timing.threads, timing.steps = lane.settle(shape, effort)
        timings.append(timing)
        log.info("%s  %s ×%d: %s", shape.name, lane.peer, timing.processes, _said(timing))
    peaks: dict[tuple[int, str], list[float]] = {}
    for repetition in range(effort.repetitions):
        log.info("%s  round %d of %d", shape.name, repetition + 1, effort.repetitions)
        for threads in sorted({1, len(workers.cores())}):
            found = lanes[0].workers[0].call(peak.rates, threads).result()
            for way, rate in found.items():
                peaks.setdefault((threads, way), []).append(rate)
        for lane, timing in zip(lanes, timings, strict=True):
            if timing.status == AGREES:
                seconds = lane.clock(timing.steps)
                timing.rates.append(shape.members * timing.steps / seconds)
    return timings, peaks


def _checked(shape: Shape, lane: Lane, ours: dict[str, Array], horizon: int) -> Timing:
    """Whether a lane computes what ours does."""
    timing = Timing(shape.name, lane.peer, len(lane.workers), lane.threads)
    try:
        parts = lane.load(shape, horizon)
    except ImportError as error:
        timing.status, timing.remark = ABSENT, str(error)
        return timing
    count = len(parts)
    timing.deviation = max(
        deviation(part[name][:horizon], ours[name][:horizon, index::count])
        for index, part in enumerate(parts)
        for name in COLUMNS
    )
    timing.status = AGREES if timing.deviation <= TOLERANCE else DISAGREES
    return timing


def deviation(found: Array, expected: Array) -> float:
    """Largest difference relative to the largest value; infinite where only one is a number."""
    if (np.isnan(found) != np.isnan(expected)).any():
        return float("inf")
    scale = float(np.nanmax(np.abs(expected)))
    return float(np.nanmax(np.abs(found - expected))) / scale


def _said(timing: Timing) -> str:
    if timing.status == ABSENT:
        return f"{ABSENT} ({timing.remark})"
    return f"{timing.status} to {timing.deviation:.0e}"
