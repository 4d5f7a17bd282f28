"""Results of versions that put all jobs of a kind into one folder, moved to where they lie now.

Every move is one rename: a process that is killed leaves each file at one of both places, and the
next that plans moves the rest. Nothing is computed again: Snakemake's records, by which it tells
that, are moved first.
"""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import ExitStack, suppress
from pathlib import Path

from nup.errors import writing
from nup.jobs import locks, places
from nup.jobs.kinds import KINDS
from nup.jobs.verification import FOLDERS
from nup.tables import atomic_files

#: Where Snakemake records how files were made, in the folder that it runs in.
RECORDS = Path(".snakemake", "metadata")

_NAME = re.compile(rf"{places.PATTERNS['job']}(\.[a-z]+)?")
#: Most characters of a record's name, which leaves room for those of a temporary file.
_LONGEST = 200


def migrate(results: Path, records: Path = RECORDS) -> int:
    """Move what jobs have in folders of all jobs into their subfolders.

    It may be called at any time and at once by several processes, as planning may.

    Args:
        results: folder of the study, as Snakemake names it.
        records: folder of Snakemake's records.

    Returns:
        How many files and folders were moved.

    Raises:
        WriteError: the results cannot be written.
    """
    folders = job_folders(results)
    if not any(map(_flat, folders)):
        return 0
    with ExitStack() as held, writing(results):
        for kind in KINDS:
            held.enter_context(locks.alone(results / "plan" / kind / ".lock", "planning"))
        _move_records(results, records)
        return sum(_moved(path) for folder in folders for path in _flat(folder))


def job_folders(results: Path) -> list[Path]:
    """All folders in which jobs of a study have something: plans, tables, logs and checkpoints."""
    found = [results / "checkpoints"]
    for kind in KINDS.values():
        found += [
            results / FOLDERS[kind],
            results / "logs" / kind.name,
            results / "plan" / kind.name,
        ]
    return found


def _flat(folder: Path) -> list[Path]:
    """What jobs have in a folder itself."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _moved(path: Path) -> bool:
    """Move a file or folder of a job, unless there is one at its place already."""
    place = path.parent / places.within(path.name)
    if place.exists():
        return False
    place.parent.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):  # moved by another process, where there are no locks
        path.rename(place)
        return True
    return False


def _move_records(results: Path, records: Path) -> None:
    """Let Snakemake's records name the new paths: a file each, named after the file recorded."""
    if not records.is_dir():
        return
    roots = "|".join(re.escape(str(folder)) for folder in job_folders(results))
    flat = re.compile(rf"({roots})/({places.PATTERNS['job']})\b")

    def renamed(text: str) -> str:
        return flat.sub(lambda found: f"{found[1]}/{places.within(found[2])}", text)

    for path in list(records.iterdir()):
        try:
            file = base64.urlsafe_b64decode(path.name).decode()
            mine = file.startswith(f"{results}/") and path.is_file()
            text = path.read_text(encoding="utf-8") if mine else ""
        except (binascii.Error, UnicodeDecodeError, FileNotFoundError):
            continue
        name = base64.urlsafe_b64encode(renamed(file).encode()).decode()
        if renamed(text) == text or len(name) > _LONGEST:
            continue
        atomic_files.write_text(renamed(text), path.with_name(name))
        if name != path.name:
            path.unlink(missing_ok=True)
