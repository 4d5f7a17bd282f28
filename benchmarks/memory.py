"""Peak memory of jobs against what the cost model says of them before they start."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.effort import Effort
from nup.jobs import memory
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training import costs
from nup.training.observables import cadences

log = logging.getLogger("benchmarks")

#: What the prediction may be off by.
TOLERANCE = 0.2

PLAIN = cadences(steps=1, curvature=0, taylor=0, layers=0, probe=0, features=0)
USUAL = cadences(steps=1, curvature=5, layers=10, probe=10, features=50)


def runs(count: int, samples: int = 256, **changes: Any) -> list[RunSpec]:
    """Seeds of one net on the regression 64 → 10."""
    options = {"samples": samples + 1024, "width": 64, "d_in": 64, "d_out": 10}
    spec = RunSpec(
        experiment="memory",
        data=DataSpec("teacher", samples, 256, 512, 64, options=options),
        parameterization="mup",
        depth=4,
        width=64,
        activation="abs",
        schedule=ScheduleSpec(),
        learning_rate=2.0**-12,
        seed=0,
        steps=10,
        record=USUAL,
    )
    return [replace(spec, seed=seed, **changes) for seed in range(count)]


#: Jobs of different shapes; none of the constants of ``nup.jobs.memory`` was fitted to them.
JOBS: dict[str, Callable[[], list[RunSpec]]] = {
    "small": lambda: runs(40, steps=20),
    "wide": lambda: runs(1, width=2800, steps=2),
    "deep": lambda: runs(2, samples=2048, depth=48, width=128, steps=2),
    "growing widths": lambda: runs(
        1, parameterization="nup", options={"r": 2.0}, depth=9, width=28, steps=2
    ),
    "many samples": lambda: runs(1, samples=10_000, depth=6, width=192, steps=2),
    "float64": lambda: runs(2, depth=6, width=900, dtype="float64", steps=2),
    "minibatches": lambda: runs(1, samples=12_000, width=256, batch_size=128, steps=12),
    "Hessian": lambda: runs(6, width=320, steps=40, record=PLAIN | {"hessian": 4}),
    "Taylor schedule": lambda: runs(
        1,
        samples=6000,
        width=384,
        steps=3,
        schedule=ScheduleSpec("taylor", {"c": 1.0}),
        learning_rate=None,
    ),
    "long records": lambda: runs(
        600, samples=16, depth=2, width=2, steps=1000, record=PLAIN | {"layers": 10}
    ),
}


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: predicted and measured megabytes of every job."""
    found = []
    for name in effort.memory:
        log.info("memory  %s", name)
        chosen = JOBS[name]()
        predicted = memory.job_bytes(costs.blocks(chosen)) / 1e6
        # A process that compiles kernels holds more. The first may have to, and the next ones where
        # another process wrote the same index of compiled kernels meanwhile.
        measured = min(peak_mb(chosen) for _ in range(3))
        found.append({"job": name, "predicted": predicted, "measured": measured})
    return {"start": memory.START_BYTES / 1e6, "jobs": found}


def peak_mb(chosen: list[RunSpec]) -> float:
    """Peak megabytes that ``nup job`` says its process held, with as many of files as are foreseen.

    How many pages of files are resident beside those that are used depends on the environment.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Job(TRAINING, tuple(chosen)).write(Path(name))
        command = [sys.executable, "-m", "nup", "job", str(path), "--out", f"{name}/out"]
        done = subprocess.run(
            [*command, "--device", "cpu"], capture_output=True, text=True, check=True
        )
    return said_mb(done.stderr)


def said_mb(log_text: str) -> float:
    """What ``peak_mb`` reads off the log of a job."""
    found = re.search(r"peak memory: (\d+) MB(?:, pages of files (\d+) MB)?", log_text)
    assert found is not None
    foreseen = memory.FILE_BYTES / 1e6
    return float(found[1]) - float(found[2] or foreseen) + foreseen
