"""Processes with their own settings, in which peers are checked and timed.

The functions after the class run in a worker, which holds one peer with its problem at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, TypeVar

from benchmarks.peers.peer import Peer
from benchmarks.problem import Array, Problem

Result = TypeVar("Result")


#: More are left idle: every peer has a process on each.
MOST_CORES = 8


def cores() -> tuple[int, ...]:
    """The cores that the benchmark uses."""
    return tuple(sorted(os.sched_getaffinity(0))[:MOST_CORES])


class Worker:
    """One process that runs on these cores only."""

    def __init__(self, pinned: tuple[int, ...]) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=get_context("spawn"), initializer=_pin, initargs=(pinned,)
        )

    def call(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Start ``function`` in the process."""
        return self._pool.submit(function, *arguments)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def alone(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of ``function`` in a process of its own on all cores."""
    worker = Worker(cores())
    try:
        return worker.call(function, *arguments).result()
    finally:
        worker.close()


def _pin(pinned: tuple[int, ...]) -> None:
    os.sched_setaffinity(0, pinned)  # before any library counts its threads


# -- in the worker ---------------------------------------------------------------------------------

_held: dict[str, Peer] = {}


def load(name: str, problem: Problem, threads: int, steps: int) -> dict[str, Array]:
    """Hold this peer for timing, and return what it records over ``steps`` steps in float64.

    Raises:
        ImportError: the peer's library is absent.
    """
    from benchmarks.peers import peer

    _held.clear()
    found = peer(name)
    found.configure(threads)
    columns = found(replace(problem, dtype="float64")).run(steps).columns
    _held["peer"] = found(problem)
    return columns


def trial(threads: int, steps: int) -> float:
    """Seconds that ``steps`` steps of the held peer take with this many threads."""
    _held["peer"].configure(threads)
    return _held["peer"].run(steps).seconds


def clock(steps: int) -> float:
    """Seconds that ``steps`` steps of the held peer take."""
    return _held["peer"].run(steps).seconds
