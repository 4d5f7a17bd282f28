"""Regimes: the loss and the batch size in which an experiment was run.

A claim is evaluated in each regime of its experiment separately, as it is for each activation: what
holds for full batches and squared errors need not hold for minibatches or cross-entropy. The column
of the table ``claims`` that names the regime is called ``setting``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

#: The label of claims on nets that were not trained.
INITIALIZATION = "initialization"

_LOSSES = {"mse": "mse", "cross_entropy": "cross-entropy"}


class Regime(NamedTuple):
    """Columns of ``runs``: name of the loss, and samples per step, None for full batch."""

    loss_name: str
    batch_size: int | None

    @property
    def label(self) -> str:
        """Readable: ``mse, full batch``, ``cross-entropy, batch 256``."""
        batch = "full batch" if self.batch_size is None else f"batch {self.batch_size}"
        return f"{_LOSSES.get(self.loss_name, self.loss_name)}, {batch}"


def matching(rows: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have these values in these columns; None matches a missing value."""
    for column, value in values.items():
        rows = rows[rows[column].isna() if value is None else rows[column] == value]
    return rows


def regimes_of(
    tables: Mapping[str, pd.DataFrame], experiment: str, select: Mapping[str, Any] | None = None
) -> list[Regime]:
    """The regimes that an experiment has runs in: mse first, full batches first.

    Args:
        tables: the tidy tables, of which ``runs`` is read if it is there.
        experiment: value of the column ``experiment``.
        select: further columns of ``runs`` with the value they must have, None for a missing one.
    """
    if "runs" not in tables or tables["runs"].empty:
        return []
    rows = matching(tables["runs"], {"experiment": experiment, **(select or {})})
    pairs = rows[["loss_name", "batch_size"]].drop_duplicates().itertuples(index=False)
    found = {Regime(str(name), None if pd.isna(size) else int(size)) for name, size in pairs}
    return sorted(found, key=lambda each: (each.loss_name != "mse", each.loss_name, _size(each)))


def _size(regime: Regime) -> int:
    return 0 if regime.batch_size is None else regime.batch_size


def judged_names(rows: pd.DataFrame) -> pd.Series[str]:
    """Name of the subject of each row: its activation, with the regime where several occur.

    Args:
        rows: rows of the table ``claims``, usually those of one claim.
    """
    if rows["setting"].nunique() < 2:
        return rows["activation"]
    return rows["activation"] + ", " + rows["setting"]


def claim_regimes(judged: pd.DataFrame, claim_id: str) -> list[str]:
    """The regimes in which a claim was judged, in the table's order; [''] if in none."""
    return list(dict.fromkeys(judged.loc[judged["claim"] == claim_id, "setting"])) or [""]
