"""Files that readers see whole or not at all, and what processes that were killed leave of them."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nup.errors import writing

#: Of a file by which it is tried whether a disk has room for anything.
_TRIAL_BYTES = 1 << 16


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends without an error.

    Raises:
        WriteError: the disk is full or read-only, or the folder is not ours.
    """
    with scratch(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextmanager
def scratch(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside ``path`` for what is needed within the block, and deleted after it.

    Raises:
        WriteError: the disk is full or read-only, or the folder is not ours.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check that a file could be written, without leaving anything behind.

    Raises:
        WriteError: it could not: the disk is full or read-only, or the folder is not ours.
    """
    folder = next(each for each in path.absolute().parents if each.exists())
    with writing(path):
        trial = folder / f".{path.name}.{uuid.uuid4().hex}"
        try:
            trial.write_bytes(bytes(_TRIAL_BYTES))
        finally:
            trial.unlink(missing_ok=True)


def drop_temporary(folder: Path, name: str = "*") -> None:
    """Delete what processes that were killed left of ``atomic`` files of this name in a folder.

    No other process may be writing there.
    """
    for path in folder.glob(f".{name}.{'[0-9a-f]' * 32}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write ``text`` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
