"""The nets of a study, distinguished and ordered by their columns; labels are never parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

#: The columns that describe a net; ``net`` is its label.
COLUMNS = ["net", "parameterization", "net_options", "width_exponent", "optimizer", "matched_to"]

#: Values where a table lacks the column: plain gradient descent, no matched size.
_DEFAULTS = {"net_options": "{}", "width_exponent": 0.0, "optimizer": "sgd", "matched_to": ""}

#: Subjects whose options have a column of their own.
Subject = Literal["net", "schedule", "optimizer", "data"]


def nets_in(*tables: pd.DataFrame) -> pd.DataFrame:
    """The nets that occur in some tables, one row each.

    Nets whose widths grow with depth come first; then they are sorted by parameterization, width
    exponent, options, optimizer, and the size that they match.

    Args:
        tables: frames ``runs``, ``init`` or ``phases`` or rows of them; empty ones are passed over.

    Returns:
        The columns ``COLUMNS``.
    """
    parts = [
        table.reindex(columns=COLUMNS).drop_duplicates().astype(object)
        for table in tables
        if "net" in table and not table.empty
    ]
    if not parts:
        return pd.DataFrame({label: [] for label in COLUMNS})
    found = pd.concat(parts).drop_duplicates("net")
    for label, value in _DEFAULTS.items():
        found[label] = found[label].where(found[label].notna(), value)
    exponents = found["width_exponent"].astype("float64")
    found = found.assign(width_exponent=exponents, constant=exponents <= 0).sort_values(
        ["constant", "parameterization", "width_exponent", "net_options", "optimizer", "matched_to"]
    )
    return found[COLUMNS].reset_index(drop=True)


def ordered(rows: pd.DataFrame) -> list[str]:
    """Labels of the nets in rows of a table, in the order of ``nets_in``."""
    return list(nets_in(rows)["net"])


def nets_of_study(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """``nets_in`` of all tables of a study."""
    return nets_in(*(tables[name] for name in ("runs", "init", "phases") if name in tables))


def comparable(nets: pd.DataFrame, chosen: Sequence[str]) -> dict[str, list[str]]:
    """The chosen nets in groups whose sizes are alike, under the name of what is equal.

    Nets of their own base width are one group; nets that match the size of another net, with that
    net, are a further one.

    Args:
        nets: rows of ``nets_in``.
        chosen: labels; those without a row are passed over.

    Returns:
        Name of a group → labels in the order of ``nets``.
    """
    rows = nets[nets["net"].isin(chosen)]
    own = rows[rows["matched_to"] == ""]
    found = {"equal base width": list(own["net"])} if len(own) else {}
    targets = sorted(set(rows["matched_to"]) - {""})
    for target in targets:
        name = "equal parameters" if len(targets) == 1 else f"as many parameters as {target}"
        alike = (rows["matched_to"] == target) | (rows["net"] == target)
        found[name] = list(rows.loc[alike, "net"])
    return found


def option(rows: pd.DataFrame, subject: Subject, name: str) -> pd.Series[float]:
    """One numeric option of the net, schedule, optimizer or data set of each row.

    Args:
        rows: of a table with the JSON column ``<subject>_options``.
        subject: whose option it is.
        name: of the option.

    Returns:
        Values aligned with ``rows``; nan where there is no such option.
    """
    texts = rows[f"{subject}_options"]
    values = {text: json.loads(text).get(name) for text in texts.dropna().unique()}
    return texts.map(values).astype("float64")
