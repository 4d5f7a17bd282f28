"""Whether what a study has stored is whole: a line for everything that is not.

Looked at are the files of the plan, the tables of jobs and the study's tables: their digests and
schemas, the values in them, whether every wanted row is there, and of which code and versions it
is. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.errors import UserError
from nup.jobs import agreement, completeness, frozen, places
from nup.jobs.kinds import INITIALIZATION, KINDS, PHASES, TRAINING, Kind
from nup.jobs.plan import Job
from nup.specs import Specification
from nup.tables import ranges, seal, store
from nup.tables.collect import MIXED
from nup.tables.schema import REQUIRED, TABLES

if TYPE_CHECKING:
    import pyarrow

#: What is wanted of each kind of work: specifications by id.
Wanted = Mapping[Kind[Any], Mapping[str, Specification]]

#: Folders of the jobs' tables.
FOLDERS = {TRAINING: "runs", INITIALIZATION: "init", PHASES: "phases"}


@dataclass
class Verification:
    """What was found of a study.

    ``problems``  what is not as it should be, a line each
    ``notes``     what a reader should know although nothing is wrong
    ``counts``    rows by table
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def verify(folder: Path, wanted: Wanted | None = None) -> Verification:
    """Verify the results of a study.

    Args:
        folder: of the study, which holds ``tables`` and, unless only these were kept, ``plan``.
        wanted: what the tables must hold; by default what the plan in the folder says.

    Raises:
        UserError: there is no such study.
    """
    tables = folder / "tables"
    if not (tables.is_dir() or (folder / "plan").is_dir()):
        raise UserError(f"{folder}: expected the results of a study, got none; run it first")
    found = Verification()
    jobs = _plan(folder / "plan", found)
    _job_tables(folder, jobs, found)
    read = {name: _table(name, tables, found) for name in TABLES}
    planned = wanted is not None or (folder / "plan").is_dir()
    if not planned:
        found.notes.append(
            f"{folder}: no plan beside the tables: whether rows are missing, and of "
            "which code they should be, was not looked at"
        )
    for of in KINDS.values():
        first = read[of.tables[0]]
        specs = _wanted(of, folder, first, jobs, wanted, found)
        if first is None:
            if specs:
                found.problems.append(f"{tables}: no table {of.tables[0]!r}")
            continue
        _agreement(of, tables, first, specs, found)
        others = {name: table for name in of.tables[1:] if (table := read[name]) is not None}
        lines = completeness.missing_rows(of, first, specs if planned else None, others)
        found.problems += [f"{tables / name}.parquet: {line}" for name, line in lines]
    return found


def _plan(folder: Path, found: Verification) -> dict[str, Job[Any]]:
    """The readable jobs of a plan by id; damaged files become problems."""
    jobs = {}
    for of in KINDS.values():
        earlier = sorted((folder / of.name).glob("*.json"))
        for path in [*earlier, *places.listed(folder / of.name, ".json")]:
            try:
                jobs[path.stem] = Job.read(path)
            except frozen.OtherVersionError as error:
                found.notes.append(str(error))
            except UserError as error:
                found.problems.append(str(error))
    return jobs


def _job_tables(folder: Path, jobs: Mapping[str, Job[Any]], found: Verification) -> None:
    """Tables that jobs have left: whole, and of the content of their job."""
    for job in jobs.values():
        files = job.kind.files(folder / FOLDERS[job.kind], job.id, places.find)
        for name, path in files.items():
            if not path.is_file():
                continue
            try:
                table = store.read_arrow(name, path)
            except UserError as error:
                found.problems.append(str(error))
                continue
            ids = set(table[job.kind.key].to_pylist())
            whole = ids == set(job.ids) if name == job.kind.tables[0] else ids <= set(job.ids)
            if not whole:
                found.problems.append(
                    f"{path}: expected the {len(job.ids)} ids of its job, got {len(ids)} which are "
                    f"not the same; {seal.REMEDY}"
                )


def _table(name: str, folder: Path, found: Verification) -> pyarrow.Table | None:
    """A table of the study; None where there is none that can be read."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        return None
    try:
        if not seal.check(path):
            found.notes.append(f"{path}: of a version that wrote no digest into its tables")
        table = store.read_arrow(name, path)
    except UserError as error:
        found.problems.append(str(error))
        return None
    found.counts[name] = table.num_rows
    lines = ranges.violations(name, table)
    lines += [
        f"column {label!r}: {count} rows without a value"
        for label in REQUIRED[name]
        if (count := table[label].null_count)
    ]
    found.problems += [f"{path}: {line}" for line in lines]
    return table


def _wanted(
    of: Kind[Any],
    folder: Path,
    table: pyarrow.Table | None,
    jobs: Mapping[str, Job[Any]],
    wanted: Wanted | None,
    found: Verification,
) -> Mapping[str, Specification]:
    """What a table must hold: as told, or by the selection of the plan that is most like it."""
    if wanted is not None:
        return wanted[of]
    held = set() if table is None else set(table[of.key].to_pylist())
    selections = []
    for path in sorted((folder / "plan" / "selections").glob("*.json")):
        try:
            kind, selection = frozen.read_selection(path)
        except UserError as error:
            if str(error) not in found.problems:
                found.problems.append(str(error))
            continue
        if kind is of:
            selections.append({each for ids in selection.values() for each in ids})
    if not selections:
        return {}
    ids = min(selections, key=lambda each: len(each ^ held))
    specs = {spec.id: spec for job in jobs.values() for spec in job.specs if spec.id in ids}
    if unknown := sorted(ids - specs.keys()):
        found.problems.append(
            f"{folder / 'plan' / of.name}: no job's file holds {agreement.named(unknown)}"
        )
    return specs


def _agreement(
    of: Kind[Any],
    folder: Path,
    table: pyarrow.Table,
    specs: Mapping[str, Specification],
    found: Verification,
) -> None:
    """Mixed code and versions are problems, those that were accepted a note."""
    path = folder / f"{of.tables[0]}.parquet"
    marks = dict(zip(table[of.key].to_pylist(), table[MIXED].to_pylist(), strict=True))
    accepted = {name: why for name, why in marks.items() if why}
    found.notes += [f"{path}: accepted, {line}" for line in agreement.listed(accepted)]
    code = agreement.expected(of, specs.values())
    if agreement.all_older(table, of.key, code):
        found.notes.append(f"{path}: all of it is of other code than this version of nup has")
        code = {}
    mixed = agreement.disagreements(table, of.key, code)
    mixed = {name: why for name, why in mixed.items() if name not in accepted}
    found.problems += [f"{path}: mixed, {line}" for line in agreement.listed(mixed)]
