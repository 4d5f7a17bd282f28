"""The kinds of work that jobs do: training, phase diagrams, measurements at initialization.

A kind says what its specifications are, what has to be done together, how much training that
amounts to (for estimates of time and memory), which tables a job leaves, and which module does it.
That module is named, not imported: planning needs none of what computes, and the code of one kind
is no part of the digest of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

from nup.errors import UserError
from nup.jobs import entries, places, provenance, trials
from nup.phases import runs as phase_runs
from nup.specs import InitSpec, PhaseSpec, RunSpec, ScheduleSpec, Specification
from nup.training import costs

S = TypeVar("S", bound=Specification)
N = TypeVar("N", InitSpec, PhaseSpec)


@dataclass(frozen=True)
class Kind(Generic[S]):
    """One kind of work.

    ``name``     in the files of plans
    ``spec``     class of its specifications
    ``entry``    module with ``execute(specs, session)``, which returns the tables
    ``tables``   the tables that a job leaves, the last to be written first
    ``key``      the column of these tables that holds the id of a specification
    ``groups``   specifications that are computed together, in an order of their own
    ``runs``     the training that specifications amount to
    ``modules``  the modules of the registry entries that a specification uses
    ``units``    what a group may be cut into, to keep to a job's length and memory; None: whole
    ``gpu``      whether it computes on a GPU where there is one
    """

    name: str
    spec: type[S]
    entry: str
    tables: tuple[str, ...]
    key: str
    groups: Callable[[Iterable[S]], list[list[S]]]
    runs: Callable[[Iterable[S]], list[RunSpec]]
    modules: Callable[[S], Iterable[str]]
    units: Callable[[Sequence[S]], list[list[S]]] | None = None
    gpu: bool = True

    @property
    def divides(self) -> bool:
        """Whether groups may be cut."""
        return self.units is not None

    def files(
        self, folder: str | Path, job: str, at: Callable[..., Path] = places.place
    ) -> dict[str, Path]:
        """Where a job's tables are, by name: ``<job>.parquet``, or files in the folder ``<job>``.

        Args:
            folder: of the tables of all jobs.
            job: its id, or ``places.JOB``.
            at: ``places.find`` to read what an earlier version has left.
        """
        if len(self.tables) == 1:
            return {self.tables[0]: at(folder, job, ".parquet")}
        return {name: at(folder, job) / f"{name}.parquet" for name in self.tables}

    def seconds(self, specs: Iterable[S], gflops: float) -> float:
        """Estimated time on one core that delivers ``gflops``, without the start of a process."""
        return costs.total_seconds(costs.blocks(self.runs(specs)), gflops)

    def code_digest(self, specs: Iterable[S]) -> str:
        """Digest of the code that computes the specifications."""
        used = {module for spec in specs for module in self.modules(spec)}
        return provenance.code_digest(self.entry, *sorted(used))


def kind(name: str) -> Kind[Any]:
    """The kind of this name.

    Raises:
        UserError: there is none.
    """
    if name not in KINDS:
        raise UserError(f"unknown kind of work {name!r}: expected one of {', '.join(KINDS)}")
    return KINDS[name]


def _alike(specs: Iterable[S]) -> list[list[S]]:
    """Specifications that differ in their seeds alone."""
    ordered = sorted(specs, key=lambda spec: (spec.group_key, spec.id))
    return [list(group) for _, group in groupby(ordered, key=lambda spec: spec.group_key)]


def _scans(cells: Iterable[PhaseSpec]) -> list[RunSpec]:
    """The runs of the scans: what bisection adds, those that diverge leave out."""
    return _shared(cells, phase_runs.scan)


def _shared(nets: Iterable[N], runs: Callable[[N], list[RunSpec]]) -> list[RunSpec]:
    """The runs of all nets; those of nets that differ in their seeds alone are made once."""
    of_group: dict[str, list[RunSpec]] = {}
    found = []
    for net in nets:
        if net.group_key not in of_group:
            of_group[net.group_key] = runs(net)
        found += [run.at(seed=net.seed, data=net.data) for run in of_group[net.group_key]]
    return found


def _modules_of_scan(cell: PhaseSpec) -> set[str]:
    kinds: tuple[phase_runs.Kind, ...] = ("initial", "whole", "early")
    runs = [phase_runs.run(cell, each) for each in kinds]
    return {module for run in runs for module in entries.modules(run)}


def _measured(net: InitSpec) -> list[RunSpec]:
    """A run of one step in float64 with the usual records, as dear as a measurement."""
    if net.kernel == "limit":  # nothing is drawn
        return []
    return [
        RunSpec(
            experiment=net.experiment,
            data=net.data,
            parameterization=net.parameterization,
            depth=net.depth,
            width=net.width,
            activation=net.activation,
            schedule=ScheduleSpec(),
            learning_rate=1.0,
            seed=net.seed,
            steps=1,
            options=net.options,
            weight_variance=net.weight_variance,
            dtype="float64",
            record={"steps": 1, "curvature": 1, "probe": 1, "features": 1},
        )
    ]


def _measured_once(nets: Iterable[InitSpec]) -> list[RunSpec]:
    return _shared(nets, _measured)


def _themselves(runs: Iterable[RunSpec]) -> list[RunSpec]:
    return list(runs)


TRAINING = Kind(
    name="train",
    spec=RunSpec,
    entry=entries.TRAINING,
    tables=("runs", "steps", "layers"),
    key="run_id",
    groups=trials.groups,
    units=trials.units,
    runs=_themselves,
    modules=costs.once_a_stack(entries.modules),
)
PHASES = Kind(
    name="phases",
    spec=PhaseSpec,
    entry="nup.jobs.phases",
    tables=("phases",),
    key="cell_id",
    groups=_alike,
    runs=_scans,
    modules=_modules_of_scan,
)
INITIALIZATION = Kind(
    name="init",
    spec=InitSpec,
    entry="nup.jobs.initialization",
    tables=("init",),
    key="cell_id",
    groups=_alike,
    runs=_measured_once,
    modules=entries.modules,
    gpu=False,
)

KINDS: dict[str, Kind[Any]] = {each.name: each for each in (TRAINING, PHASES, INITIALIZATION)}

__all__ = ["INITIALIZATION", "KINDS", "PHASES", "TRAINING", "Kind", "kind"]
