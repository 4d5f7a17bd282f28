"""Comparison of two tables of claims, of a new run and of the shipped one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nup.claims.evaluation import OVERALL
from nup.tables import store

#: Columns of ``runs`` on which last digits depend, and with them runs beyond the edge of stability.
MACHINE = ("blas", "device", "backend", "dtype", "torch_version", "numba_version")
KEY = ["claim", "activation", "setting", "criterion", "reading"]


def differences(new: str | Path, reference: str | Path) -> list[str]:
    """One line per criterion that is absent, judged differently, or whose intervals are disjoint.

    Criteria are held against those of the same reading. A claim as a whole is held against itself,
    whichever reading decides; where another one does, that is said.

    Args:
        new: path of a table of claims, of this version or an earlier one.
        reference: path of another.

    Returns:
        An empty list if they agree.
    """
    rows = side_by_side(new, reference)
    return [f"{_name(key)}: {text}" for key, row in rows.iterrows() if (text := difference(row))]


def machines(new: str | Path, reference: str | Path) -> list[str]:
    """What computed the runs beside both tables of claims, a line for each thing that differs.

    Without a table ``runs`` beside one of them there is nothing to say. What an earlier version did
    not record is not held against what is recorded now.
    """
    paths = [Path(claims).with_name("runs.parquet") for claims in (new, reference)]
    if not all(path.is_file() for path in paths):
        return []
    tables = [store.read_table("runs", path, ["run_id", *MACHINE]) for path in paths]
    lines = []
    for column in MACHINE:
        mine, theirs = (", ".join(sorted(set(table[column].dropna()))) for table in tables)
        if mine and theirs and mine != theirs:
            lines.append(f"{column}: {mine}, reference {theirs}")
    return lines


def side_by_side(new: str | Path, reference: str | Path) -> pd.DataFrame:
    """Both tables by ``KEY``: their columns below ``new`` and below ``reference``."""
    tables = [_keyed(store.read_table("claims", path)) for path in (new, reference)]
    return pd.concat(tables, axis=1, keys=["new", "reference"], join="outer", sort=False)


def _keyed(claims: pd.DataFrame) -> pd.DataFrame:
    """The table by ``KEY``; an overall row has no reading in its key, but in ``decides``."""
    decides = claims["reading"].fillna("")
    overall = claims["criterion"] == OVERALL
    return claims.assign(reading=decides.mask(overall, ""), decides=decides).set_index(KEY)


def _name(key: object) -> str:
    return " / ".join(str(part) for part in (key if isinstance(key, tuple) else (key,)) if part)


def difference(row: pd.Series) -> str:
    """How the two sides of a row of ``side_by_side`` differ; empty if they agree."""
    for side, other in (("new", "reference"), ("reference", "new")):
        if pd.isna(row[side, "verdict"]):
            return f"only in the {other} table"
    new, reference = (
        f"{row[side, 'verdict']} {interval(row, side)}".rstrip() for side in ("new", "reference")
    )
    if row["new", "verdict"] != row["reference", "verdict"]:
        return f"{new}, reference {reference}"
    if row["new", "decides"] != row["reference", "decides"]:
        return f"{row['new', 'decides']} decides, reference {row['reference', 'decides']}"
    if row["new", "low"] > row["reference", "high"] or row["new", "high"] < row["reference", "low"]:
        return f"intervals do not overlap: {new}, reference {reference}"
    return ""


def interval(row: pd.Series, side: str) -> str:
    """The estimate of a side with its interval; empty if there is none."""
    estimate, low, high = (row[side, column] for column in ("estimate", "low", "high"))
    return "" if pd.isna(estimate) else f"{estimate:.3g} [{low:.3g}, {high:.3g}]"
