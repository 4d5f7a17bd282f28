"""Which jobs train which runs: planned once, frozen in files, and only ever added to.

A job is a file ``<plan>/<job id>.json`` with the full specifications of its runs. When the grid
changes, jobs that still serve are kept as they are and only missing runs are packed into new ones.
So growing any axis trains only what is missing, shrinking deletes nothing, and planning again while
jobs run gives the same plan.
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nup.errors import UserError
from nup.jobs import memory
from nup.specs import DataSpec, InitSpec, RunSpec, digest
from nup.tables import store
from nup.training import costs


@dataclass(frozen=True)
class Job:
    """Runs that one process trains. ``id`` is a digest of their ids."""

    runs: tuple[RunSpec, ...]

    @cached_property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs, in the job's order."""
        return tuple(run.id for run in self.runs)

    @cached_property
    def id(self) -> str:
        """12 hex digits."""
        return digest(sorted(self.run_ids))

    @property
    def digest(self) -> str:
        """Digest of the whole frozen specification."""
        return digest([run.to_dict() for run in self.runs])

    def seconds(self, gflops: float) -> float:
        """Estimated wall time on one core, start of the process included."""
        return costs.START_SECONDS + training_seconds(self.runs, gflops)

    def memory_mb(self, limit_mb: float | None = None) -> int:
        """Memory to ask for: the predicted peak and a margin, within the limit if there is one."""
        return memory.requested_mb(memory.cut(costs.blocks(self.runs), limit_mb))

    def fits(self, limit_mb: float | None) -> bool:
        """Whether a process with this much memory can train the job."""
        return memory.fits(costs.blocks(self.runs), limit_mb)

    def limit_minutes(self, gflops: float) -> int:
        """A time limit that is generous even where a machine is three times slower than thought."""
        return math.ceil(5 + 3 * self.seconds(gflops) / 60)

    def write(self, folder: Path) -> Path:
        """Write ``<folder>/<id>.json`` unless it exists: a planned job never changes."""
        path = folder / f"{self.id}.json"
        if not path.exists():
            lines = ",\n".join(json.dumps(run.to_dict(), sort_keys=True) for run in self.runs)
            store.write_text(f'{{"job": "{self.id}", "runs": [\n{lines}\n]}}\n', path)
        return path

    @classmethod
    def read(cls, path: str | Path) -> Job:
        """Read a job file.

        Raises:
            UserError: the file is missing, damaged, or was planned by an incompatible version.
        """
        values = read_json(path)
        try:
            return cls(tuple(RunSpec.from_dict(run) for run in values["runs"]))
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path}: expected a job planned by this version of nup, got a file that does not "
                f"fit ({error}); delete it and plan again"
            ) from error


@dataclass(frozen=True)
class Plan:
    """The jobs that a study needs, and which runs to take from each (by job id)."""

    jobs: Mapping[str, Job]
    selection: Mapping[str, Sequence[str]]

    @property
    def n_runs(self) -> int:
        """Number of runs wanted."""
        return sum(len(ids) for ids in self.selection.values())

    def write_selection(self, folder: Path) -> Path:
        """Write what the tables are to take as ``<folder>/<digest>.json``, unless it exists."""
        return write_selection(self.selection, folder)


def reconcile(
    runs: Mapping[str, RunSpec],
    plan_dir: Path,
    runs_dir: Path,
    seconds: float,
    gflops: float,
    memory_mb: float | None = None,
) -> Plan:
    """Plan the wanted ``runs`` (by id), keeping earlier jobs, and write the files of new jobs.

    Kept are jobs with output that hold any wanted run, then planned jobs all of whose runs are
    wanted and not yet covered. The rest is packed into jobs of about ``seconds`` at ``gflops``
    within ``memory_mb``. It may be called at any time and at once by several processes: every call
    sees the same plan.
    """
    with alone(plan_dir):
        return _reconcile(runs, plan_dir, runs_dir, seconds, gflops, memory_mb)


def _reconcile(
    runs: Mapping[str, RunSpec],
    plan_dir: Path,
    runs_dir: Path,
    seconds: float,
    gflops: float,
    memory_mb: float | None,
) -> Plan:
    earlier = _planned(plan_dir)
    done = {job for job in earlier if (runs_dir / job / "runs.parquet").exists()}
    serving = {
        name: job.run_ids for name, job in earlier.items() if name in done or job.fits(memory_mb)
    }
    selection = keep(serving, done, runs)
    kept = {job: earlier[job] for job in selection}
    covered = {run for chosen in selection.values() for run in chosen}
    missing = [spec for run, spec in runs.items() if run not in covered]
    for job in pack(missing, seconds, gflops, memory_mb):
        job.write(plan_dir)
        kept[job.id], selection[job.id] = job, list(job.run_ids)
    return Plan(kept, selection)


