"""How far a study is: what its jobs cost, which of them are done, and how long the rest takes.

All of it is read from files: what the head of the workflow told its jobs (``nup.jobs.head``), the
tables that jobs have left, their checkpoints with their progress, and their logs.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nup.errors import UserError
from nup.jobs import head, locks, places, progress
from nup.jobs.execute import LOCK
from nup.jobs.kinds import KINDS
from nup.jobs.verification import FOLDERS

#: So many seconds at the pace of the cost model count before what was measured.
TRUSTED = 60.0
#: What a job is at, in the order of lines.
STATES = ("done", "running", "left", "stopped")
#: What the kinds of work are called.
NOUNS = {"train": "training", "phases": "phase diagrams", "init": "initialization"}
#: Seconds after which a workflow's first jobs have begun.
_FIRST = 15.0
#: Most characters of a log's last line that are shown.
_SHOWN = 200


@dataclass(frozen=True)
class JobStatus:
    """One job: ``seconds`` are its estimated cost, of which a ``share`` is done.

    ``state`` is ``done``, ``running``, ``left`` (it has not begun), or ``stopped``: it has a log
    but neither tables nor a process. ``ended`` is when its tables came, ``training`` what it trains
    at the moment, ``compiled`` for how many seconds it has compiled kernels.
    """

    kind: str
    name: str
    state: str
    seconds: float
    share: float
    log: Path
    ended: float = 0.0
    training: str = ""
    compiled: float = 0.0


@dataclass(frozen=True)
class Status:
    """All jobs of a study, and the time at which the head of its workflow was last started."""

    study: str
    jobs: tuple[JobStatus, ...]
    started: float

    def seconds(self, *states: str) -> float:
        """Estimated cost of the jobs in these states."""
        return sum(job.seconds for job in self.jobs if job.state in states)

    @property
    def done_seconds(self) -> float:
        """Estimated cost of all that is done, shares of jobs that run included."""
        return sum(job.seconds * job.share for job in self.jobs)

    def left(self, now: float) -> float:
        """Seconds until the last job is done, at the pace since the head was started.

        The cost model foretells one second of work a second of each job that runs. It counts like
        ``TRUSTED`` seconds before what was measured, and alone until something was: while the first
        jobs compile kernels, whose time is no part of the pace.
        """
        since = [
            job
            for job in self.jobs
            if job.state == "running" or (job.state == "done" and job.ended >= self.started)
        ]
        done = sum(job.seconds * job.share for job in since)
        running = max(1, sum(job.state == "running" for job in self.jobs))
        spent = running * (now - self.started) - sum(job.compiled for job in since) if done else 0.0
        speed = (done + running * TRUSTED) / (max(0.0, spent) + running * TRUSTED)
        return (self.seconds(*STATES) - self.done_seconds) / (speed * running)


def read(results: Path) -> Status:
    """The status of a study.

    Args:
        results: its folder, ``results/<study>``.

    Raises:
        UserError: its workflow has not been started, or a file of the plan is damaged.
    """
    path = results / "plan" / "head.json"
    outlines, _ = head.read(path)
    jobs = tuple(job for kind, each in outlines.items() for job in _jobs(results, kind, each))
    return Status(results.name, jobs, path.stat().st_mtime)


def _jobs(results: Path, kind: str, outline: head.Outline) -> Iterator[JobStatus]:
    of = KINDS[kind]
    out = results / FOLDERS[of]
    for name in outline.jobs:
        seconds = outline.needs(name).seconds
        log = places.find(results / "logs" / kind, name, ".log")
        folder = places.find(results / "checkpoints", name)
        share, training, compiled = _progress(folder)
        table = of.files(out, name, places.find)[of.tables[0]]
        if table.exists():
            ended = table.stat().st_mtime
            yield JobStatus(kind, name, "done", seconds, 1.0, log, ended, compiled=compiled)
            continue
        state = "running" if _is_held(folder) else "stopped" if log.is_file() else "left"
        yield JobStatus(
            kind, name, state, seconds, share, log, training=training, compiled=compiled
        )


def _is_held(folder: Path) -> bool:
    """Whether a process computes the job of this folder."""
    path = folder / LOCK
    if not path.is_file():
        return False
    try:
        lock = locks.hold(path)
    except OSError:  # no locks on this file system: what has begun and left nothing may run
        return True
    if lock is not None:
        lock.release()
    return lock is None


def _progress(folder: Path) -> tuple[float, str, float]:
    """The share of a job that is done, what it trains, and the seconds it compiled for."""
    try:
        told = json.loads((folder / progress.FILE).read_text(encoding="utf-8"))
        return float(told["share"]), str(told["training"]), float(told["compiled"])
    except (OSError, ValueError, KeyError, TypeError):  # it has not said anything yet
        return 0.0, "", 0.0


def line(status: Status, now: float) -> str:
    """The whole study in one line, weighted by cost."""
    whole = status.seconds(*STATES)
    share = status.done_seconds / whole if whole else 1.0
    counts = [f"{_count(status, state)} {state}" for state in STATES if _count(status, state)]
    left = f", about {tqdm.format_interval(status.left(now))} left" if share < 1 else ""
    return (
        f"study {status.study}: {100 * share:.0f} % of the work, "
        f"{_count(status, 'done')} of {len(status.jobs)} jobs ({', '.join(counts)}){left}"
    )


def text(status: Status, now: float) -> str:
    """Lines by kind of work, the jobs that run, and those that stopped with their logs' ends."""
    lines = [line(status, now), ""]
    lines.append(f"{'':<16}" + "".join(f"{state:>20}" for state in STATES))
    for kind in dict.fromkeys(job.kind for job in status.jobs):
        cells = []
        for state in STATES:
            chosen = [job for job in status.jobs if (job.kind, job.state) == (kind, state)]
            minutes = sum(job.seconds for job in chosen) / 60
            cells.append(f"{f'{len(chosen)} ({minutes:.1f} min)':>20}")
        lines.append(f"{NOUNS[kind]:<16}{''.join(cells)}")
    for job in status.jobs:
        if job.state == "running":
            lines.append(f"running: {job.name}: {100 * job.share:.0f} % {job.training}".rstrip())
    for job in status.jobs:
        if job.state == "stopped":
            lines.append(f"stopped: {job.name}: {job.log}: {_last_line(job.log)}")
    return "\n".join(lines)


def _count(status: Status, state: str) -> int:
    return sum(job.state == state for job in status.jobs)


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "its log cannot be read"
    return next((each[:_SHOWN] for each in reversed(lines) if each.strip()), "an empty log")


def follow(results: Path, every: float, tell: Callable[[str], None]) -> None:
    """Tell one line every so many seconds, and jobs as they stop, until all jobs are done.

    Raises:
        UserError: as ``read``.
    """
    known: set[str] = set()
    while True:
        status = read(results)
        tell(line(status, time.time()))
        for job in status.jobs:
            if job.state == "stopped" and job.name not in known:
                known.add(job.name)
                tell(f"job {job.name} stopped: {job.log}: {_last_line(job.log)}")
        if all(job.state == "done" for job in status.jobs):
            return
        time.sleep(every)


def follow_in_background(results: Path, every: float = 30.0) -> None:
    """``follow`` on stderr beside a workflow, with which it ends; never a reason for it to stop."""

    def tell(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def run() -> None:
        time.sleep(_FIRST)
        with suppress(UserError, OSError):
            follow(results, every, tell)

    threading.Thread(target=run, name="status", daemon=True).start()
