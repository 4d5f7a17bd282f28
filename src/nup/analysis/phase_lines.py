"""How critical learning rates scale: slopes of lines in depth or width, from table ``phases``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from nup.claims.run_selection import Axis, net_labels
from nup.claims.statistics import Interval, bootstrap_mean, slope
from nup.phases.threshold_search import LINES

#: The fewest sizes to which a slope is fitted.
LEAST_SIZES = 3


def of_experiment(tables: Mapping[str, pd.DataFrame], experiment: str) -> pd.DataFrame:
    """Rows of ``phases`` of one phase diagram with a column ``net``; none if it was not run."""
    table = tables.get("phases", pd.DataFrame({"experiment": []}))
    rows = table[table["experiment"] == experiment]
    if rows.empty:
        return pd.DataFrame({name: [] for name in ("net", "activation", "line")})
    return rows.assign(net=net_labels(rows))


def slopes(
    tables: Mapping[str, pd.DataFrame], experiment: str, axis_name: Axis = "depth"
) -> pd.DataFrame:
    """Slope of log2 of each line against log2 size, per net and activation.

    Columns ``net``, ``activation``, ``line``, and for ``c`` and ``learning_rate`` the mean over
    seeds with its 95 % bootstrap interval (``c_low`` …). A seed's slope is fitted to the sizes at
    which its line was bracketed, at least ``LEAST_SIZES``; ``n_seeds`` seeds have one. ``censored``
    counts lines that lie beyond the range or do not exist, of ``n_lines`` in all.
    """
    rows = of_experiment(tables, experiment)
    found = []
    for net, activation, line in product(
        sorted(rows["net"].unique(), key=lambda net: (not net.startswith("nup"), net)),
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
    """Mean over seeds of the slope, nan if no seed has enough sizes."""
    by_seed = [
        slope(np.log2(seed[axis_name]), np.log2(seed[quantity]))
        for _, seed in rows.groupby("seed")
        if seed[axis_name].nunique() >= LEAST_SIZES
    ]
    return bootstrap_mean(by_seed) if by_seed else Interval(np.nan, np.nan, np.nan, 0)


def markdown(table: pd.DataFrame) -> str:
    """The slopes as a Markdown table, a row per net, activation and line."""
    if table.empty:
        return "not run: the study has no such phase diagram"
    lines = [
        "| net | activation | line | slope of log2 c | slope of log2 η | seeds | censored |",
        "|---|---|---|---|---|---|---|",
    ]
    for _, row in table.iterrows():
        c, rate = _cell(row, "c"), _cell(row, "learning_rate")
        censored = f"{row['censored']} of {row['n_lines']}"
        label = f"| {row['net']} | {row['activation']} | {row['line']} "
        lines.append(f"{label}| {c} | {rate} | {row['n_seeds']} | {censored} |")
    return "\n".join(lines)


def raggedness(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """By line: how many there are, were bracketed, and have exceptions above them.

    Columns ``lines``, ``bracketed``, ``ragged`` and ``exceptions``, the mean share of the values of
    c tried at which a ragged line's predicate fails though it lies above the line.
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
    lines = [
        "| line | searches | bracketed | not monotone above | share of c where it fails again |",
        "|---|---|---|---|---|",
    ]
    for line, row in raggedness(tables).iterrows():
        share = "–" if np.isnan(row["exceptions"]) else f"{row['exceptions']:.0%}"
        counts = " | ".join(f"{row[name]:.0f}" for name in ("lines", "bracketed", "ragged"))
        lines.append(f"| {line} | {counts} | {share} |")
    return "\n".join(lines)


def _cell(row: pd.Series, quantity: str) -> str:
    estimate, low, high = row[quantity], row[f"{quantity}_low"], row[f"{quantity}_high"]
    if np.isnan(estimate):
        return "–"
    interval = "" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{estimate:+.2f}{interval}".replace("-", "−")
