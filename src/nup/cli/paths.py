"""Where commands write: checked before anything is computed, so that no work is lost at its end."""

from __future__ import annotations

import glob
import tempfile
from pathlib import Path

from nup.errors import UserError


def check_folder(folder: Path, option: str = "--out") -> None:
    """Make a folder, unless there is one, and try whether a file may be written there.

    Raises:
        UserError: it may not; the message names the ``option``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{option} {folder}: expected a folder that can be written to, got: {reason}; "
            "choose another path"
        ) from error


def check_file(file: Path, option: str = "--out") -> None:
    """Check that a file may be written, in place of the one there is.

    Raises:
        UserError: it may not, or there is a folder of this name; the message names the ``option``.
    """
    check_folder(file.parent, option)
    if file.is_dir():
        raise UserError(
            f"{option} {file}: expected the path of a file, got a folder; add the file's name"
        )


def check_tables(folder: Path, names: tuple[str, ...]) -> None:
    """Check that tables may be written to a folder, where they replace none but tables.

    Raises:
        UserError: the folder cannot be written to, or something else has a table's name.
    """
    from nup.tables import store

    check_folder(folder)
    for name in names:
        file = folder / f"{name}.parquet"
        if not file.exists():
            continue
        try:
            store.check_file(name, file)
        except UserError as error:
            raise UserError(
                f"--out {folder}: expected no {file.name}, or the table {name!r} of an earlier "
                f"call, got another file; choose another folder ({error})"
            ) from error


def drop_leftovers(*files: Path) -> None:
    """Delete what calls that were killed left of these files, before they are written again.

    Not of files that another process may be writing: jobs hold a lock for that.
    """
    from nup.tables import atomic_files

    for file in files:
        atomic_files.drop_temporary(file.parent, glob.escape(file.name))
