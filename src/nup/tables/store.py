"""The only reader and writer of result tables.

Tables are parquet files whose columns are fixed in ``nup.tables.schema``. They are checked when
written and when read, written atomically (a reader sees the old file or the new one, never a part)
and deterministically (equal rows give equal bytes). A digest of its bytes is in every file, see
``nup.tables.seal``, so that damage is noticed. Tables of earlier versions are read as today's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.errors import UserError
from nup.tables import atomic_files, seal, upgrade
from nup.tables.schema import REQUIRED, TABLES

if TYPE_CHECKING:
    import pandas
    import pyarrow

#: Rows are sorted by those of these columns that a table has, so that files can be compared.
SORT_KEYS = ("experiment", "run_id", "cell_id", "line", "step", "layer")

#: Bytes of equal significance side by side: a third less for columns of measurements. Steps follow
#: each other. What is neither has few values, and a dictionary.
_ENCODINGS = {"float": "BYTE_STREAM_SPLIT", "step": "DELTA_BINARY_PACKED"}
_COMPRESSION = 19

#: Rows of a row group.
ROWS = 1 << 20

#: A table to be written: a DataFrame, an Arrow table or a mapping of columns.
Columns = Any


def schema(name: str) -> pyarrow.Schema:
    """Arrow schema of the table ``name``, with the columns of ``TABLES[name]`` in their order."""
    import pyarrow

    if name not in TABLES:
        raise UserError(f"unknown table {name!r}; expected one of {', '.join(TABLES)}")
    required = REQUIRED[name]
    return pyarrow.schema(
        [
            pyarrow.field(label, _arrow_type(column.type), nullable=label not in required)
            for label, column in TABLES[name].items()
        ],
        metadata={"nup.table": name},
    )


def as_table(name: str, columns: Columns) -> pyarrow.Table:
    """``columns`` as an Arrow table with the schema of ``name``; NaN becomes null in every column.

    Raises ``UserError`` for missing or extra columns, values that do not fit a column's type, and
    nulls in a required column.
    """
    import pyarrow

    wanted = schema(name)
    given = columns.column_names if isinstance(columns, pyarrow.Table) else list(columns)
    _check_names(name, wanted.names, given, "to be written")
    arrays = [_as_array(name, field, columns[field.name]) for field in wanted]
    if len(lengths := {len(array) for array in arrays}) > 1:
        raise UserError(f"table {name!r}: columns have different lengths: {sorted(lengths)}")
    table = pyarrow.Table.from_arrays(arrays, schema=wanted)
    for field in wanted:
        if not field.nullable and table[field.name].null_count:
            raise UserError(
                f"table {name!r}, column {field.name!r}: expected a value in every row, "
                f"got {table[field.name].null_count} null(s)"
            )
    return table


def write_table(name: str, columns: Columns, path: str | os.PathLike[str]) -> None:
    """Write ``columns`` (DataFrame, Arrow table, or column name → values) as table ``name``."""
    write_parts(name, [columns], path)


def write_parts(name: str, parts: Iterable[Columns], path: str | os.PathLike[str]) -> None:
    """Write a table of which one part after the other is given, so that none is held with others.

    Parts of ``ROWS`` rows, the last may have fewer, give the bytes of the table as a whole.
    """
    import pyarrow.parquet

    wanted = schema(name)
    encodings = {field.name: _ENCODINGS.get(_kind(field)) for field in wanted}
    with atomic_files.atomic(path) as temporary:
        with pyarrow.parquet.ParquetWriter(
            temporary,
            wanted,
            compression="zstd",
            compression_level=_COMPRESSION,
            column_encoding={name: encoding for name, encoding in encodings.items() if encoding},
            use_dictionary=[name for name, encoding in encodings.items() if not encoding],
            write_page_checksum=True,
        ) as writer:
            for part in parts:
                writer.write_table(as_table(name, part), row_group_size=ROWS)
            writer.add_key_value_metadata(seal.METADATA)
        seal.close(temporary)


def _kind(field: pyarrow.Field) -> str:
    import pyarrow

    return "float" if pyarrow.types.is_floating(field.type) else field.name


def read_table(
    name: str, path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> pandas.DataFrame:
    """Table ``name`` from the file ``path``, whole or only the named ``columns``.

    A table of an earlier version gets the columns that came later, see ``nup.tables.upgrade``.

    Raises:
        UserError: the file is missing, damaged, not parquet, or does not have the schema of
            ``name``.
    """
    table = read_arrow(name, path, columns)
    with _damage_named(path):
        return table.to_pandas()


def read_arrow(
    name: str, path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> pyarrow.Table:
    """Table ``name`` as an Arrow table; see ``read_table``."""
    import pyarrow.parquet

    checked = check_file(name, path)
    wanted = list(columns or TABLES[name])
    with _damage_named(checked):
        given = pyarrow.parquet.read_schema(checked).names
        old = upgrade.outdated(name, given)
        table = pyarrow.parquet.read_table(
            checked,
            columns=upgrade.sources(name, given, wanted) if old else wanted,
            page_checksum_verification=True,
        )
        if old:
            table = upgrade.upgraded(table, schema(name))
    return table.select(wanted).replace_schema_metadata(schema(name).metadata)


def concatenate(name: str, tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Tables ``name`` as one, its rows sorted by the table's key columns."""
    import pyarrow

    empty = schema(name).empty_table()
    joined = pyarrow.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
    return joined.sort_by(sort_order(joined))


