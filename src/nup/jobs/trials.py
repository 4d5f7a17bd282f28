"""Runs whose rates follow from how others end, and what has to be in one job for that.

A trial trains after its predecessors (``RunSpec.predecessors``), in the same process. Jobs are
packed so that they hold a seed's grid with the trials that follow it. Where a job has trials alone,
since the grid was computed earlier or is too long for one job, it trains the predecessors as well,
for their losses, and leaves no rows of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from nup.specs import RunSpec
from nup.training import costs
from nup.training.boundary import Outcome, next_c

if TYPE_CHECKING:
    import pyarrow


def rounds(runs: Iterable[RunSpec]) -> list[list[RunSpec]]:
    """The runs and the predecessors of their trials, those first on which others depend.

    Returns:
        All that are no trials, then the first trials, the second, …; no round is empty.
    """
    every = {spec.id: spec for spec in runs}
    for spec in list(every.values()):
        every.update((each.id, each) for each in spec.predecessors)
    numbered = sorted(every.values(), key=_number)
    return [list(each) for _, each in groupby(numbered, key=_number)]


def _number(spec: RunSpec) -> int:
    return 0 if spec.trial is None else spec.trial.number


class Outcomes:
    """How the runs of a job have ended so far."""

    def __init__(self) -> None:
        self._by_run: dict[str, Outcome] = {}

    def add(self, runs: pyarrow.Table) -> None:
        """Note how runs ended, from the rows of ``runs`` of those in units of the edge."""
        columns = [
            runs[name].to_pylist()
            for name in ("run_id", "edge", "late_loss", "null_loss", "status")
        ]
        for run, c, late, null, status in zip(*columns, strict=True):
            if c is not None:
                loss = math.inf if late is None or not null else late / null
                self._by_run[run] = Outcome(c, loss, status != "ok")

    def placed(self, spec: RunSpec) -> RunSpec:
        """A run with its rate: a trial where its predecessors say, any other as it is.

        Raises:
            KeyError: a predecessor has not ended.
        """
        if spec.trial is None:
            return spec
        return spec.at(edge=next_c(self._by_run[each.id] for each in spec.predecessors))


def units(group: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Runs of one stack in parts that no two jobs should share: single runs.

    In a stack with trials, these are what one net and seed is trained at.
    """
    if all(spec.trial is None for spec in group):
        return [[spec] for spec in group]

    def key(spec: RunSpec) -> tuple[int, int, str]:
        return spec.data.seed, spec.seed, spec.schedule.text

    return [list(unit) for _, unit in groupby(sorted(group, key=key), key=key)]


def groups(runs: Iterable[RunSpec]) -> list[list[RunSpec]]:
    """``costs.blocks``; of stacks with trials as many units as a block holds, or one."""
    found = []
    ordered = sorted(runs, key=lambda spec: (spec.stack_key, spec.id))
    for _, items in groupby(ordered, key=lambda spec: spec.stack_key):
        stack = list(items)
        if all(spec.trial is None for spec in stack):
            found += costs.blocks(stack)
            continue
        parts = units(stack)
        count = min(len(parts), len(costs.blocks(stack)))
        size = math.ceil(len(parts) / count)
        found += [
            [spec for unit in parts[start : start + size] for spec in unit]
            for start in range(0, len(parts), size)
        ]
    return found
