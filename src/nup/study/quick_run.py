"""One configuration trained from the command line: the same path as a study's, without a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nup.errors import UserError
from nup.specs import RunSpec
from nup.study import configuration, grid
from nup.tables import store
from nup.training import optimizers

if TYPE_CHECKING:
    import pyarrow

#: Options of the command line that are settings of an experiment under the same name.
SETTINGS = ("depth", "width", "activation", "weight_variance", "steps", "seeds", "loss", "dtype")
#: What the summary is grouped by: everything but the seed.
GROUPS = [
    "parameterization",
    "depth",
    "width",
    "activation",
    "schedule",
    "optimizer",
    "learning_rate",
]


def runs(options: Mapping[str, Any]) -> list[RunSpec]:
    """Runs of the command line's ``options`` (see ``nup train --help``).

    Raises:
        UserError: an option that a study configuration would not allow either.
    """
    net = {"name": options["parameterization"], "match": options["match"]}
    schedule = {"name": options["schedule"], "gradient_scaling": options["gradient_scaling"]}
    settings = {
        **{name: options[name] for name in SETTINGS},
        "batch_size": options["batch_size"],
        "data": {"name": options["data"], "n_train": options["n_train"]},
        "parameterization": {**net, **_given(options, "r")},
        "schedule": {**schedule, **_given(options, "c")},
        "optimizer": {"name": options["optimizer"], **_given(options, "weight_decay")},
        "learning_rate": options["lr"],
        "record": _record(options["optimizer"]),
    }
    study = {"study": "train", "experiments": {"train": settings}}
    try:
        checked = configuration.Study.model_validate(study)
    except ValidationError as error:
        raise UserError(configuration.explain("command line", error)) from error
    return list(grid.runs(checked, "command line").values())


def summary(table: pyarrow.Table) -> str:
    """A line per configuration: how many seeds stayed stable, and medians over the seeds."""
    frame = table.to_pandas().sort_values(GROUPS)
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


def _record(optimizer: str) -> dict[str, int]:
    """The default cadences, without λ_t where it is not that of the update."""
    known = optimizers.OPTIMIZERS.get(optimizer)
    return {"curvature": 0} if known is not None and known.rescales else {}


def _given(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {} if options[name] is None else {name: options[name]}
