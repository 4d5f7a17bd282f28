"""From a study configuration to the runs and initialization measurements it asks for.

Everything that a run's numbers depend on is resolved here into its ``RunSpec``: matched widths,
option defaults, one number format. So equal runs get equal ids however they were written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from nup.errors import UserError
from nup.jobs import entries
from nup.specs import (
    DataSpec,
    InitSpec,
    OptimizerSpec,
    PhaseSpec,
    RunSpec,
    ScheduleSpec,
)
from nup.study.cells import Cell, cells, combinations
from nup.study.models import (
    Initialization,
    OptimizerEntry,
    ParameterizationEntry,
    PhaseDiagram,
    ScheduleEntry,
    Settings,
    Shapes,
    Study,
    merged,
)
from nup.study.values import EdgeRate
from nup.training import edge, optimizers, schedules
from nup.training.observables import cadences
from nup.training.schedules import SCHEDULES


def runs(study: Study, path: str | Path = "") -> dict[str, RunSpec]:
    """Every run of the study by its id, in the order of the experiments.

    Raises:
        UserError: naming ``path``, the experiment and what its grid gets wrong.
    """
    found: dict[str, RunSpec] = {}
    for name, experiment in study.experiments.items():
        for number, part in enumerate(experiment.grids or [Settings()]):
            grid = f"experiments.{name}" + (f".grids.{number}" if experiment.grids else "")
            settings = merged(Settings, study.defaults, experiment, part)
            with _located(path, grid):
                _require(settings, "data", "parameterization", "depth", "width", "steps")
                found.update((spec.id, spec) for spec in _runs(name, settings, path))
    return found


def initializations(study: Study, path: str | Path = "") -> dict[str, InitSpec]:
    """Every initialization measurement of the study by its id.

    Raises:
        UserError: naming ``path``, the entry and what its grid gets wrong.
    """
    found: dict[str, InitSpec] = {}
    for name, entry in study.initialization.items():
        settings = merged(Initialization, study.defaults, entry)
        with _located(path, f"initialization.{name}"):
            _require(settings, "data", "parameterization", "depth", "width")
            assert settings.seeds
            for cell, seed in product(cells(settings, path), settings.seeds):
                if settings.kernel:
                    _check_kernel(cell)
                net = InitSpec(experiment=name, kernel=settings.kernel, **cell.shared(seed))
                spec = entries.with_plugins(net)
                found[spec.id] = spec
    return found


def phase_diagrams(study: Study, path: str | Path = "") -> dict[str, PhaseSpec]:
    """Every net, at every seed, whose critical rates the study wants, by its id.

    Raises:
        UserError: naming ``path``, the entry and what it gets wrong.
    """
    found: dict[str, PhaseSpec] = {}
    for name, entry in study.phase_diagrams.items():
        settings = merged(PhaseDiagram, study.defaults, entry)
        with _located(path, f"phase_diagrams.{name}"):
            _require(settings, "data", "parameterization", "depth", "width")
            found.update((spec.id, spec) for spec in _phases(name, settings, path))
    return found


def _phases(name: str, settings: PhaseDiagram, path: str | Path) -> Iterator[PhaseSpec]:
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
    for cell, seed in product(cells(settings, path), settings.seeds):
        spec = PhaseSpec(
            experiment=name,
            **cell.shared(seed),
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
        yield entries.with_plugins(spec)


def _runs(name: str, settings: Settings, path: str | Path) -> Iterator[RunSpec]:
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
    rules = product(_schedules(settings), _optimizers(settings))
    axes = product(cells(settings, path), rules, settings.seeds)
    for cell, ((entry, schedule), (optimizer_entry, optimizer)), seed in axes:
        _check_batch(settings.batch_size, cell.data)
        shared = cell.shared(seed)
        for rate in _rates(entry, schedule, optimizer_entry, cell.entry, settings):
            spec = RunSpec(
                **common,
                **shared,
                schedule=schedule,
                optimizer=optimizer,
                learning_rate=None if isinstance(rate, EdgeRate) else rate,
                edge=float(rate) if isinstance(rate, EdgeRate) else None,
                matched_to=cell.matched_to,
            )
            edge.check(spec)
            optimizers.check(spec, cell.net.lr_factors)
            yield entries.with_plugins(spec)


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


def _rates(
    entry: ScheduleEntry,
    spec: ScheduleSpec,
    optimizer: OptimizerEntry,
    net: ParameterizationEntry,
    settings: Settings,
) -> Sequence[float | None]:
    """The learning-rate axis of a schedule; the innermost one set counts.

    A schedule that finds its own rate has one run per seed; a rate on its own entry is a mistake.
    """
    assert settings.loss
    inherited = optimizer.learning_rate or net.learning_rate or settings.learning_rate
    if not SCHEDULES[spec.name].takes_learning_rate:
        inherited = None
    return entry.learning_rate or inherited or [None]


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
