"""The programs of SLURM that stand behind those of this folder."""

import os
import shutil
import sys
from pathlib import Path


def real(name: str) -> str:
    """Path of the program of SLURM that the search path has without this folder."""
    own = Path(__file__).resolve().parent
    others = [each for each in os.get_exec_path() if Path(each).resolve() != own]
    found = shutil.which(name, path=os.pathsep.join(others))
    if found is None:
        sys.exit(f"{name}: expected a program of SLURM on PATH, got none; is this a login node?")
    return found
