"""Measure a job's nets at their initialization."""

from __future__ import annotations

from collections.abc import Sequence

from nup.data import datasets
from nup.initialization.signals import measure
from nup.jobs.execute import Session, Tables, by_data
from nup.specs import InitSpec
from nup.tables import store


def execute(nets: Sequence[InitSpec], session: Session) -> Tables:  # noqa: ARG001
    """Measure ``nets``, which may be of several data sets: the table ``init``."""
    parts = []
    for same_data in by_data(nets):
        columns = measure(same_data, datasets.load(same_data[0].data))
        columns["cell_id"] = [net.id for net in same_data for _ in range(net.depth)]
        parts.append(store.as_table("init", columns))
    return {"init": store.concatenate("init", parts)}
