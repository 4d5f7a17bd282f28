"""Where the time of all cores goes when Snakemake runs a study from nothing to its report.

The study runs in a copy of the project. Snakemake keeps the times at which jobs began and ended,
the table ``runs`` how long each run took inside ``nup.training.loop.train``; what is left is told
apart by subtraction.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import workers
from benchmarks.effort import Effort

log = logging.getLogger("benchmarks")

ROOT = Path(__file__).parents[1]
COPIED = ("Snakefile", "workflow", "config", "src", "notebooks", "profiles", "environment.yml")

#: Goals: the least share of training math, and the most seconds for ``nup --help``.
LEAST_SHARE = 0.8
MOST_START = 0.3
#: How often the start of the command line is timed.
STARTS = 5

_JOBS = "training jobs: process start, imports, data, tables"
_INITIALIZATION = "measurements at initialization"
_PHASES = "phase diagrams: training math, process start"
#: What core-seconds are spent on → the rules that spend them, or how their names begin.
PARTS = {
    _JOBS: ("train",),
    _INITIALIZATION: ("measure",),
    _PHASES: ("search",),
    "tables": ("tables", "init", "phases"),
    "claims and readings": ("claims",),
    "notebooks": ("notebook_",),
    "pages": ("pages",),
}
#: The parts in whose jobs kernels are compiled, by the folder of the jobs' logs.
COMPILING = {"train": _JOBS, "init": _INITIALIZATION, "phases": _PHASES}
#: What a job's log says of it.
_COMPILED = re.compile(r"compiled \d+ kernels in ([\d.]+) s")


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: times of the jobs of one run, and of starts of ``nup --help``."""
    log.info("pipeline: study %s", Path(effort.study).stem)
    records = workers.alone(run, effort.study, list(effort.targets))
    return {**records, "help": workers.alone(starts)}


def run(study: str, targets: list[str]) -> dict[str, Any]:
    """Run a study on the cores of this process; seconds count from the start of Snakemake."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(ROOT, folder)
        settings = ["--cores", str(cores), "--config", f"study={study}"]
        command = [sys.executable, "-m", "snakemake", *targets, *settings]
        began = time.time()
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.time() - began
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        (results,) = (path for path in (folder / "results").iterdir() if path.is_dir())
        return {
            "study": results.name,
            "cores": cores,
            "wall": wall,
            "jobs": jobs(folder / ".snakemake" / "metadata", began),
            "training": training_seconds(results / "runs"),
            "compiling": {kind: compiling_seconds(results / "logs" / kind) for kind in COMPILING},
        }


def copy(root: Path, folder: Path) -> None:
    """What the workflow needs of a checkout; kernels are compiled anew in another place."""
    for name in COPIED:
        source = root / name
        if source.is_symlink():
            (folder / name).symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(source, folder / name)


def environment(folder: Path) -> dict[str, str]:
    """This environment, with the copy's package in the place of any other."""
    return {**os.environ, "PYTHONPATH": str(folder / "src")}


def jobs(metadata: Path, began: float) -> list[dict[str, Any]]:
    """Rule, start and end of every job, from Snakemake's records of their output files."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in metadata.rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            start, end = record["starttime"] - began, record["endtime"] - began
            key = (record["rule"], str(record["log"]))
            job = found.setdefault(key, {"rule": record["rule"], "start": start, "end": end})
            job["start"], job["end"] = min(job["start"], start), max(job["end"], end)
    return sorted(found.values(), key=lambda job: float(job["start"]))


def training_seconds(runs: Path) -> float:
    """Seconds inside ``nup.training.loop.train``, of all jobs together; without compilation."""
    from nup.tables import store

    tables = (
        store.read_table("runs", path, ["wall_time_s"]) for path in runs.glob("*/*/runs.parquet")
    )
    return float(sum(table["wall_time_s"].sum() for table in tables))


def compiling_seconds(logs: Path) -> float:
    """Seconds for which jobs have compiled kernels, as their logs say."""
    texts = (path.read_text(encoding="utf-8") for path in logs.rglob("*.log"))
    return sum(float(found[1]) for text in texts for found in _COMPILED.finditer(text))


def starts() -> list[float]:
    """Seconds of fresh processes that print the help."""
    with tempfile.TemporaryDirectory() as name:
        copy(ROOT, Path(name))
        command = [sys.executable, "-m", "nup", "--help"]
        seconds = []
        for start in range(STARTS + 1):
            began = time.perf_counter()
            subprocess.run(
                command, env=environment(Path(name)), stdout=subprocess.DEVNULL, check=True
            )
            if start:  # the first one compiles the copy's modules
                seconds.append(time.perf_counter() - began)
    return seconds


def split(records: Mapping[str, Any]) -> dict[str, float]:
    """What core-seconds were spent on; they sum to cores × wall time. Jobs have one core each.

    Where Snakemake alone works, at the start and at the end, all cores count.
    """
    cores, wall = records["cores"], records["wall"]
    first = min(job["start"] for job in records["jobs"])
    last = max(job["end"] for job in records["jobs"])
    seconds = dict.fromkeys(PARTS, 0.0)
    for job in records["jobs"]:
        (part,) = (part for part, rules in PARTS.items() if job["rule"].startswith(rules))
        seconds[part] += job["end"] - job["start"]
    for kind, compiling in records["compiling"].items():
        seconds[COMPILING[kind]] -= compiling
    jobs = seconds.pop(_JOBS)
    parts = {
        "training math": records["training"],
        "compilation of kernels, once in a checkout": sum(records["compiling"].values()),
        _JOBS: jobs - records["training"],
        **seconds,
        "Snakemake: start and plan": cores * first,
        "Snakemake: report and end": cores * (wall - last),
    }
    idle = cores * wall - sum(parts.values())
    return {**parts, "idle, or Snakemake between jobs": idle}
