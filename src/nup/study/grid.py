"""From a study configuration to the runs and initialization measurements it asks for.

Everything that a run's numbers depend on is resolved here into its ``RunSpec``: matched widths,
option defaults, one number format. So equal runs get equal ids however they were written down.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from nup.data import datasets
from nup.data.sources import SOURCES
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.parameterization import (
    PARAMETERIZATIONS,
    Parameterization,
    matched_width,
    parameterization,
)
from nup.registry import Entry, plugin_files
from nup.specs import (
    DataSpec,
    InitSpec,
    OptimizerSpec,
    PhaseSpec,
    RecordSpec,
    RunSpec,
    ScheduleSpec,
)
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
from nup.study.values import Named
from nup.training import optimizers, schedules
from nup.training.schedules import SCHEDULES


@dataclass(frozen=True)
class Cell:
    """One kind of net on one data set: what an ``InitSpec`` and a ``RunSpec`` have in common."""

    data: DataSpec
    net: Parameterization
    entry: ParameterizationEntry
    width: int
    base_width: int
    matched_to: str
    activation: str
    weight_variance: float

    @property
    def shared(self) -> dict[str, Any]:
        """Fields that both specifications have."""
        return {
            "data": self.data,
            "parameterization": self.net.name,
            "options": dict(self.net.options),
            "depth": self.net.depth,
            "width": self.width,
            "activation": self.activation,
            "weight_variance": self.weight_variance,
            "plugins": plugin_files.digests(self.entries),
        }

    @property
    def entries(self) -> list[tuple[str, Entry]]:
        """The registry entries behind the net and its data."""
        return [
            (PARAMETERIZATIONS.kind, PARAMETERIZATIONS[self.net.name]),
            (SOURCES.kind, SOURCES[self.data.name]),
        ]


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
            for cell, seed in product(_cells(settings, path), settings.seeds or [0]):
                if settings.kernel:
                    _check_kernel(cell)
                spec = InitSpec(experiment=name, seed=seed, kernel=settings.kernel, **cell.shared)
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
    for cell, seed in product(_cells(settings, path), settings.seeds or [0]):
        yield PhaseSpec(
            experiment=name,
            **cell.shared,
            seed=seed,
            base_width=cell.base_width,
            matched_to=cell.matched_to,
            steps=settings.steps,
            early=settings.early,
            sharpness=settings.sharpness,
            log2_from=c.start,
            log2_to=c.to,
            scan=c.per_octave,
            resolution=settings.resolution,
            loss=settings.loss or "mse",
            dtype=settings.dtype or "float32",
        )


def _runs(name: str, settings: Settings, path: str | Path) -> Iterator[RunSpec]:
    """The grid of one set of settings."""
    assert settings.steps is not None
    record = settings.record.model_dump(exclude_none=True) if settings.record else {}
    common: dict[str, Any] = {
        "experiment": name,
        "steps": settings.steps,
        "loss": settings.loss or "mse",
        "batch_size": settings.batch_size,
        "dtype": settings.dtype or "float32",
        "record": RecordSpec(**record),
    }
    rules = product(_schedules(settings), _optimizers(settings))
    axes = product(_cells(settings, path), rules, settings.seeds or [0])
    for cell, ((entry, schedule), (optimizer_entry, optimizer)), seed in axes:
        _check_batch(settings.batch_size, cell.data)
        shared = cell.shared
        entries = [*cell.entries, (SCHEDULES.kind, SCHEDULES[schedule.name])]
        shared["plugins"] = plugin_files.digests(entries)
        for rate in _rates(entry, schedule, optimizer_entry, cell.entry, settings):
            spec = RunSpec(
                **common,
                **shared,
                schedule=schedule,
                optimizer=optimizer,
                learning_rate=rate,
                seed=seed,
                base_width=cell.base_width,
                matched_to=cell.matched_to,
            )
            optimizers.check(spec, cell.net.lr_factors)
            yield spec


def _cells(settings: Shapes, path: str | Path) -> list[Cell]:
    """Data sets × nets × activations × weight variances."""
    assert settings.data and settings.parameterization and settings.depth and settings.width
    names = [activation(name).name for name in settings.activation or ["abs"]]
    cells = []
    sets = [datasets.resolve(_with_paths(spec, Path(path).parent)) for spec in settings.data]
    for spec, entry in product(sets, settings.parameterization):
        datasets.check(spec)
        d_in, d_out = datasets.dimensions(spec)
        for options, depth, base, target in product(
            _combinations(entry.options), settings.depth, settings.width, entry.match
        ):
            sizes = {"depth": depth, "d_in": d_in, "d_out": d_out}
            width, matched_to = _width(entry.name, options, base, target, sizes)
            net = parameterization(entry.name, width=width, **sizes, **options)
            cells += [
                Cell(spec, net, entry, width, base, matched_to, phi, variance)
                for phi, variance in product(names, settings.weight_variance or [1.0])
            ]
    return cells


def _width(
    name: str, options: Mapping[str, Any], base: int, target: Named | None, sizes: dict[str, int]
) -> tuple[int, str]:
    """The width of a net, and the label of the parameterization whose size it matches, if any."""
    if target is None:
        return base, ""
    model = parameterization(target.name, width=base, **sizes, **target.options)
    return matched_width(model, name, **options), model.label


def _schedules(settings: Settings) -> list[tuple[ScheduleEntry, ScheduleSpec]]:
    """Each schedule of the settings with the entry it comes from; ``constant`` if none is set."""
    return [
        (entry, schedules.resolve(ScheduleSpec(entry.name, options, scaling)))
        for entry in settings.schedule or [ScheduleEntry(name="constant")]
        for options in _combinations(entry.options)
        for scaling in entry.gradient_scaling
    ]


def _optimizers(settings: Settings) -> list[tuple[OptimizerEntry, OptimizerSpec]]:
    """Each optimizer of the settings with the entry it comes from; ``sgd`` if none is set."""
    return [
        (entry, optimizers.resolve(entry.name, options))
        for entry in settings.optimizer or [OptimizerEntry(name="sgd")]
        for options in _combinations(entry.options)
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
    inherited = optimizer.learning_rate or net.learning_rate or settings.learning_rate
    if not SCHEDULES[spec.name].takes_learning_rate:
        inherited = None
    rates: Sequence[float | None] = entry.learning_rate or inherited or [None]
    for rate in rates:
        schedules.check(spec, rate)
    return rates


def _combinations(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every choice of one value per option, where a list of values is an axis."""
    values = [value if isinstance(value, list) else [value] for value in options.values()]
    return [dict(zip(options, choice, strict=True)) for choice in product(*values)]


def _with_paths(spec: DataSpec, folder: Path) -> DataSpec:
    """The data set with paths that are relative to the study's ``folder`` as paths from here."""
    files = [key for key, option in SOURCES[spec.name].options.items() if option.file]
    found = {
        key: Path(os.path.normpath(folder / str(spec.options[key]))).as_posix()
        for key in files
        if key in spec.options
    }
    return replace(spec, options={**spec.options, **found})


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
