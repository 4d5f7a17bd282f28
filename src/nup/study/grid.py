"""From a study configuration to the runs and initialization measurements it asks for.

Everything that a run's numbers depend on is resolved here into its ``RunSpec``: matched widths,
option defaults, one number format. So equal runs get equal ids however they were written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from nup.errors import UserError
from nup.jobs import entries
from nup.specs import (
    DataSpec,
    InitSpec,
    OptimizerSpec,
    PhaseSpec,
    RunSpec,
    ScheduleSpec,
    TrialSpec,
)
from nup.study import size
from nup.study.cells import Cell, cells, combinations
from nup.study.models import (
    Initialization,
    OptimizerEntry,
    PhaseDiagram,
    ScheduleEntry,
    Settings,
    Shapes,
    Study,
    StudyLimits,
    merged,
)
from nup.study.values import EdgeRate, EdgeTrial
from nup.training import edge, optimizers, schedules
from nup.training.observables import cadences

N = TypeVar("N", InitSpec, PhaseSpec)

#: What every net needs, and what runs need beside it.
_NET = ("data", "parameterization", "depth", "width", "activation", "weight_variance", "seeds")
_RUN = ("steps", "schedule", "optimizer", "loss", "dtype")


def runs(study: Study, path: str | Path = "") -> dict[str, RunSpec]:
    """Every run of the study by its id, in the order of the experiments.

    Raises:
        UserError: naming ``path``, the experiment and what its grid gets wrong; or it asks for more
            than its limits.
    """
    parts = [
        (name, f"experiments.{name}" + (f".grids.{number}" if experiment.grids else ""), settings)
        for name, experiment in study.experiments.items()
        for number, part in enumerate(experiment.grids or [Settings()])
        for settings in [merged(Settings, study.defaults, experiment, part)]
    ]
    count = 0
    for _, key, settings in parts:
        with _located(path, key):
            _require(settings, *_NET, *_RUN)
            count += size.runs(settings)
            size.check_count(count, study.limits.runs, "runs")
    found: dict[str, RunSpec] = {}
    for name, key, settings in parts:
        with _located(path, key):
            found.update((spec.id, spec) for spec in _runs(name, settings, path, study.limits))
    return found


def initializations(study: Study, path: str | Path = "") -> dict[str, InitSpec]:
    """Every initialization measurement of the study by its id.

    Raises:
        UserError: naming ``path``, the entry and what its grid gets wrong; or it asks for more than
            its limits.
    """
    found: dict[str, InitSpec] = {}
    count = 0
    for name, entry in study.initialization.items():
        settings = merged(Initialization, study.defaults, entry)
        with _located(path, f"initialization.{name}"):
            _require(settings, *_NET)
            count += size.nets(settings)
            size.check_count(count, study.limits.runs, "nets at initialization")
            assert settings.seeds
            drawn = settings.kernel != "limit"
            nets = _cells(settings, path, study.limits) if drawn else cells(settings, path)
            for cell in nets:
                if settings.kernel:
                    _check_kernel(cell)
                shared = cell.shared(settings.seeds[0])
                net = InitSpec(experiment=name, kernel=settings.kernel, **shared)
                found.update((spec.id, spec) for spec in _seeded(net, cell, settings.seeds))
    return found


def phase_diagrams(study: Study, path: str | Path = "") -> dict[str, PhaseSpec]:
    """Every net, at every seed, whose critical rates the study wants, by its id.

    Raises:
        UserError: naming ``path``, the entry and what it gets wrong; or it asks for more than its
            limits.
    """
    found: dict[str, PhaseSpec] = {}
    count = 0
    for name, entry in study.phase_diagrams.items():
        settings = merged(PhaseDiagram, study.defaults, entry)
        with _located(path, f"phase_diagrams.{name}"):
            _require(settings, *_NET, "loss", "dtype")
            count += size.scanned(settings)
            size.check_count(count, study.limits.runs, "values of c")
            found.update((spec.id, spec) for spec in _phases(name, settings, path, study.limits))
    return found


def _cells(settings: Shapes, path: str | Path, limits: StudyLimits) -> list[Cell]:
    """The nets of settings, which are to be drawn."""
    found = cells(settings, path)
    for cell in found:
        size.check_weights(cell, limits.weights)
    return found


def _phases(
    name: str, settings: PhaseDiagram, path: str | Path, limits: StudyLimits
) -> Iterator[PhaseSpec]:
    """The nets of one phase diagram."""
    assert settings.loss and settings.dtype and settings.seeds
    c = settings.log2_c
    if settings.early > settings.steps:
        raise UserError(
            f"early: expected at most steps = {settings.steps}, got {settings.early}; "
            "the first steps are part of the run"
        )
    if settings.resolution % c.per_octave:
        raise UserError(
            f"resolution: expected a multiple of log2_c.per_octave = {c.per_octave}, "
            f"got {settings.resolution}"
        )
    for cell in _cells(settings, path, limits):
        spec = PhaseSpec(
            experiment=name,
            **cell.shared(settings.seeds[0]),
            matched_to=cell.matched_to,
            steps=settings.steps,
            early=settings.early,
            sharpness=settings.sharpness,
            log2_from=c.start,
            log2_to=c.to,
            scan=c.per_octave,
            resolution=settings.resolution,
            loss=settings.loss,
            dtype=settings.dtype,
        )
        yield from _seeded(spec, cell, settings.seeds)


def _seeded(spec: N, cell: Cell, seeds: Sequence[int]) -> Iterator[N]:
    """The specification of a net at every seed."""
    shared = entries.with_plugins(spec)
    return (shared.at(seed=seed, data=cell.data.drawn_by(seed)) for seed in seeds)


def _runs(
    name: str, settings: Settings, path: str | Path, limits: StudyLimits
) -> Iterator[RunSpec]:
    """The grid of one set of settings."""
    assert settings.steps and settings.loss and settings.dtype and settings.seeds
    common: dict[str, Any] = {
        "experiment": name,
        "steps": settings.steps,
        "loss": settings.loss,
        "batch_size": settings.batch_size,
        "dtype": settings.dtype,
        "record": cadences(settings.record),
    }
    rules = list(product(_schedules(settings), _optimizers(settings)))
    for cell in _cells(settings, path, limits):
        _check_batch(settings.batch_size, cell.data)
        drawn = [(seed, cell.data.drawn_by(seed)) for seed in settings.seeds]
        for (entry, schedule), (optimizer_entry, optimizer) in rules:
            spec = entries.with_plugins(
                RunSpec(
                    **common,
                    **cell.shared(settings.seeds[0]),
                    schedule=schedule,
                    optimizer=optimizer,
                    learning_rate=None,
                    matched_to=cell.matched_to,
                )
            )
            given = size.rates(entry, optimizer_entry, cell.entry, settings)
            units = _units(given)
            for unit in units:
                found = spec.at(**unit)
                edge.check(found)
                optimizers.check(found, cell.net.lr_factors)
            for (seed, data), unit in product(drawn, units):
                yield spec.at(seed=seed, data=data, **unit)


def _units(rates: Sequence[float | None]) -> list[dict[str, Any]]:
    """The field that each rate is given by."""
    edges = tuple(float(rate) for rate in rates if isinstance(rate, EdgeRate))

    def unit(rate: float | None) -> dict[str, Any]:
        if isinstance(rate, EdgeTrial):
            return {"trial": TrialSpec(edges, int(rate))}
        return {"edge": float(rate)} if isinstance(rate, EdgeRate) else {"learning_rate": rate}

    return [unit(rate) for rate in rates]


def _schedules(settings: Settings) -> list[tuple[ScheduleEntry, ScheduleSpec]]:
    """Each schedule of the settings with the entry it comes from."""
    assert settings.schedule
    return [
        (entry, schedules.resolve(ScheduleSpec(entry.name, options, scaling.name, scaled_by)))
        for entry in settings.schedule
        for options in combinations(entry.options)
        for scaling in entry.gradient_scaling
        for scaled_by in combinations(scaling.options)
    ]


def _optimizers(settings: Settings) -> list[tuple[OptimizerEntry, OptimizerSpec]]:
    """Each optimizer of the settings with the entry it comes from."""
    assert settings.optimizer
    return [
        (entry, optimizers.resolve(entry.name, options))
        for entry in settings.optimizer
        for options in combinations(entry.options)
    ]


def _check_batch(batch_size: int | None, spec: DataSpec) -> None:
    if batch_size is not None and batch_size > spec.n_train:
        raise UserError(
            f"batch_size: expected at most n_train = {spec.n_train} of data set {spec.name!r}, "
            f"got {batch_size}; leave it out for full batch"
        )


def _check_kernel(cell: Cell) -> None:
    if any(cell.net.skip) or cell.weight_variance != 1:
        raise UserError(
            "kernel: the infinite-width kernel is known for plain nets at weight_variance 1, got "
            f"{cell.net.name} at {cell.weight_variance:g}; leave out `kernel`, or these nets"
        )


def _require(settings: Shapes, *keys: str) -> None:
    missing = [key for key in keys if not getattr(settings, key, None)]
    if missing:
        raise UserError(
            f"expected a value of {', '.join(missing)} here or in the defaults, got none"
        )


@contextmanager
def _located(path: str | Path, key: str) -> Iterator[None]:
    """Say in the message of a ``UserError`` where in the configuration it comes from."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {key}: {error}" if path else f"{key}: {error}") from error
