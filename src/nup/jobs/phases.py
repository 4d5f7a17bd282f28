"""Search for the critical lines of a job's nets and leave the table ``phases``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from nup.data import datasets
from nup.phases.diagram import measure
from nup.specs import PhaseSpec, canonical_json
from nup.tables import store


def run(cells: Sequence[PhaseSpec], out: Path, device: str = "cpu") -> int:
    """Find the lines of ``cells`` and write them to ``out``; returns the number of rows."""

    def data_key(cell: PhaseSpec) -> str:
        return canonical_json(asdict(cell.data))

    parts = []
    for _, group in groupby(sorted(cells, key=data_key), key=data_key):
        same_data = list(group)
        dataset = datasets.load(same_data[0].data)
        parts.append(store.as_table("phases", measure(same_data, dataset, device)))
    joined = store.concatenate("phases", parts)
    store.write_table("phases", joined, out)
    return int(joined.num_rows)
