"""The tidy tables of a study: the wanted runs of all its jobs, each table in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nup import store

#: The tables that jobs leave.
TABLES = ("runs", "steps", "layers")


def collect(selection: Mapping[str, Sequence[str]], runs_dir: Path, out: Path) -> dict[str, int]:
    """Write ``out/{runs,steps,layers}.parquet`` from the jobs' tables in ``runs_dir/<job>/``.

    ``selection`` is job id → ids of the runs to take. Rows are sorted by experiment, run, step and
    layer, so the bytes do not depend on how runs were packed into jobs. Returns rows by table.

    Raises:
        UserError: a job's table is missing or has another schema.
    """
    import pyarrow
    import pyarrow.compute

    rows = {}
    for name in TABLES:
        parts = []
        for job, runs in selection.items():
            table = store.read_arrow(name, runs_dir / job / f"{name}.parquet")
            wanted = pyarrow.array(list(runs), pyarrow.string())
            parts.append(table.filter(pyarrow.compute.is_in(table["run_id"], wanted)))
        joined = store.concatenate(name, parts)
        store.write_table(name, joined, out / f"{name}.parquet")
        rows[name] = joined.num_rows
    return rows
