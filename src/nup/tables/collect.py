"""The tidy tables of a study: the wanted rows of all its jobs, each table in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nup.errors import UserError
from nup.tables import store

if TYPE_CHECKING:
    import pyarrow

#: The column that marks rows which were accepted although they are of other code or versions.
MIXED = "mixed"
#: How many missing ids a message names.
_NAMED = 5


def collect(
    name: str,
    key: str,
    files: Mapping[Path, Sequence[str]],
    out: Path,
    every: bool = False,
    marks: Mapping[str, str] | None = None,
) -> int:
    """Write to ``out`` as one table the rows of ``files`` whose ``key`` is among those to take.

    Rows are sorted by the table's key columns, so the bytes do not depend on how work was packed
    into jobs.

    Args:
        name: of the table.
        key: column of the ids of specifications.
        files: file of a job → ids to take from it.
        out: file to write.
        every: whether every id must have rows.
        marks: what to put into the column ``mixed``, by id, in tables that have it.

    Returns:
        The number of rows.

    Raises:
        UserError: a job's table is missing, damaged, has another schema, or lacks what to take.
    """
    import pyarrow
    import pyarrow.compute

    parts = []
    for path, ids in files.items():
        table = store.read_arrow(name, path)
        wanted = pyarrow.array(list(ids), pyarrow.string())
        if every:
            _check_complete(path, wanted.to_pylist(), table[key])
        parts.append(table.filter(pyarrow.compute.is_in(table[key], wanted)))
    joined = store.concatenate(name, parts)
    if marks and MIXED in joined.column_names:
        column = pyarrow.array([marks.get(each) for each in joined[key].to_pylist()], "string")
        joined = joined.set_column(joined.column_names.index(MIXED), MIXED, column)
    store.write_table(name, joined, out)
    return int(joined.num_rows)


def _check_complete(path: Path, wanted: Sequence[str], found: pyarrow.ChunkedArray) -> None:
    if missing := sorted(set(wanted) - set(found.to_pylist())):
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise UserError(
            f"{path}: expected the {len(wanted)} ids that the tables are to take from it, got none "
            f"of {', '.join(missing[:_NAMED])}{more}; delete it and run the same command again, "
            "which computes it anew"
        )
