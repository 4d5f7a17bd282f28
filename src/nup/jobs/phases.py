"""Search for the critical lines of a job's nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nup.data import datasets
from nup.jobs.columns import of_net
from nup.jobs.execute import Session, Tables, by_data
from nup.phases import runs
from nup.phases.diagram import measure
from nup.specs import PhaseSpec
from nup.tables import store
from nup.training import costs


def execute(cells: Sequence[PhaseSpec], session: Session) -> Tables:
    """Find the lines of ``cells``, which may be of several data sets: the table ``phases``."""
    parts = []
    for same_data in by_data(cells):
        dataset = datasets.load(same_data[0].data)
        found = measure(same_data, dataset, session.device, session.compiled)
        parts.append(store.as_table("phases", describe(same_data, found)))
    return {"phases": store.concatenate("phases", parts)}


def describe(cells: Sequence[PhaseSpec], found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """``found`` lines of ``cells`` with the columns that say which net each belongs to."""
    nets = {cell.id: of_net(cell, costs.network(runs.run(cell, "initial"))) for cell in cells}
    rows = [nets[cell] for cell in found["cell_id"]]
    return {**{name: [row[name] for row in rows] for name in rows[0]}, **found}
