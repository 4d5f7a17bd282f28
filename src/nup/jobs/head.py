"""What the head of a workflow hands to its jobs, so that none of them plans the study again.

On a cluster every job is a Snakemake of its own, which reads the same rules. The head writes once,
as it starts, what these need of the plan; jobs read it, and of the plan their own file alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nup.errors import UserError
from nup.jobs import frozen
from nup.jobs.plan import Job, Limits, Plan
from nup.specs import digest
from nup.tables import atomic_files


@dataclass(frozen=True)
class Needs:
    """What a job needs.

    ``seconds`` are as estimated, ``memory_mb`` and ``minutes`` what to ask for, and ``code`` is the
    digest of the code that it was planned with.
    """

    seconds: float
    memory_mb: int
    minutes: int
    code: str


@dataclass(frozen=True)
class Outline:
    """The jobs of one kind of work: their ids, what each needs, and the file of the selection."""

    jobs: tuple[str, ...]
    selection: str
    needs: Callable[[str], Needs]

    def to_dict(self) -> dict[str, Any]:
        """The outline with what every job needs, ready for JSON."""
        jobs = {job: asdict(self.needs(job)) for job in self.jobs}
        return {"selection": self.selection, "jobs": jobs}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: Path) -> Outline:
        """The inverse of ``to_dict``, of what the file ``path`` says."""
        return cls(tuple(values["jobs"]), values["selection"], _listed(values["jobs"], path))


def outline(plan: Plan[Any], limits: Limits, selections: Path) -> Outline:
    """Outline a plan; what a job needs is computed when it is asked for.

    Args:
        plan: of one kind of work.
        limits: those that it was made with.
        selections: folder of the files that say what the tables take from which job.
    """

    @cache
    def needs(name: str) -> Needs:
        job: Job[Any] = plan.job(name)
        return Needs(
            seconds=job.seconds(limits.gflops),
            memory_mb=job.memory_mb(limits),
            minutes=job.limit_minutes(limits.gflops),
            code=job.code_digest,
        )

    return Outline(tuple(sorted(plan.jobs)), str(plan.write_selection(selections)), needs)


def write(outlines: Mapping[str, Outline], told: Mapping[str, Any], path: Path) -> None:
    """Write for the jobs what the head has found out.

    Args:
        outlines: by kind of work.
        told: whatever else the rules of a job need to know.
        path: of the file.
    """
    kinds = {kind: each.to_dict() for kind, each in outlines.items()}
    values = {"told": dict(told), "kinds": kinds}
    atomic_files.write_text(json.dumps({"digest": digest(values), **values}, indent=0) + "\n", path)


def read(path: Path) -> tuple[dict[str, Outline], dict[str, Any]]:
    """The inverse of ``write``.

    Raises:
        UserError: no head has started here, or the file is damaged.
    """
    values = frozen.read_json(path)
    try:
        if values.pop("digest") != digest(values):
            raise UserError(
                f"{path}: changed since the head of the workflow wrote it: expected the content of "
                f"its digest, got another; start the workflow again, which writes it anew"
            )
        kinds = values["kinds"].items()
        return {kind: Outline.from_dict(each, path) for kind, each in kinds}, values["told"]
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected what the head of a workflow told its jobs, got a file without "
            f"{error}; {frozen.REMEDY}"
        ) from error


def _listed(jobs: Mapping[str, Any], path: Path) -> Callable[[str], Needs]:
    def needs(name: str) -> Needs:
        if name not in jobs:
            raise UserError(f"{path}: expected job {name}, which the head has not planned")
        return Needs(**jobs[name])

    return needs
