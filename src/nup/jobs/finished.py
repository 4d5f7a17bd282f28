"""The tables of a finished job, kept until the tables of the study are collected from them.

A workflow that is killed while jobs run does not know of those that finish after it, and deletes
their tables before it starts them again. So a job writes its tables here first, beside a manifest
with their digests, and gives them out as links. Started again, it finds them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.errors import writing
from nup.tables import atomic_files, store

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger("nup")

_MANIFEST = "manifest.json"
_FOLDER = "finished"


class Finished:
    """What one job has left.

    Args:
        job: folder of the job's checkpoints.
        of: what the job computes, and by what; in JSON.
        tables: names of the tables that it leaves.
    """

    def __init__(self, job: Path, of: Mapping[str, Any], tables: Iterable[str]) -> None:
        self.folder = job / _FOLDER
        self._of = of
        self._tables = tuple(tables)

    def rows(self) -> dict[str, int] | None:
        """Rows of each table; None unless all are there, undamaged, of this job and this code."""
        try:
            manifest = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
            found = manifest["tables"]
            if (
                manifest["of"] == self._of
                and set(found) == set(self._tables)
                and all(_digest(self._file(name)) == found[name]["sha256"] for name in found)
            ):
                return {name: _rows(self._file(name)) for name in found}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass  # a manifest that is missing or damaged: said below
        if self.folder.exists():
            log.info("%s: tables of other code, or damaged: computing them anew", self.folder)
        return None

    def keep(self, tables: Mapping[str, pyarrow.Table]) -> dict[str, int]:
        """Write the tables, all or none, in the place of earlier ones.

        Returns:
            The number of rows of each.

        Raises:
            WriteError: the disk is full, or read-only.
        """
        partial = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}")
        written: dict[str, dict[str, Any]] = {}
        with writing(self.folder):
            try:
                for name, table in tables.items():
                    file = partial / f"{name}.parquet"
                    store.write_table(name, table, file)
                    written[name] = {"sha256": _digest(file)}
                text = json.dumps({"of": self._of, "tables": written}, indent=1)
                atomic_files.write_text(text + "\n", partial / _MANIFEST)
                shutil.rmtree(self.folder, ignore_errors=True)
                partial.rename(self.folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return {name: int(table.num_rows) for name, table in tables.items()}

    def give(self, name: str, path: Path) -> None:
        """Put a table at ``path``: a link, or a copy where the file system has no links."""
        with atomic_files.atomic(path) as temporary:
            try:
                os.link(self._file(name), temporary)
            except OSError:
                shutil.copyfile(self._file(name), temporary)
            os.utime(temporary)  # it is made now, for who compares times

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def forget(checkpoints: Path, jobs: Iterable[str]) -> None:
    """Drop what is kept of jobs whose tables are collected: whoever started them knows of them."""
    for job in jobs:
        shutil.rmtree(checkpoints / job, ignore_errors=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(path: Path) -> int:
    import pyarrow.parquet

    return int(pyarrow.parquet.read_metadata(path).num_rows)
