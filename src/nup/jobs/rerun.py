"""One run trained again, alone, and held against what was stored of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nup.errors import UserError
from nup.jobs import places, training
from nup.jobs.agreement import VERSIONS
from nup.jobs.execute import Session, Tables
from nup.jobs.plan import Job
from nup.specs import RunSpec
from nup.tables import store

if TYPE_CHECKING:
    import pandas

#: Columns of ``runs`` that say when, where and in which company a run was trained.
_CIRCUMSTANCES = {
    *("job_id", "stack_size", "wall_time_s", "config_digest", "specification", "mixed"),
    *("code_digest", "commit", "dirty", "nup_version", "python_version", *VERSIONS.values()),
    *("device", "backend", "blas"),
}


class Difference(NamedTuple):
    """The largest difference in one column.

    ``size`` is relative to the column's largest value in this run; infinite where values are
    missing on one side, or texts differ. ``where`` says at which row, ``values`` both values.
    """

    column: str
    size: float
    where: str
    values: tuple[Any, Any]

    def __str__(self) -> str:
        stored, again = self.values
        return f"{self.column}{self.where}: stored {stored}, again {again} ({self.size:.1e})"


def stored(run: str, folder: Path) -> dict[str, pandas.DataFrame]:
    """The rows of a run in the tables of ``folder``, by table.

    Raises:
        UserError: a table is missing or damaged, or there is no such run.
    """
    found = {}
    for name in training.TABLES:
        table = store.read_table(name, folder / f"{name}.parquet")
        found[name] = table[table["run_id"] == run].reset_index(drop=True)
    if len(found["runs"]) != 1:
        raise UserError(f"{folder}: expected one run {run!r}, got {len(found['runs'])}")
    return found


def row(tables: Mapping[str, pandas.DataFrame]) -> dict[str, Any]:
    """The row of ``runs`` in tables of one run."""
    return {str(name): value for name, value in tables["runs"].iloc[0].items()}


def specification(row: Mapping[str, Any], plan: Path) -> RunSpec:
    """The specification of a stored run: that of its row, else that of its job's file.

    Args:
        row: of ``runs``.
        plan: folder of the jobs' files, for rows of versions that did not hold it.

    Raises:
        UserError: there is neither, or it is not that of the run.
    """
    run, text = row["run_id"], row["specification"]
    if isinstance(text, str):
        try:
            spec = RunSpec.from_dict(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"run {run}: expected a specification of this version, got {error}"
            ) from error
        if spec.id != run:
            raise UserError(f"run {run}: expected its specification, got that of {spec.id}")
        return spec
    path = places.find(plan, row["job_id"], ".json")
    specs = {spec.id: spec for spec in Job.read(path).specs}
    if run not in specs:
        raise UserError(f"{path}: expected a job with the run {run}, got one without")
    return specs[run]


def train(spec: RunSpec, backend: str | None, device: str) -> Tables:
    """Train one run by the ``backend`` that it was trained by; without one, as a study would."""
    return training.execute([spec], Session(device=device, compiled=backend != "torch"))


def circumstances(row: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """What is not now as it was when the run was stored: code, versions, device, backend, BLAS."""
    columns = ("code_digest", *VERSIONS.values(), "python_version", "device", "backend", "blas")
    return [
        f"{name}: stored {row[name]}, now {again[name]}"
        for name in columns
        if row[name] != again[name]
    ]


def differences(
    before: Mapping[str, pandas.DataFrame], after: Mapping[str, pandas.DataFrame]
) -> list[Difference]:
    """The largest difference of every column that is not the same, the largest first."""
    found = []
    # An earlier version, which did not record all that is recorded now.
    earlier = bool(before["runs"]["specification"].isna().all())
    for name, rows in before.items():
        again = after[name]
        if len(rows) != len(again):
            counts = (len(rows), len(again))
            found.append(Difference(f"{name}: number of rows", np.inf, "", counts))
            continue
        for column in (label for label in rows.columns if label not in _CIRCUMSTANCES):
            left, right = rows[column], again[column]
            if earlier and left.isna().all():
                continue
            sizes = _sizes(left, right)
            if len(sizes) and (worst := int(sizes.argmax())) >= 0 and sizes[worst] > 0:
                keys = [key for key in ("step", "layer") if key in rows.columns]
                where = "".join(f", {key} {rows[key].iloc[worst]}" for key in keys)
                values = (left.iloc[worst], right.iloc[worst])
                found.append(Difference(f"{name}.{column}", float(sizes[worst]), where, values))
    return sorted(found, key=lambda each: -each.size)


def _sizes(left: pandas.Series[Any], right: pandas.Series[Any]) -> Any:
    """How far apart two columns are, row by row."""
    import pandas

    missing = (left.isna() != right.isna()).to_numpy()
    if not pandas.api.types.is_float_dtype(left.dtype):
        other = (left != right).to_numpy(bool, na_value=False) & ~(left.isna() & right.isna())
        return np.where(missing | other, np.inf, 0.0)
    a, b = left.to_numpy(np.float64, na_value=np.nan), right.to_numpy(np.float64, na_value=np.nan)
    scale = np.max(np.abs(a[np.isfinite(a)]), initial=0.0) or 1.0
    with np.errstate(invalid="ignore"):  # infinite on both sides is the same
        sizes = np.where(a == b, 0.0, np.abs(a - b) / scale)
    return np.where(missing, np.inf, np.nan_to_num(sizes, nan=0.0, posinf=np.inf))
