"""Slopes of critical learning rates in depth or width, from the table ``phases``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from nup.claims import markdown as text
from nup.claims.nets import ordered
from nup.claims.run_selection import Axis
from nup.claims.statistics import Interval, mean_interval, slope
from nup.phases.threshold_search import LINES

#: The fewest sizes to which a slope is fitted.
LEAST_SIZES = 3


def of_experiment(tables: Mapping[str, pd.DataFrame], experiment: str) -> pd.DataFrame:
    """Rows of ``phases`` of one phase diagram; none if it was not run."""
    table = tables.get("phases", pd.DataFrame({"experiment": []}))
    rows = table[table["experiment"] == experiment]
    if rows.empty:
        return pd.DataFrame({name: [] for name in ("net", "activation", "line")})
    return rows


def slopes(
    tables: Mapping[str, pd.DataFrame], experiment: str, axis_name: Axis = "depth"
) -> pd.DataFrame:
    """Slope of log2 of each line against log2 size, per net and activation.

    A seed's slope is fitted to the sizes at which its line was bracketed, at least ``LEAST_SIZES``.

    Args:
        tables: the tidy tables, of which ``phases`` is read.
        experiment: name of the phase diagram in the study configuration.
        axis_name: the size that the diagram varies.

    Returns:
        Columns ``net``, ``activation``, ``line``; for ``c`` and ``learning_rate`` the mean slope
        over seeds with its 95 % Student's t interval (``c_low`` …); ``n_seeds``, the number of
        seeds with a slope; ``censored``, the number of lines beyond the range or that do not exist,
        and ``n_lines``, that of all lines.
    """
    rows = of_experiment(tables, experiment)
    found = []
    for net, activation, line in product(
        ordered(rows),
        sorted(rows["activation"].unique()),
        LINES,
    ):
        chosen = rows[
            (rows["net"] == net) & (rows["activation"] == activation) & (rows["line"] == line)
        ]
        if chosen.empty:
            continue
        bracketed = chosen[chosen["censored"] == ""]
        row = {"net": net, "activation": activation, "line": line}
        for quantity in ("c", "learning_rate"):
            interval = _slope(bracketed, axis_name, quantity)
            row |= {
                quantity: interval.estimate,
                f"{quantity}_low": interval.low,
                f"{quantity}_high": interval.high,
                "n_seeds": interval.n,
            }
        row |= {"censored": len(chosen) - len(bracketed), "n_lines": len(chosen)}
        found.append(row)
    return pd.DataFrame(found)


def _slope(rows: pd.DataFrame, axis_name: Axis, quantity: str) -> Interval:
    """Mean slope over seeds; nan if no seed has enough sizes."""
    by_seed = [
        slope(np.log2(seed[axis_name]), np.log2(seed[quantity]))
        for _, seed in rows.groupby("seed")
        if seed[axis_name].nunique() >= LEAST_SIZES
    ]
    return mean_interval(by_seed) if by_seed else Interval(np.nan, np.nan, np.nan, 0)


def markdown(table: pd.DataFrame) -> str:
    """The table of ``slopes`` as Markdown, one row per net, activation and line."""
    if table.empty:
        return "not run: the study has no such phase diagram"
    lines = [
        {
            "net": row["net"],
            "activation": row["activation"],
            "line": row["line"],
            "slope of log2 c": _cell(row, "c"),
            "slope of log2 η": _cell(row, "learning_rate"),
            "seeds": row["n_seeds"],
            "censored": f"{row['censored']} of {row['n_lines']}",
        }
        for _, row in table.iterrows()
    ]
    return text.table(pd.DataFrame(lines))


def raggedness(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Number of searches, of bracketed lines and of ragged lines, per kind of line.

    A line is ragged if its predicate fails again at a larger c that was tried.

    Args:
        tables: the tidy tables, of which ``phases`` is read.

    Returns:
        Columns ``lines``, ``bracketed``, ``ragged``, and ``exceptions``: the mean, over ragged
        lines, of the share of the values of c tried that lie above the line and fail.
    """
    table = tables["phases"]
    found = table[table["c"].notna()]
    ragged = found[found["exceptions"] > 0]
    share = (ragged["exceptions"] / ragged["n_tried"]).astype(float).groupby(ragged["line"]).mean()
    columns = {
        "lines": table.groupby("line").size(),
        "bracketed": (table["censored"] == "").groupby(table["line"]).sum(),
        "ragged": ragged.groupby("line").size(),
    }
    counts = pd.DataFrame(columns).reindex(LINES).fillna(0).astype(int)
    return counts.assign(exceptions=share.reindex(LINES))


def markdown_raggedness(tables: Mapping[str, pd.DataFrame]) -> str:
    """``raggedness`` as a Markdown table."""
    found = raggedness(tables)
    shares = ["–" if np.isnan(share) else f"{share:.0%}" for share in found["exceptions"]]
    names = {"lines": "searches", "bracketed": "bracketed", "ragged": "not monotone above"}
    counts = found.rename_axis("line").reset_index().rename(columns=names)
    columns = ["line", *names.values(), "share of c where it fails again"]
    return text.table(counts.assign(**{columns[-1]: shares})[columns])


def _cell(row: pd.Series, quantity: str) -> str:
    estimate, low, high = row[quantity], row[f"{quantity}_low"], row[f"{quantity}_high"]
    if np.isnan(estimate):
        return "–"
    interval = "" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{estimate:+.2f}{interval}".replace("-", "−")
