"""Which jobs compute what: planned once, frozen in files, and only ever added to.

A job is a file ``<plan>/<ab>/<job id>.json`` with the full specifications of its content
(``nup.jobs.places``). When the grid changes, jobs that still serve are kept as they are and only
what is missing is packed into new ones. So growing any axis computes only what is missing,
shrinking deletes nothing, and planning again while jobs run gives the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from nup.jobs import frozen, locks, memory, places
from nup.jobs.first_fit import Bins
from nup.jobs.kinds import Kind
from nup.registry import plugin_files
from nup.specs import RunSpec, Specification, digest_of
from nup.tables import atomic_files
from nup.training import costs

S = TypeVar("S", bound=Specification)


@dataclass(frozen=True)
class Limits:
    """How large jobs of so many ``threads`` are.

    They take ``seconds`` at ``gflops`` a core, and hold at most ``memory_mb`` if given.
    """

    seconds: float = 60.0
    gflops: float = costs.GFLOPS
    memory_mb: float | None = None
    threads: int = 1


@dataclass(frozen=True)
class Job(Generic[S]):
    """What one process computes: specifications of one kind. ``id`` is a digest of their ids."""

    kind: Kind[S]
    specs: tuple[S, ...]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the specifications, in the job's order."""
        return tuple(spec.id for spec in self.specs)

    @cached_property
    def id(self) -> str:
        """12 hex digits."""
        return frozen.job_id(self.ids)

    @property
    def digest(self) -> str:
        """Digest of the whole frozen specification."""
        text = ",".join(spec.text for spec in self.specs)
        return digest_of(f"[{text}]")

    @property
    def code_digest(self) -> str:
        """Digest of the code that computes the job."""
        return self.kind.code_digest(self.specs)

    def seconds(self, gflops: float = costs.GFLOPS) -> float:
        """Estimated wall time on one core, start of the process included."""
        return costs.START_SECONDS + costs.total_seconds(self._blocks, gflops)

    def limit_minutes(self, gflops: float = costs.GFLOPS) -> int:
        """A time limit that is generous even where a machine is three times slower than thought."""
        return math.ceil(5 + 3 * self.seconds(gflops) / 60)

    def memory_mb(self, limits: Limits) -> int:
        """Memory to ask for: the predicted peak and a margin, within the limit if there is one."""
        limit_mb = limits.memory_mb if self.kind.divides else None
        blocks = costs.blocks(self.kind.runs(self.specs), threads=limits.threads)
        cut = memory.cut(blocks, limit_mb, limits.threads)
        return memory.requested_mb(cut, limits.threads)

    def fits(self, limits: Limits) -> bool:
        """Whether a process within the limits can compute the job."""
        limited = self.kind.divides and limits.memory_mb is not None
        return not limited or memory.fits(self._blocks, limits.memory_mb, limits.threads)

    @cached_property
    def _blocks(self) -> list[list[RunSpec]]:
        return costs.blocks(self.kind.runs(self.specs))

    def write(self, folder: Path) -> Path:
        """Write the job's file in ``folder`` unless it exists: a planned job never changes."""
        return frozen.write_job(self.id, self.kind, self.specs, folder)

    @classmethod
    def read(cls, path: str | Path) -> Job[Any]:
        """Read a job file.

        Raises:
            OtherVersionError: the file is whole, but was planned by an incompatible version.
            UserError: the file is missing or damaged.
        """
        return Job(*frozen.read_job(path))


@dataclass(frozen=True)
class Plan(Generic[S]):
    """The jobs that a study needs of one kind, and what to take from each (by job id)."""

    kind: Kind[S]
    folder: Path
    jobs: Mapping[str, Job[S]]
    selection: Mapping[str, Sequence[str]]

    def job(self, name: str) -> Job[S]:
        """A job by its id; one of an earlier plan is read from its file."""
        return self.jobs.get(name) or Job.read(places.place(self.folder, name, ".json"))

    def write_selection(self, folder: Path) -> Path:
        """Write what the tables are to take as ``<folder>/<digest>.json``, unless it exists."""
        return frozen.write_selection(self.kind, self.selection, folder)


