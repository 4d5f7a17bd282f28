"""Which jobs search for which critical lines: planned, frozen and only ever added to.

As for training (``nup.jobs.plan``): a job is a file with the full specifications of what it measures,
jobs that still serve are kept, and only missing nets are packed into new ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from nup.errors import UserError
from nup.jobs import memory, plan
from nup.phases import runs
from nup.specs import PhaseSpec, digest
from nup.tables import store
from nup.training import costs


@dataclass(frozen=True)
class PhaseJob:
    """Nets whose lines one process looks for. ``id`` is a digest of their ids."""

    cells: tuple[PhaseSpec, ...]

    @cached_property
    def cell_ids(self) -> tuple[str, ...]:
        """Ids of the nets, in the job's order."""
        return tuple(cell.id for cell in self.cells)

    @cached_property
    def id(self) -> str:
        """12 hex digits."""
        return digest(sorted(self.cell_ids))

    @property
    def memory_mb(self) -> int:
        """Estimated peak memory."""
        runs = [run for cell in self.cells for run in runs.scan(cell)]
        return memory.requested_mb(costs.blocks(runs))

    def limit_minutes(self, gflops: float) -> int:
        """A generous time limit, as for training."""
        return math.ceil(5 + 3 * (costs.START_SECONDS + seconds(self.cells, gflops)) / 60)

    def write(self, folder: Path) -> Path:
        """Write ``<folder>/<id>.json`` unless it exists."""
        path = folder / f"{self.id}.json"
        if not path.exists():
            lines = ",\n".join(json.dumps(cell.to_dict(), sort_keys=True) for cell in self.cells)
            store.write_text(f'{{"job": "{self.id}", "cells": [\n{lines}\n]}}\n', path)
        return path

    @classmethod
    def read(cls, path: str | Path) -> PhaseJob:
        """Read a job file.

        Raises:
            UserError: the file is missing, damaged, or was planned by an incompatible version.
        """
        values = plan.read_json(path)
        try:
            return cls(tuple(PhaseSpec.from_dict(cell) for cell in values["cells"]))
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path}: expected phase diagrams planned by this version of nup, got a file that "
                f"does not fit ({error}); delete it and plan again"
            ) from error


@dataclass(frozen=True)
class PhasePlan:
    """The jobs that a study needs, and which nets to take from each (by job id)."""

    jobs: Mapping[str, PhaseJob]
    selection: Mapping[str, list[str]]


def reconcile(
    cells: Mapping[str, PhaseSpec],
    plan_dir: Path,
    tables_dir: Path,
    length: float,
    gflops: float,
) -> PhasePlan:
    """Plan the wanted ``cells`` (by id), keeping earlier jobs, and write the files of new jobs.

    New jobs take about ``length`` seconds at ``gflops``; ``tables_dir`` holds ``<job>.parquet`` of
    the jobs that are done. It may be called at any time and at once by several processes.
    """
    with plan.alone(plan_dir):
        earlier = _planned(plan_dir)
        done = {job for job in earlier if (tables_dir / f"{job}.parquet").exists()}
        selection = plan.keep({name: job.cell_ids for name, job in earlier.items()}, done, cells)
        jobs = {job: earlier[job] for job in selection}
        covered = {cell for chosen in selection.values() for cell in chosen}
        missing = [spec for cell, spec in cells.items() if cell not in covered]
        for job in pack(missing, length, gflops):
            job.write(plan_dir)
            jobs[job.id], selection[job.id] = job, list(job.cell_ids)
    return PhasePlan(jobs, selection)


def pack(cells: Iterable[PhaseSpec], length: float, gflops: float) -> list[PhaseJob]:
    """Cells in jobs of about ``length`` seconds, all seeds of a net in one; longest nets first."""
    bins: list[tuple[float, list[PhaseSpec]]] = []
    nets = [(seconds(net, gflops), net) for net in _nets(cells)]
    for estimate, net in sorted(nets, key=lambda item: -item[0]):
        for number, (load, content) in enumerate(bins):
            if load + estimate <= length:
                bins[number] = (load + estimate, content + net)
                break
        else:
            bins.append((estimate, net))
    return [PhaseJob(tuple(content)) for _, content in bins]


def seconds(cells: Iterable[PhaseSpec], gflops: float) -> float:
    """Estimated time to find the lines of these nets, without the start of processes.

    That of the scan, had all of its runs come to their end: what bisection adds, those that diverge
    leave out.
    """
    runs = [run for cell in cells for run in runs.scan(cell)]
    return plan.training_seconds(runs, gflops)


def _nets(cells: Iterable[PhaseSpec]) -> list[list[PhaseSpec]]:
    """The cells of each net, in an order that does not depend on the order given."""
    keyed = sorted(((cell.cell_key, cell.seed, cell) for cell in cells), key=lambda item: item[:2])
    groups = groupby(keyed, key=lambda item: item[0])
    return [[cell for _, _, cell in group] for _, group in groups]


def _planned(folder: Path) -> dict[str, PhaseJob]:
    """Readable job files by id; files of incompatible versions are left alone."""
    jobs = {}
    for path in sorted(folder.glob("*.json")):
        try:
            job = PhaseJob.read(path)
        except UserError:
            continue
        if job.id == path.stem:
            jobs[job.id] = job
    return jobs
