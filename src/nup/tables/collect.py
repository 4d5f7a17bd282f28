"""The tidy tables of a study: the wanted runs of all its jobs, each table in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nup.tables import store

#: The tables that jobs leave.
TABLES = ("runs", "steps", "layers")


def collect(selection: Mapping[str, Sequence[str]], runs_dir: Path, out: Path) -> dict[str, int]:
    """Write ``out/{runs,steps,layers}.parquet`` from the jobs' tables in ``runs_dir/<job>/``.

    ``selection`` is job id → ids of the runs to take. Rows are sorted by experiment, run, step and
    layer, so the bytes do not depend on how runs were packed into jobs. Returns rows by table.

    Raises:
        UserError: a job's table is missing or has another schema.
    """
    return {
        name: _join(
            name,
            "run_id",
            {runs_dir / job / f"{name}.parquet": ids for job, ids in selection.items()},
            out / f"{name}.parquet",
        )
        for name in TABLES
    }


def collect_phases(selection: Mapping[str, Sequence[str]], jobs_dir: Path, out: Path) -> int:
    """Write the table ``phases`` to ``out`` from ``jobs_dir/<job>.parquet``; returns its rows.

    ``selection`` is job id → ids of the nets to take. Raises as ``collect`` does.
    """
    files = {jobs_dir / f"{job}.parquet": ids for job, ids in selection.items()}
    return _join("phases", "cell_id", files, out)


def _join(name: str, key: str, files: Mapping[Path, Sequence[str]], out: Path) -> int:
    """Write as one table the rows of ``files`` whose ``key`` is among those to take."""
    import pyarrow
    import pyarrow.compute

    parts = []
    for path, ids in files.items():
        table = store.read_arrow(name, path)
        wanted = pyarrow.array(list(ids), pyarrow.string())
        parts.append(table.filter(pyarrow.compute.is_in(table[key], wanted)))
    joined = store.concatenate(name, parts)
    store.write_table(name, joined, out)
    return int(joined.num_rows)