def sort_order(table: pyarrow.Table) -> list[tuple[str, str]]:
    """By which columns the rows of a table are sorted, and how."""
    return [(key, "ascending") for key in SORT_KEYS if key in table.column_names]


def check_file(name: str, path: str | os.PathLike[str]) -> Path:
    """``path``, if it is a parquet file with the schema of table ``name``, today's or an older one.

    Raises:
        UserError: it is not, or it is damaged; the message names the file and what differs.
    """
    import pyarrow.parquet

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: expected the table {name!r}, got no such file; train first")
    seal.check(path)
    with _damage_named(path):
        found = pyarrow.parquet.read_schema(path)
    wanted = schema(name)
    if not upgrade.outdated(name, found.names):
        _check_names(name, wanted.names, found.names, f"read from {path}")
    for field in (field for field in wanted if field.name in found.names):
        if found.field(field.name).type != field.type:
            raise UserError(
                f"{path}: table {name!r}, column {field.name!r}: expected type {field.type}, got "
                f"{found.field(field.name).type}; it was written by another version, make it again"
            )
    return path


@contextmanager
def _damage_named(path: str | os.PathLike[str]) -> Iterator[None]:
    """What Arrow says of a file that it cannot read, as a message that names the file."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a parquet file, got {error}; {seal.REMEDY}") from error


def _arrow_type(name: str) -> pyarrow.DataType:
    import pyarrow

    return pyarrow.bool_() if name == "bool" else getattr(pyarrow, name)()


def _as_array(name: str, field: pyarrow.Field, values: Any) -> pyarrow.Array:
    """``values`` as one Arrow array of the field's type."""
    import pyarrow

    try:
        if isinstance(values, pyarrow.ChunkedArray):
            return values.combine_chunks().cast(field.type)
        return pyarrow.array(values, from_pandas=True).cast(field.type)
    except (
        pyarrow.ArrowInvalid,
        pyarrow.ArrowTypeError,
        pyarrow.ArrowNotImplementedError,
    ) as error:
        raise UserError(
            f"table {name!r}, column {field.name!r}: expected {field.type}, got "
            f"other values: {error}"
        ) from error


def _check_names(name: str, wanted: Iterable[str], given: Iterable[str], where: str) -> None:
    missing = [label for label in wanted if label not in set(given)]
    extra = [label for label in given if label not in set(wanted)]
    if missing or extra:
        raise UserError(
            f"table {name!r} {where}: "
            f"missing columns {missing or 'none'}, unexpected columns {extra or 'none'}; "
            "expected exactly the columns of nup.tables.schema"
        )


__all__ = [
    "as_table",
    "check_file",
    "concatenate",
    "read_arrow",
    "read_table",
    "schema",
    "sort_order",
    "write_parts",
    "write_table",
]
