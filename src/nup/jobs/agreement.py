"""Whether results agree: each is of the code that would compute it now, all of the same versions.

Results of different specifications are rightly of different code, since each counts the registry
entries that it uses. So every one is held against the digest of its own specification.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.errors import UserError
from nup.jobs import places
from nup.jobs.plan import Job
from nup.specs import Specification
from nup.tables import store

if TYPE_CHECKING:
    import pyarrow

    from nup.jobs.kinds import Kind

#: Packages that compute, and the columns that hold their versions.
VERSIONS = {"torch": "torch_version", "numba": "numba_version"}
#: How many of a list a message names.
_NAMED = 5


def refuse_other_code(job: Job[Any], planned: str) -> None:
    """Refuse to compute a job by other code than it was planned with.

    Args:
        job: the job.
        planned: digest of the code as it was then; empty where that is not known.

    Raises:
        UserError: a module that computes the job has been edited since.
    """
    now = job.code_digest
    if planned and planned != now:
        raise UserError(
            f"job {job.id}: expected the code that it was planned with ({planned}), got other code "
            f"({now}): a module that it needs was edited meanwhile; run the same command again, "
            "which plans it anew"
        )


def expected(of: Kind[Any], specs: Iterable[Specification]) -> dict[str, str]:
    """Digest of the code that would compute each specification now, by id."""
    return {spec.id: of.code_digest([spec]) for spec in specs}


def of_jobs(
    of: Kind[Any], selection: Mapping[str, Sequence[str]], plan: Path, folder: Path
) -> dict[str, str]:
    """What disagrees in that which jobs have left, by id.

    Args:
        of: the kind of work.
        selection: job id → ids taken from it.
        plan: folder of the jobs' files.
        folder: of the jobs' tables.

    Raises:
        UserError: the file or the table of a job is missing or damaged.
    """
    taken = {each for ids in selection.values() for each in ids}
    files = (places.find(plan, job, ".json") for job in selection)
    specs = [spec for path in files for spec in Job.read(path).specs]
    code = expected(of, (spec for spec in specs if spec.id in taken))
    found = rows(of, [of.files(folder, job, places.find)[of.tables[0]] for job in selection])
    return {name: why for name, why in disagreements(found, of.key, code).items() if name in taken}


def rows(of: Kind[Any], files: Iterable[Path]) -> pyarrow.Table:
    """The columns of the first table of jobs that say what computed each specification.

    Raises:
        UserError: a table is missing or damaged.
    """
    import pyarrow

    columns = [of.key, "code_digest", *VERSIONS.values()]
    parts = [store.read_arrow(of.tables[0], path, columns) for path in files]
    fields = [(name, pyarrow.string()) for name in columns]
    return pyarrow.concat_tables(parts) if parts else pyarrow.schema(fields).empty_table()


def disagreements(found: pyarrow.Table, key: str, code: Mapping[str, str]) -> dict[str, str]:
    """What disagrees, by id: ``code 12ab instead of 34cd, torch 2.13.0 beside 2.13.1``.

    Args:
        found: the columns ``key``, ``code_digest`` and those of ``VERSIONS``.
        key: column of the ids of specifications.
        code: the digest that each should have; of others the code is not looked at.
    """
    columns = {name: found[name].to_pylist() for name in found.column_names}
    reasons: dict[str, list[str]] = {}
    for name, digest in zip(columns[key], columns["code_digest"], strict=True):
        wanted = code.get(name)
        if wanted is not None and digest != wanted:
            reasons[name] = [f"code {digest or 'that was not recorded'} instead of {wanted}"]
    for package, column in VERSIONS.items():
        counts = Counter(columns[column])
        if len(counts) > 1:
            ((usual, _),) = counts.most_common(1)
            # A specification may have several rows.
            others = dict(zip(columns[key], columns[column], strict=True))
            for name, version in others.items():
                if version != usual:
                    version = version or "of no recorded version"
                    reasons.setdefault(name, []).append(f"{package} {version} beside {usual}")
    return {name: ", ".join(each) for name, each in reasons.items()}


def all_older(found: pyarrow.Table, key: str, code: Mapping[str, str]) -> bool:
    """Whether all is of one code, but of another than today's.

    That is so where none has the digest that it would have now, and those that would have equal
    digests have equal ones.
    """
    names, digests = found[key].to_pylist(), found["code_digest"].to_pylist()
    pairs = {(code[name], each) for name, each in zip(names, digests, strict=True) if name in code}
    return (
        bool(pairs)
        and all(now != then for now, then in pairs)
        and len(pairs) == len({now for now, _ in pairs})
    )


def refuse(found: Mapping[str, str], selection: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Refuse to collect results that disagree.

    Args:
        found: of ``disagreements``.
        selection: job id → ids taken from it.
        folder: of the jobs' tables.

    Raises:
        UserError: there are any.
    """
    if not found:
        return
    total = sum(map(len, selection.values()))
    jobs = [
        places.within(job) for job, ids in selection.items() if not found.keys().isdisjoint(ids)
    ]
    raise UserError(
        f"{folder}: {len(found)} of {total} results are not of one code and the same versions\n"
        + "\n".join(f"  {line}" for line in listed(found))
        + f"\nDelete what these jobs left in {folder} and run the same command again: "
        f"{named(jobs)}. Or accept and mark them: nup tables --accept-mixed, in the workflow "
        "--config accept_mixed=true"
    )


def listed(found: Mapping[str, str]) -> list[str]:
    """Lines of what disagrees, the most frequent first: ``3: torch 2.13.0 beside 2.13.1 (ab)``."""
    counts = Counter(found.values())
    lines = [
        f"{count}: {reason} ({named([name for name, each in found.items() if each == reason])})"
        for reason, count in counts.most_common(_NAMED)
    ]
    return lines + ([f"and {len(counts) - _NAMED} further reasons"] if len(counts) > _NAMED else [])


def named(names: Sequence[str]) -> str:
    """The first few of a list."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
