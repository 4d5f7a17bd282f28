"""Measure a job's nets at their initialization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from nup.data import datasets
from nup.initialization.signals import measure
from nup.jobs.execute import Session, Tables
from nup.specs import InitSpec, canonical_json
from nup.tables import store


def execute(nets: Sequence[InitSpec], session: Session) -> Tables:
    """Measure ``nets``, which may be of several data sets: the table ``init``."""
    parts = []
    for _, group in groupby(sorted(nets, key=_data_key), key=_data_key):
        same_data = list(group)
        dataset = datasets.load(same_data[0].data)
        columns = measure(same_data, dataset, session.checkpoint(same_data))
        columns |= session.computed(columns["cell_id"])
        parts.append(store.as_table("init", columns))
    return {"init": store.concatenate("init", parts)}


def _data_key(net: InitSpec) -> str:
    return canonical_json(asdict(net.data))