def reconcile(
    of: Kind[S], wanted: Mapping[str, S], plan_dir: Path, out_dir: Path, limits: Limits
) -> Plan[S]:
    """Plan the ``wanted`` specifications, keeping earlier jobs, and write the files of new jobs.

    Kept are jobs with output that hold anything wanted, then planned jobs all of whose content is
    wanted and not yet covered. The rest is packed into jobs within ``limits``. It may be called at
    any time and at once by several processes: every call sees the same plan.

    Args:
        of: the kind of work.
        wanted: specifications by id.
        plan_dir: folder of the job files.
        out_dir: folder of the tables that jobs have left.
        limits: how large new jobs may be.

    Raises:
        UserError: one specification needs more memory than a job may have, or a job's file is
            damaged.
    """
    with locks.alone(plan_dir / ".lock", "planning"):
        for folder in places.subfolders(plan_dir):
            atomic_files.drop_temporary(folder)
        earlier = dict(_planned(of, plan_dir, out_dir, wanted))
        done = {job for job in earlier if is_done(of, out_dir, job)}
        serving = {
            name: job.ids for name, job in earlier.items() if name in done or job.fits(limits)
        }
        selection = keep(serving, done, wanted)
        jobs = {job: earlier[job] for job in selection}
        covered = {each for chosen in selection.values() for each in chosen}
        missing = [spec for name, spec in wanted.items() if name not in covered]
        for job in pack(of, missing, limits):
            job.write(plan_dir)
            jobs[job.id], selection[job.id] = job, list(job.ids)
    return Plan(of, plan_dir, jobs, selection)


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


def pack(of: Kind[S], specs: Iterable[S], limits: Limits) -> list[Job[S]]:
    """Specifications in jobs within ``limits``, of whole groups where one fits.

    Longest groups first, each into the first job with room: few jobs of nearly equal length, and
    the long ones come first, so that the last to finish are short.

    Raises:
        UserError: a single specification needs more memory.
    """
    pieces = [piece for group in of.groups(specs) for piece in _pieces(of, group, limits)]
    memory_mb = limits.memory_mb if of.divides else None
    estimates = [of.seconds(piece, limits.gflops) for piece in pieces]
    contents: list[list[S]] = []
    held: list[list[list[RunSpec]]] = []  # the blocks of each job, where memory is limited
    loads: dict[frozenset[str], tuple[Bins, list[int]]] = {}
    for index in sorted(range(len(pieces)), key=lambda i: -estimates[i]):
        piece = pieces[index]
        blocks = [] if memory_mb is None else costs.blocks(of.runs(piece))
        # Jobs are of one set of plug-ins: others outlive a change of one.
        bins, numbers = loads.setdefault(_plugins(piece[0]), (Bins(limits.seconds), []))
        for number, load in bins.with_room(estimates[index]):
            job = numbers[number]
            if memory.fits([*held[job], *blocks], memory_mb, limits.threads):
                bins.load(number, load)
                contents[job] += piece
                held[job] += blocks
                break
        else:
            bins.add(estimates[index])
            numbers.append(len(contents))
            contents.append(list(piece))
            held.append(blocks)
    return [Job(of, tuple(content)) for content in contents]


def _pieces(of: Kind[S], group: list[S], limits: Limits) -> list[list[S]]:
    """A group cut evenly so that no piece takes longer than a job may (a single unit may).

    Nor may its records be more than a job can hold.
    """
    if of.units is None:
        return [group]
    units = of.units(group)
    count = min(len(units), math.ceil(of.seconds(group, limits.gflops) / limits.seconds))
    while True:
        size = math.ceil(len(units) / count)
        first = [spec for unit in units[:size] for spec in unit]
        if size == 1 or memory.fits([of.runs(first)], limits.memory_mb, limits.threads):
            break
        count = min(2 * count, len(units))
    # It says what is wrong with one too large.
    memory.cut([of.runs(first)], limits.memory_mb, limits.threads)
    return [
        [spec for unit in units[start : start + size] for spec in unit]
        for start in range(0, len(units), size)
    ]


def _planned(
    of: Kind[S], folder: Path, out_dir: Path, wanted: Mapping[str, S]
) -> Iterator[tuple[str, Job[S]]]:
    """The jobs of a folder that may serve, by id: done with anything wanted, or all of it wanted.

    What is wanted is not read again from the files, of which there may be thousands. Files of
    incompatible versions are left alone, and jobs of plug-ins that are not loaded.

    Raises:
        UserError: a file is damaged. Were it left alone, its runs would be trained again.
    """
    known = {plugin.digest for plugin in plugin_files.loaded()}
    for path in places.listed(folder, ".json"):
        kind, contents = frozen.read_contents(path)
        if kind is not of:
            continue
        if contents.keys() <= wanted.keys():
            yield path.stem, Job(of, tuple(wanted[name] for name in contents))
        elif not contents.keys().isdisjoint(wanted) and is_done(of, out_dir, path.stem):
            try:
                job = Job.read(path)
            except frozen.OtherVersionError:
                continue
            if all(_plugins(spec) <= known for spec in job.specs):
                yield path.stem, job


def is_done(of: Kind[Any], out_dir: Path, job: str) -> bool:
    """Whether a job has left its tables."""
    return of.files(out_dir, job)[of.tables[0]].exists()


def _plugins(spec: Any) -> frozenset[str]:
    """Digests of the plug-ins that a specification uses."""
    return frozenset(spec.plugins.values())
