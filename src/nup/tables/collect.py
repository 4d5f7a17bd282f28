"""The tidy tables of a study: the wanted rows of all its jobs, each table in one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nup.errors import UserError
from nup.tables import atomic_files, store

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
    import pyarrow.ipc

    schema = store.schema(name)
    # Through a file that is mapped into memory: the rows of a large study are more than fits there.
    with atomic_files.scratch(out) as gathered:
        with pyarrow.ipc.new_file(gathered, schema) as writer:
            for path, ids in files.items():
                table = _taken(name, key, path, list(ids), every)
                writer.write_table(_marked(table, key, marks or {}).cast(schema))
        with pyarrow.memory_map(str(gathered)) as source:
            table = pyarrow.ipc.open_file(source).read_all()
            store.write_parts(name, _sorted_parts(table), out)
            return int(table.num_rows)


def _taken(name: str, key: str, path: Path, ids: Sequence[str], every: bool) -> pyarrow.Table:
    """The rows of a job's table that are to be taken."""
    import pyarrow
    import pyarrow.compute

    table = store.read_arrow(name, path)
    if every:
        _check_complete(path, ids, table[key])
    wanted = pyarrow.array(ids, pyarrow.string())
    return table.filter(pyarrow.compute.is_in(table[key], wanted))


def _marked(table: pyarrow.Table, key: str, marks: Mapping[str, str]) -> pyarrow.Table:
    """The table with the column ``mixed`` filled in, if it has one."""
    import pyarrow

    if not marks or MIXED not in table.column_names:
        return table
    column = pyarrow.array([marks.get(each) for each in table[key].to_pylist()], "string")
    return table.set_column(table.column_names.index(MIXED), MIXED, column)


def _sorted_parts(table: pyarrow.Table) -> Iterator[pyarrow.Table]:
    """The table's rows in their order, as many at once as are written at once."""
    import pyarrow.compute

    order = pyarrow.compute.sort_indices(table, sort_keys=store.sort_order(table))
    for start in range(0, max(1, len(order)), store.ROWS):
        yield table.take(order.slice(start, store.ROWS))


def _check_complete(path: Path, wanted: Sequence[str], found: pyarrow.ChunkedArray) -> None:
    if missing := sorted(set(wanted) - set(found.to_pylist())):
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise UserError(
            f"{path}: expected the {len(wanted)} ids that the tables are to take from it, got none "
            f"of {', '.join(missing[:_NAMED])}{more}; delete it and run the same command again, "
            "which computes it anew"
        )
