"""Search for the critical lines of a job's nets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from nup.jobs.columns import of_net
from nup.jobs.execute import Session, Tables
from nup.phases import runs
from nup.phases.diagram import measure
from nup.specs import PhaseSpec
from nup.tables import store
from nup.training import costs


def execute(cells: Sequence[PhaseSpec], session: Session) -> Tables:
    """Find the lines of ``cells``, which may be of several data sets: the table ``phases``."""
    parts = []
    ordered = sorted(cells, key=lambda cell: (cell.cell_key, cell.seed))
    for _, group in groupby(ordered, key=lambda cell: cell.cell_key):
        same = list(group)
        data = session.loader.by_seed(cell.data for cell in same)
        found = measure(same, data, session.device, session.compiled, session.checkpoint(same))
        columns = {**describe(same, found), **session.computed(found["cell_id"])}
        parts.append(store.as_table("phases", columns))
    return {"phases": store.concatenate("phases", parts)}


def describe(cells: Sequence[PhaseSpec], found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """``found`` lines of ``cells`` with the columns that say which net each belongs to."""
    nets = {cell.id: of_net(cell, costs.network(runs.run(cell, "initial"))) for cell in cells}
    rows = [nets[cell] for cell in found["cell_id"]]
    return {**{name: [row[name] for row in rows] for name in rows[0]}, **found}
