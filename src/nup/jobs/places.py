"""Where the files of a job lie: in a subfolder named after the first two digits of its id.

A study may have a hundred thousand jobs, and file systems of clusters are slow with folders of as
many entries: 256 subfolders share them. Earlier versions put all jobs of a kind into one folder.
``nup.jobs.migration`` moves these, and what changes nothing finds them where they are.
"""

from __future__ import annotations

import re
from pathlib import Path

#: Digits of a job's id that name its subfolder.
DIGITS = 2
#: A job, and its subfolder, as wildcards of Snakemake; and what these may be.
JOB, SUBFOLDER = "{job}", "{subfolder}"
PATTERNS = {"job": "[0-9a-f]{12}", "subfolder": f"[0-9a-f]{{{DIGITS}}}"}


def subfolder(job: str) -> str:
    """The subfolder of a job; a wildcard, if the job is one."""
    return SUBFOLDER if job == JOB else job[:DIGITS]


def within(job: str) -> str:
    """``3f/3fa0…``: a job below a folder of jobs."""
    return f"{subfolder(job)}/{job}"


def place(folder: str | Path, job: str, suffix: str = "") -> Path:
    """The path of a job's file, or of its folder, below a folder of jobs.

    Args:
        folder: of jobs: of their files in a plan, of their tables, logs or checkpoints.
        job: its id, or ``JOB``.
        suffix: of the file's name.
    """
    return Path(folder) / f"{within(job)}{suffix}"


def find(folder: str | Path, job: str, suffix: str = "") -> Path:
    """The same for readers: where an earlier version has put it, if it is there alone."""
    path, earlier = place(folder, job, suffix), Path(folder) / f"{job}{suffix}"
    return earlier if earlier.exists() and not path.exists() else path


def subfolders(folder: Path) -> list[Path]:
    """The subfolders that there are, sorted."""
    if not folder.is_dir():
        return []
    named = re.compile(PATTERNS["subfolder"])
    return sorted(path for path in folder.iterdir() if named.fullmatch(path.name))


def listed(folder: Path, suffix: str = "") -> list[Path]:
    """All files with this suffix, or folders, in the subfolders, sorted by job."""
    return [path for each in subfolders(folder) for path in sorted(each.glob(f"[0-9a-f]*{suffix}"))]
