"""Measure nets at their initialization and leave the table ``init``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from nup.data import datasets
from nup.initialization.signals import measure
from nup.specs import InitSpec, canonical_json
from nup.tables import store
from nup.tables.schema import INIT


def run(specs: Sequence[InitSpec], out: Path) -> int:
    """Measure ``specs`` and write them to ``out`` as table ``init``; returns its number of rows."""
    columns: dict[str, list[Any]] = {name: [] for name in INIT}

    def data_key(spec: InitSpec) -> str:
        return canonical_json(asdict(spec.data))

    for _, group in groupby(sorted(specs, key=data_key), key=data_key):
        same_data = list(group)
        for name, values in measure(same_data, datasets.load(same_data[0].data)).items():
            columns[name].extend(values)
    store.write_table("init", columns, out)
    return len(columns["layer"])
