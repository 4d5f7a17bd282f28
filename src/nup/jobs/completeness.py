"""Which rows the tables of a study must have, given what is wanted of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nup.jobs.agreement import named
from nup.jobs.kinds import Kind
from nup.specs import RunSpec, Specification, digest
from nup.training import observables

if TYPE_CHECKING:
    import pyarrow

#: A table's name and what is wrong with it.
Line = tuple[str, str]


def missing_rows(
    of: Kind[Any],
    first: pyarrow.Table,
    wanted: Mapping[str, Specification] | None,
    others: Mapping[str, pyarrow.Table],
) -> Iterator[Line]:
    """What the tables of a kind of work lack, and what they have too much of.

    Args:
        of: the kind.
        first: the table with rows for every specification.
        wanted: specifications by id; None where it is not known what is wanted.
        others: the further tables of the kind, by name.
    """
    ids = first[of.key].to_pylist()
    held = set(ids)
    if wanted is not None:
        if missing := sorted(wanted.keys() - held):
            yield of.tables[0], f"{len(missing)} of {len(wanted)} are missing: {named(missing)}"
        if extra := sorted(held - wanted.keys()):
            yield of.tables[0], f"{len(extra)} that nobody asked for: {named(extra)}"
    if of.key != "run_id":
        return
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        yield of.tables[0], f"{len(twice)} runs have more than one row: {named(twice)}"
    if changed := _changed(first):
        yield of.tables[0], f"{len(changed)} runs are not what their ids say: {named(changed)}"
    last = dict(zip(ids, first["last_step"].to_pylist(), strict=True))
    for name, table in others.items():
        counts = Counter(table[of.key].to_pylist())
        if unknown := sorted(counts.keys() - held):
            yield name, f"rows of {len(unknown)} runs that are not in `runs`: {named(unknown)}"
        specs = {each: spec for each, spec in (wanted or {}).items() if each in held}
        short = [
            each
            for each, spec in specs.items()
            if isinstance(spec, RunSpec) and counts[each] != _rows(spec, name, last[each])
        ]
        if short:
            yield name, f"{len(short)} runs have too few or too many rows: {named(short)}"


def _rows(spec: RunSpec, table: str, last: int) -> int:
    """How many rows a run has that was recorded up to its step ``last``."""
    steps = sum(step <= last for step in observables.rows(spec, table))
    return steps * (spec.depth if table == "layers" else 1)


def _changed(runs: pyarrow.Table) -> list[str]:
    """Runs whose specification has another digest than their id; older tables have none."""
    pairs = zip(runs["run_id"].to_pylist(), runs["specification"].to_pylist(), strict=True)
    return [name for name, text in pairs if text is not None and _digest(text) != name]


def _digest(text: str) -> str:
    try:
        return digest(json.loads(text))
    except ValueError:
        return ""
