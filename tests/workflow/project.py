"""A copy of the project in which the tests of the workflow run Snakemake."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

from nup.tables import store

COPIED = (
    "Snakefile",
    "workflow",
    "config",
    "src",
    "notebooks",
    "profiles",
    "slurm",
    "environment.yml",
)
NOTHING = "Nothing to be done"


@dataclass
class Checkout:
    """A copy of the project in which Snakemake runs."""

    root: Path
    study: str = "ci"

    @property
    def folder(self):
        """Where the results of the study are."""
        return self.root / "results" / self.study

    def snakemake(self, *arguments, succeeds=True, environment=None):
        """Standard output and error of `snakemake`, which must succeed, or must fail."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        around = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        around |= environment or {}
        done = subprocess.run(
            command, cwd=self.root, env=around, capture_output=True, text=True, check=False
        )
        text = done.stdout + done.stderr
        assert (done.returncode == 0) == succeeds, text
        return text

    def due(self, *arguments):
        """How many jobs of each rule would run."""
        text = self.snakemake("--dry-run", *arguments, "--config", "study=ci")
        if NOTHING in text:
            return {}
        counts = re.findall(r"^(\w+) +(\d+)$", text.split("Job stats:")[1], flags=re.MULTILINE)
        return {rule: int(count) for rule, count in counts if rule not in ("total", "reproduce")}

    def edit(self, name, old, new):
        """Replace text in a file."""
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def results(self, pattern):
        """Modification times of result files."""
        paths = self.folder.glob(pattern)
        return {str(path): path.stat().st_mtime_ns for path in paths}

    def table(self, name):
        """A table of the study."""
        return store.read_table(name, self.folder / "tables" / f"{name}.parquet")


def copied(project, root, study="ci", also=()):
    """The files of ``project`` that Snakemake needs, and ``also``, as a checkout in ``root``."""
    for name in (*COPIED, *also):
        source = project / name
        if source.is_symlink():
            (root / name).symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    take_compiled_kernels(project / "src", root / "src")
    return Checkout(root, study)


def take_compiled_kernels(source, copy):
    """Take over the kernels that were compiled for ``source``, which spares ``copy`` a minute.

    numba keeps them under a name that holds the path of the module; the copies have its stamps.
    """
    kernels = Path("nup", "kernels")
    before, after = (
        UserProvidedCacheLocator.get_suitable_cache_subpath(str(root / kernels / "jit.py"))
        for root in (source, copy)
    )
    for compiled in (source / kernels / "__pycache__").glob(f"kernels-*/{before}"):
        folder = copy / kernels / "__pycache__" / compiled.parent.name
        shutil.copytree(compiled, folder / after)