def keep(
    jobs: Mapping[str, Sequence[str]], done: Collection[str], wanted: Collection[str]
) -> dict[str, list[str]]:
    """What to take from which of the earlier ``jobs``, by the ids of what each holds.

    Kept are jobs that are ``done`` and hold anything wanted, then jobs all of whose content is
    wanted and not yet covered.
    """
    covered: set[str] = set()
    selection: dict[str, list[str]] = {}
    for job in sorted(jobs, key=lambda name: name not in done):
        chosen = [each for each in jobs[job] if each in wanted and each not in covered]
        if chosen and (job in done or len(chosen) == len(jobs[job])):
            selection[job] = chosen
            covered.update(chosen)
    return selection


def training_seconds(runs: Iterable[RunSpec], gflops: float) -> float:
    """Estimated time to train runs on one core, without the start of processes."""
    return sum(costs.seconds(block, gflops) for block in costs.blocks(runs))


def pack(
    runs: Iterable[RunSpec], seconds: float, gflops: float, memory_mb: float | None = None
) -> list[Job]:
    """Runs in jobs of at most about ``seconds`` and ``memory_mb``, of whole blocks where one fits.

    Longest blocks first, each into the first job with room: few jobs of nearly equal length, and
    the long ones come first, so that the last to finish are short.

    Raises:
        UserError: a single run needs more memory.
    """
    bins: list[tuple[float, list[list[RunSpec]]]] = []
    pieces = [
        piece
        for block in costs.blocks(runs)
        for piece in _pieces(block, seconds, gflops, memory_mb)
    ]
    estimates = [costs.seconds(piece, gflops) for piece in pieces]
    for index in sorted(range(len(pieces)), key=lambda i: -estimates[i]):
        estimate, piece = estimates[index], pieces[index]
        for number, (load, content) in enumerate(bins):
            if load + estimate <= seconds and memory.fits([*content, piece], memory_mb):
                bins[number] = (load + estimate, [*content, piece])
                break
        else:
            bins.append((estimate, [piece]))
    return [Job(tuple(run for piece in content for run in piece)) for _, content in bins]


def _pieces(
    block: list[RunSpec], seconds: float, gflops: float, memory_mb: float | None
) -> list[list[RunSpec]]:
    """A block cut evenly so that no piece takes longer than a job may (a single run may).

    Nor may its records be more than a job can hold.
    """
    count = min(len(block), math.ceil(costs.seconds(block, gflops) / seconds))
    while True:
        size = math.ceil(len(block) / count)
        if size == 1 or memory.fits([block[:size]], memory_mb):
            break
        count = min(2 * count, len(block))
    memory.cut([block[:size]], memory_mb)  # says what is wrong where one run is too large
    return [block[start : start + size] for start in range(0, len(block), size)]


def write_initialization(specs: Sequence[InitSpec], folder: Path) -> Path:
    """Freeze the initialization measurements as ``<folder>/<digest>.json``, unless it exists."""
    values = [asdict(spec) for spec in specs]
    path = folder / f"{digest(values)}.json"
    if not path.exists():
        lines = ",\n".join(json.dumps(value, sort_keys=True) for value in values)
        store.write_text(f"[\n{lines}\n]\n", path)
    return path


def read_initialization(path: str | Path) -> list[InitSpec]:
    """The inverse of ``write_initialization``."""
    return [
        InitSpec(**{**values, "data": DataSpec(**values["data"])}) for values in read_json(path)
    ]


def write_selection(selection: Mapping[str, Sequence[str]], folder: Path) -> Path:
    """Write job id → ids to take from it as ``<folder>/<digest>.json``, unless it exists."""
    values = {job: list(ids) for job, ids in sorted(selection.items())}
    path = folder / f"{digest(values)}.json"
    if not path.exists():
        store.write_text(json.dumps(values, indent=1) + "\n", path)
    return path


def read_selection(path: str | Path) -> dict[str, list[str]]:
    """The inverse of ``write_selection``."""
    selection: dict[str, list[str]] = read_json(path)
    return selection


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time plan: half of another's new jobs would lead to a different plan."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        # Some network file systems have no locks; planning there twice at the same moment is rare.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _planned(folder: Path) -> dict[str, Job]:
    """Readable job files by id; files of incompatible versions are left alone."""
    jobs = {}
    for path in sorted(folder.glob("*.json")):
        try:
            job = Job.read(path)
        except UserError:
            continue
        if job.id == path.stem:
            jobs[job.id] = job
    return jobs


def read_json(path: str | Path) -> Any:
    """The content of a file of the plan.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected a file of the plan, got no such file; plan first"
        ) from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: expected JSON, got {error}; delete it and plan again") from error
