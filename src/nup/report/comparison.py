"""Comparison of two tables of claims, of a new run and of the shipped one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nup.claims.evaluation import OVERALL
from nup.tables import store

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
    tables = [_keyed(store.read_table("claims", path)) for path in (new, reference)]
    rows = pd.concat(tables, axis=1, keys=["new", "reference"], join="outer", sort=False)
    return [line for key, row in rows.iterrows() if (line := _difference(key, row))]


def _keyed(claims: pd.DataFrame) -> pd.DataFrame:
    """The table by ``KEY``; an overall row has no reading in its key, but in ``decides``."""
    decides = claims["reading"].fillna("")
    overall = claims["criterion"] == OVERALL
    return claims.assign(reading=decides.mask(overall, ""), decides=decides).set_index(KEY)


def _difference(key: object, row: pd.Series) -> str:
    name = " / ".join(str(part) for part in (key if isinstance(key, tuple) else (key,)) if part)
    for side, other in (("new", "reference"), ("reference", "new")):
        if pd.isna(row[side, "verdict"]):
            return f"{name}: only in the {other} table"
    new, reference = (
        f"{row[side, 'verdict']}{_interval(row, side)}" for side in ("new", "reference")
    )
    if row["new", "verdict"] != row["reference", "verdict"]:
        return f"{name}: {new}, reference {reference}"
    if row["new", "decides"] != row["reference", "decides"]:
        return f"{name}: {row['new', 'decides']} decides, reference {row['reference', 'decides']}"
    if row["new", "low"] > row["reference", "high"] or row["new", "high"] < row["reference", "low"]:
        return f"{name}: intervals do not overlap: {new}, reference {reference}"
    return ""


def _interval(row: pd.Series, side: str) -> str:
    estimate, low, high = (row[side, column] for column in ("estimate", "low", "high"))
    return "" if pd.isna(estimate) else f" {estimate:.3g} [{low:.3g}, {high:.3g}]"
