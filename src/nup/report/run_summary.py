"""What a study ran and where its results come from: counts, time, commits and versions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nup.tables import store

#: Columns of ``runs`` that say where results come from, and what they are called.
_ORIGINS = {
    "commit": "Commit",
    "nup_version": "nup",
    "python_version": "Python",
    "torch_version": "torch",
    "numba_version": "numba",
    "device": "Device",
    "backend": "Backend",
    "blas": "BLAS",
    "dtype": "Number format",
}
#: Columns of ``runs`` that tell an experiment's size, and what they are called.
_VARIED = {
    "dataset": "data",
    "activation": "activations",
    "depth": "depths",
    "base_width": "base widths",
    "steps": "steps",
}
#: Values that are named one by one.
_NAMED = 8


class RunSummary(NamedTuple):
    """Facts on a study as pairs of name and text, and a table of its experiments."""

    facts: list[tuple[str, str]]
    head: list[str]
    experiments: list[list[str]]


def summary(folder: Path) -> RunSummary:
    """The summary of the study whose tables are in ``folder``; absent tables count nothing."""
    runs = _table(folder, "runs")
    facts = [
        (name, f"{table[key].nunique():,} {noun}")
        for name, table, key, noun in (
            ("Initialization", _table(folder, "init"), "cell_id", "nets"),
            ("Phase diagrams", _table(folder, "phases"), "cell_id", "nets and seeds"),
        )
        if table is not None and len(table)
    ]
    if runs is None or runs.empty:
        return RunSummary([("Training", "no runs"), *facts], [], [])
    diverged = int((runs["status"] == "diverged").sum())
    minutes = runs["wall_time_s"].sum() / 60
    trained = [
        ("Training", f"{len(runs):,} runs, of which {diverged:,} diverged"),
        ("Time", f"{minutes:,.1f} core minutes of training"),
    ]
    experiments = [_experiment(str(name), own) for name, own in runs.groupby("experiment")]
    head = ["experiment", "runs", "diverged", "nets", "seeds", *_VARIED.values(), "core minutes"]
    return RunSummary([*trained, *facts, *_origins(runs)], head, experiments)


def _origins(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Commit, versions and devices, each with the number of runs where there are several."""
    facts = []
    for column, name in _ORIGINS.items():
        counts = runs[column].fillna("").astype(str).value_counts()
        several = len(counts) > 1
        values = [
            f"{value or 'unknown'}{f' ({count:,} runs)' if several else ''}"
            for value, count in counts.items()
        ]
        facts.append((name, ", ".join(values[:_NAMED])))
    if runs["dirty"].fillna(False).astype(bool).any():
        facts.append(("Work tree", "it differed from the commit"))
    facts.append(
        ("Code", f"{runs['code_digest'].nunique()} digest(s), one for each set of entries")
    )
    return facts


def _experiment(name: str, runs: pd.DataFrame) -> list[str]:
    return [
        name,
        f"{len(runs):,}",
        f"{int((runs['status'] == 'diverged').sum()):,}",
        str(runs["net"].nunique()),
        str(runs["seed"].nunique()),
        *(_values(runs[column]) for column in _VARIED),
        f"{runs['wall_time_s'].sum() / 60:,.1f}",
    ]


def _values(column: pd.Series) -> str:
    values = [str(value) for value in sorted(column.dropna().unique())]
    if len(values) > _NAMED:
        return f"{values[0]} … {values[-1]}"
    return ", ".join(values)


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    path = folder / f"{name}.parquet"
    return store.read_table(name, path) if path.is_file() else None
