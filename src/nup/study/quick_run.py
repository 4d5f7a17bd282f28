"""One configuration trained without a study, by the same path: what ``nup train`` gives on."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nup import inputs
from nup.errors import UserError
from nup.specs import RunSpec
from nup.study import grid
from nup.study.load import check
from nup.study.models import Settings
from nup.study.values import shortened
from nup.tables import store
from nup.training.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import pyarrow

#: Settings where the command line gives none.
USUAL: dict[str, Any] = {
    "data": {"name": "digits", "n_train": 256},
    "parameterization": {"name": "nup"},
    "depth": 4,
    "width": 16,
    "activation": "abs",
    "weight_variance": 1.0,
    "schedule": {"name": "constant", "gradient_scaling": "none"},
    "optimizer": {"name": "sgd"},
    "learning_rate": 0.5,
    "steps": 200,
    "seeds": 4,
    "loss": "mse",
    "dtype": "float32",
}


@dataclass(frozen=True)
class Flag:
    """A short form of ``--set key=value``; with several values if ``many``."""

    name: str
    key: str
    many: bool = False
    meaning: str = ""

    @property
    def help(self) -> str:
        """What it sets, and to what by default."""
        value: Any = USUAL
        for part in self.key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        default = "" if value is None else f" (default: {value})"
        return f"{self.meaning or Settings.model_fields[self.key].description}{default}"


FLAGS = (
    Flag("parameterization", "parameterization.name", meaning="name in the registry"),
    Flag("r", "parameterization.r", meaning="width exponent of nup"),
    Flag(
        "match",
        "parameterization.match",
        meaning="take the width at which the size of this parameterization is matched",
    ),
    Flag("depth", "depth", many=True),
    Flag("width", "width", many=True),
    Flag("activation", "activation", many=True),
    Flag("weight-variance", "weight_variance", many=True),
    Flag("schedule", "schedule.name", meaning="name in the registry"),
    Flag("c", "schedule.c", many=True, meaning="option c of the schedules sharpness and taylor"),
    Flag("gradient-scaling", "schedule.gradient_scaling", meaning="name in the registry, or none"),
    Flag("optimizer", "optimizer.name", meaning="name in the registry"),
    Flag("weight-decay", "optimizer.weight_decay", meaning="option of adamw"),
    Flag("lr", "learning_rate", many=True),
    Flag("steps", "steps"),
    Flag("seeds", "seeds"),
    Flag("data", "data.name", meaning="data set"),
    Flag("n-train", "data.n_train", meaning="training samples"),
    Flag("loss", "loss"),
    Flag("batch-size", "batch_size"),
    Flag("dtype", "dtype"),
)

#: Parts of a dotted key at most; settings lie no deeper.
MOST_PARTS = 8
#: What the summary is grouped by: everything but the seed.
GROUPS = ["net", "depth", "width", "activation", "schedule", "learning_rate", "edge", "trial"]


def given(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of the command line: short forms first, then ``set`` in its order.

    Raises:
        UserError: something is not ``key=value``, or its value is no YAML.
    """
    for flag in FLAGS:
        value = options[flag.name.replace("-", "_")]
        if value is not None:
            texts = value if flag.many else [value]
            values = [_parsed(f"--{flag.name}", text) for text in texts]
            yield flag.key, values if flag.many else values[0]
    for text in options["set"]:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UserError(f"--set: expected KEY=VALUE, such as record.hessian=10; got {text!r}")
        yield key, _parsed(f"--set {key}", value)


def _parsed(where: str, text: str) -> Any:
    try:
        return inputs.parse_yaml(text)
    except yaml.YAMLError as error:
        got = shortened(text)
        raise UserError(f"{where}: expected a value in YAML, got {got}: {error}") from error


def runs(settings: Iterable[tuple[str, Any]], where: str = "command line") -> list[RunSpec]:
    """Runs of the usual settings with these, by dotted key, in their place.

    Messages say that the settings come from ``where``.

    >>> [run.depth for run in runs([("depth", [2, 3]), ("seeds", 1), ("data.n_train", 32)])]
    [2, 3]

    Raises:
        UserError: a setting that a study configuration would not allow either.
    """
    values = copy.deepcopy(USUAL)
    for key, value in settings:
        _put(values, key, value)
    _leave_out_curvature(values)
    study = check({"study": "train", "experiments": {"train": values}}, where)
    return list(grid.runs(study, where).values())


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. A name on its way stands for a mapping with this name."""
    *path, last = key.split(".")
    if len(path) >= MOST_PARTS:
        raise UserError(
            f"--set: expected a key of at most {MOST_PARTS} parts, such as record.hessian, got "
            f"{len(path) + 1}: {shortened(key)}"
        )
    for part in path:
        inner = values.get(part, {})
        if isinstance(inner, str):
            inner = {"name": inner}
        if not isinstance(inner, dict):
            raise UserError(f"--set {key}: expected a mapping at {part!r}, got {shortened(inner)}")
        values[part] = inner
        values = inner
    values[last] = value


def _leave_out_curvature(values: dict[str, Any]) -> None:
    """λ_t is no measure of an optimizer that rescales the gradient: record it only if told to."""
    optimizer = values["optimizer"]
    name = optimizer.get("name") if isinstance(optimizer, dict) else optimizer
    known = OPTIMIZERS[name] if isinstance(name, str) and name in OPTIMIZERS else None
    if known is not None and known.rescales:
        given = values.get("record", {})
        if isinstance(given, dict):  # what is no mapping is refused with all else
            values["record"] = {"curvature": 0, **given}


def summary(table: pyarrow.Table) -> str:
    """A line per configuration: how many seeds stayed stable, and medians over the seeds."""
    frame = table.to_pandas()
    # In units of the edge every seed has an η of its own.
    frame["learning_rate"] = frame["learning_rate"].mask(frame["edge"].notna())
    frame["edge"] = frame["edge"].mask(frame["trial"] > 0)  # a trial is where its seed puts it
    frame = frame.sort_values(GROUPS)
    groups = frame.groupby(GROUPS, dropna=False, sort=False)
    lines = groups.agg(
        seeds=("seed", "size"),
        stable=("stable", "sum"),
        final_loss=("final_loss", "median"),
        test_accuracy=("test_accuracy", "median"),
        sharpness_0=("initial_sharpness", "median"),
        sharpness_T=("final_sharpness", "median"),
    )
    return str(
        lines.reset_index().to_string(
            index=False, na_rep="-", float_format=lambda value: f"{value:.4g}"
        )
    )


def write(tables: Mapping[str, pyarrow.Table], out: Path) -> None:
    """Write the tables as ``out/<name>.parquet``."""
    for name, table in tables.items():
        store.write_table(name, table, out / f"{name}.parquet")
