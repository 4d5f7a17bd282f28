"""Documentation that follows from the code: ``docs/tables.md`` from ``nup.tables.schema``."""

from __future__ import annotations

from nup.tables.schema import REQUIRED, TABLES

INTRODUCTION = """\
# The tables

`nup schema` prints this page from `src/nup/tables/schema.py`. Every table is one parquet file in
`results/<study>/tables/`; read it with any parquet reader, or with `nup.tables.store.read_table`.
Join `steps` and `layers` to `runs` by `run_id`. Every file holds a digest of its bytes, which is
checked when `nup` reads it: [integrity.md](integrity.md). A unit of 1 is a pure number; columns in
bold hold a value in every row, the others may be null.
"""


def tables() -> str:
    """Markdown of all tables with their columns, types, units and meanings."""
    sections = [INTRODUCTION]
    for name, columns in TABLES.items():
        rows = ["| column | type | unit | meaning |", "|---|---|---|---|"]
        for label, column in columns.items():
            shown = f"**`{label}`**" if label in REQUIRED[name] else f"`{label}`"
            meaning = column.meaning.replace("|", "\\|")
            rows.append(f"| {shown} | {column.type} | {column.unit} | {meaning} |")
        sections.append(f"## `{name}`\n\n" + "\n".join(rows) + "\n")
    return "\n".join(sections)
