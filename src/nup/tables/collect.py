"""The tidy tables of a study: the wanted rows of all its jobs, each table in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nup.tables import store


def collect(name: str, key: str, files: Mapping[Path, Sequence[str]], out: Path) -> int:
    """Write to ``out`` as one table the rows of ``files`` whose ``key`` is among those to take.

    Rows are sorted by the table's key columns, so the bytes do not depend on how work was packed
    into jobs.

    Args:
        name: of the table.
        key: column of the ids of specifications.
        files: file of a job → ids to take from it.
        out: file to write.

    Returns:
        The number of rows.

    Raises:
        UserError: a job's table is missing or has another schema.
    """
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
