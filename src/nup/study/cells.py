"""The nets of a study's settings on their data sets, with every width and option resolved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from nup.data import datasets
from nup.data.sources import SOURCES
from nup.networks.activations import activation
from nup.networks.parameterization import Parameterization, matched_width, parameterization
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
    """Data sets × nets × activations × weight variances."""
    assert settings.data and settings.parameterization and settings.depth and settings.width
    assert settings.activation and settings.weight_variance
    names = [activation(name).name for name in settings.activation]
    found = []
    sets = [datasets.resolve(_with_paths(spec, Path(path).parent)) for spec in settings.data]
    for spec, entry in product(sets, settings.parameterization):
        datasets.check(spec)
        d_in, d_out = datasets.dimensions(spec)
        for options, depth, base, target in product(
            combinations(entry.options), settings.depth, settings.width, entry.match
        ):
            sizes = {"depth": depth, "d_in": d_in, "d_out": d_out}
            width, matched_to = _width(entry.name, options, base, target, sizes)
            net = parameterization(entry.name, width=width, base_width=base, **sizes, **options)
            found += [
                Cell(spec, net, entry, width, base, matched_to, phi, variance)
                for phi, variance in product(names, settings.weight_variance)
            ]
    return found


def _width(
    name: str, options: Mapping[str, Any], base: int, target: Named | None, sizes: dict[str, int]
) -> tuple[int, str]:
    """The width of a net, and the label of the parameterization whose size it matches, if any."""
    if target is None:
        return base, ""
    model = parameterization(target.name, width=base, **sizes, **target.options)
    return matched_width(model, name, base_width=base, **options), model.label


def combinations(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every choice of one value per option, where a list of values is an axis."""
    values = [value if isinstance(value, list) else [value] for value in options.values()]
    return [dict(zip(options, choice, strict=True)) for choice in product(*values)]


def _with_paths(spec: StudyData, folder: Path) -> StudyData:
    """The data set with paths that are relative to the study's ``folder`` as paths from here."""
    files = [key for key, option in SOURCES[spec.name].options.items() if option.file]
    found = {
        key: Path(os.path.normpath(folder / str(spec.options[key]))).as_posix()
        for key in files
        if key in spec.options
    }
    return replace(spec, options={**spec.options, **found})
