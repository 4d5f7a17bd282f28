"""What planning and collecting cost a run, as a study grows to 100,000 runs in 10,000 jobs.

A grid is written, Snakemake plans it in a copy of the project (first from nothing, then again from
the files that it has left), synthetic tables take the place of training, and ``nup tables``
collects them. Each is a process of its own, whose time and peak memory are measured.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from benchmarks import pipeline
from benchmarks.effort import Effort
from nup.jobs import execute, frozen, places
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job
from nup.specs import RunSpec
from nup.tables.schema import LAYERS, STEPS

log = logging.getLogger("benchmarks")

#: Goals, for this many jobs: seconds and MB of a dry run, and MB of collecting their tables.
MOST_JOBS = 10_000
MOST_DRY_RUN = (15.0, 512.0)
MOST_COLLECTED = 2048.0
#: Nets and rates of the grid, which grows by its seeds.
CELLS = 100
#: Minutes a job, the least there is; with so many steps, 100,000 runs are about ten thousand jobs.
MINUTES = 0.001
#: Rows that a run leaves in the tables ``steps`` and ``layers``.
ROWS = {"steps": 40, "layers": 20}
#: Runs a command and leaves its peak in kilobytes. A process begins with the peak of the one that
#: starts it, so that ours would hide that of a smaller one.
_LAUNCHER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
#: Columns of ``runs`` that a stack's records have numbers for.
_SUMMARY = (
    *("null_loss", "initial_loss", "max_loss", "min_loss", "late_loss", "final_loss"),
    *("initial_sharpness", "final_sharpness", "validation_loss", "flops"),
    *("train_accuracy", "validation_accuracy", "test_accuracy"),
)


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: one for each number of runs."""
    found = []
    for runs in effort.scale:
        log.info("scale   %d runs", runs)
        with tempfile.TemporaryDirectory() as name:
            found.append(grown(runs, Path(name)))
    return {"rows": ROWS, "sizes": found}


def grown(runs: int, folder: Path) -> dict[str, Any]:
    """Seconds and megabytes of every stage, of about so many runs."""
    pipeline.copy(pipeline.ROOT, folder)
    (folder / "scale.yaml").write_text(yaml.safe_dump(study(runs)), encoding="utf-8")
    table = "results/scale/tables/runs.parquet"
    dry = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "--cores", "1", table]
    dry += ["--config", "study=scale.yaml"]
    stages = {"dry run, first": timed(dry, folder), "dry run, again": timed(dry, folder)}
    plan = folder / "results" / "scale" / "plan"
    jobs = places.listed(plan / "train", ".json")
    total = sum(leave_tables(path, folder / "results" / "scale" / "runs") for path in jobs)
    (selection,) = (
        path
        for path in (plan / "selections").glob("*.json")
        if frozen.read_selection(path)[0] is TRAINING
    )
    command = [sys.executable, "-m", "nup", "tables", str(selection), "--out", "tables"]
    stages["collecting"] = timed([*command, "--jobs", "results/scale/runs"], folder)
    return {"runs": total, "jobs": len(jobs), "stages": stages}


def study(runs: int) -> dict[str, Any]:
    """A study of at least so many runs, of nets too small to matter."""
    data = {"name": "teacher", "n_train": 16, "n_validation": 8, "n_test": 8, "n_probe": 4}
    grid = {
        "data": data,
        "parameterization": ["mup", "ntp"],
        "depth": [2, 3, 4, 5, 6],
        "width": [4, 8, 12, 16, 20],
        "steps": 2200,
        "learning_rate": [0.1, 0.2],
        "seeds": -(-runs // CELLS),
    }
    return {"study": "scale", "jobs": {"minutes": MINUTES}, "experiments": {"scale": grid}}


def timed(command: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds of a command, and peak megabytes of its largest process.

    Raises:
        RuntimeError: the command failed.
    """
    with tempfile.TemporaryDirectory() as name:
        peak = Path(name) / "peak"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _LAUNCHER, str(peak), *command],
            cwd=folder,
            env=pipeline.environment(folder),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return {"seconds": seconds, "megabytes": int(peak.read_text()) * 1024 / 1e6}


def leave_tables(path: Path, out: Path) -> int:
    """Write what a job would leave, without training; how many runs it has."""
    job = Job.read(path)
    session = execute.Session(job=job.id, train=_records, compiled=False)
    execute.run(job, places.place(out, job.id), session)
    return len(job.specs)


def goals(largest: Mapping[str, Any]) -> str:
    """Whether the study of most runs meets the goals, in a sentence."""
    if largest["jobs"] < MOST_JOBS:
        return f"Goals are for {MOST_JOBS:,} jobs."
    again, collected = largest["stages"]["dry run, again"], largest["stages"]["collecting"]
    seconds, megabytes = MOST_DRY_RUN
    met = again["seconds"] <= seconds and again["megabytes"] <= megabytes
    fits = collected["megabytes"] <= MOST_COLLECTED
    return (
        f"Goals for the last row: a dry run in {seconds:g} s and {megabytes:g} MB: "
        f"**{'met' if met else 'missed'}**; collecting in {MOST_COLLECTED:g} MB: "
        f"**{'met' if fits else 'missed'}**."
    )


def _records(specs: Sequence[RunSpec], *_: Any, **__: Any) -> Any:
    """Made-up records of a stack, of as many rows as a study leaves."""
    ids = np.array([spec.id for spec in specs])
    numbers = np.arange(len(specs), dtype=float)
    runs = {
        "run_id": ids,
        "status": ["ok"] * len(ids),
        "last_step": [spec.steps for spec in specs],
        "reason": [""] * len(ids),
        "stable": np.ones(len(ids), dtype=bool),
        "learning_rate": [spec.learning_rate for spec in specs],
        "curvature_fallbacks": np.zeros(len(ids), dtype=int),
        **dict.fromkeys(_SUMMARY, numbers),
    }
    return SimpleNamespace(
        runs=runs,
        steps=_history(ids, tuple(STEPS), ROWS["steps"]),
        layers=_history(ids, tuple(LAYERS), ROWS["layers"]),
    )


def _history(ids: Any, names: Sequence[str], rows: int) -> dict[str, Any]:
    count = np.tile(np.arange(rows, dtype=float), len(ids))
    return {**dict.fromkeys(names, count), "run_id": np.repeat(ids, rows)}
