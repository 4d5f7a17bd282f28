"""The nets of a study's settings on their data sets, with every width and option resolved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from nup import inputs
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
from nup.study.bounds import LEAST_SLOPE, MOST_POOL_BYTES, MOST_SLOPE
from nup.study.models import ParameterizationEntry, Shapes
from nup.study.values import Named, StudyData


@dataclass(frozen=True)
class Cell:
    """One kind of net on one data set: what an ``InitSpec`` and a ``RunSpec`` have in common."""

    data: StudyData
    net: Parameterization
    entry: ParameterizationEntry
    width: int
    base_width: int
    matched_to: str
    activation: str
    weight_variance: float

    def shared(self, seed: int) -> dict[str, Any]:
        """Fields that both specifications have, of a run with this seed."""
        return {
            "data": self.data.drawn_by(seed),
            "parameterization": self.net.name,
            "options": dict(self.net.options),
            "depth": self.net.depth,
            "width": self.width,
            "base_width": self.base_width,
            "activation": self.activation,
            "weight_variance": self.weight_variance,
            "seed": seed,
        }


def cells(settings: Shapes, path: str | Path) -> list[Cell]:
    """Data sets × nets × activations × weight variances.

    Raises:
        UserError: a name, an option, a file or a size that is none.
    """
    assert settings.data and settings.parameterization and settings.depth and settings.width
    assert settings.activation and settings.weight_variance
    names = [_activation(name) for name in settings.activation]
    found = []
    sets = [_resolved(spec, Path(path).parent) for spec in settings.data]
    for spec, entry in product(sets, settings.parameterization):
        d_in, d_out = datasets.dimensions(spec)
        for options, depth, base, target in product(
            combinations(entry.options), settings.depth, settings.width, entry.match
        ):
            sizes = {"depth": depth, "d_in": d_in, "d_out": d_out}
            with _finite(entry.name, depth, base):
                # First the options alone: none of them may be taken for a size.
                PARAMETERIZATIONS.resolve(entry.name, options)
                width, matched_to = _width(entry.name, options, base, target, sizes)
                net = parameterization(entry.name, width=width, base_width=base, **sizes, **options)
            found += [
                Cell(spec, net, entry, width, base, matched_to, phi, variance)
                for phi, variance in product(names, settings.weight_variance)
            ]
    return found


@contextmanager
def _finite(name: str, depth: int, width: int) -> Iterator[None]:
    """Widths and factors of a net may be too large for any number."""
    try:
        yield
    except (ArithmeticError, MemoryError) as error:
        raise UserError(
            f"parameterization {name!r}: expected finite widths and factors, got others at depth "
            f"{depth} and width {width}; take smaller options, as the exponent of its widths, or a "
            "smaller depth"
        ) from error


def _activation(name: str) -> str:
    """The canonical name of an activation.

    Raises:
        UserError: there is none of this name, or the numbers of a pair are out of bounds.
    """
    found = activation(name)
    for value in (found.a, found.b):
        if value and not LEAST_SLOPE <= abs(value) <= MOST_SLOPE:
            raise UserError(
                f"activation {name!r}: expected numbers that are 0 or from {LEAST_SLOPE:g} to "
                f"{MOST_SLOPE:g} in size, got {value:g}; only their ratio counts"
            )
    return found.name


def _width(
    name: str, options: Mapping[str, Any], base: int, target: Named | None, sizes: dict[str, int]
) -> tuple[int, str]:
    """The width of a net, and the label of the parameterization whose size it matches, if any."""
    if target is None:
        return base, ""
    PARAMETERIZATIONS.resolve(target.name, target.options)
    model = parameterization(target.name, width=base, **sizes, **target.options)
    return matched_width(model, name, base_width=base, **options), model.label


def combinations(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every choice of one value per option, where a list of values is an axis."""
    values = [value if isinstance(value, list) else [value] for value in options.values()]
    return [dict(zip(options, choice, strict=True)) for choice in product(*values)]


def _resolved(spec: StudyData, folder: Path) -> StudyData:
    """The data set with every option, whose paths are relative to the study's ``folder``.

    Raises:
        UserError: there is none like it, or its samples would not fit any memory.
    """
    files = [key for key, option in SOURCES[spec.name].options.items() if option.file]
    found = {
        key: Path(os.path.normpath(folder / str(spec.options[key]))).as_posix()
        for key in files
        if key in spec.options
    }
    for key, file in found.items():
        if not inputs.is_file(file):
            raise UserError(
                f"option {key!r} of data set {spec.name!r}: {file}: expected a file of samples, "
                "got no such file; check its path"
            )
    resolved = datasets.resolve(replace(spec, options={**spec.options, **found}))
    datasets.check(resolved)
    if (size := datasets.pool_bytes(resolved)) > MOST_POOL_BYTES:
        raise UserError(
            f"data set {spec.name!r}: expected at most {MOST_POOL_BYTES / 1e9:g} GB of samples, "
            f"got {size / 1e9:g} GB; lower its options"
        )
    return resolved
