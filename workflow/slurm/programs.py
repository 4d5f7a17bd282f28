"""The programs of SLURM that stand behind those of this folder."""

import os
import shutil
import sys
from pathlib import Path


def find(name: str) -> str | None:
    """Path of the program of SLURM that the search path has without this folder; None if none."""
    own = Path(__file__).resolve().parent
    others = [each for each in os.get_exec_path() if Path(each).resolve() != own]
    return shutil.which(name, path=os.pathsep.join(others))


def real(name: str) -> str:
    """The same, which must be there."""
    found = find(name)
    if found is None:
        sys.exit(f"{name}: expected a program of SLURM on PATH, got none; is this a login node?")
    return found
