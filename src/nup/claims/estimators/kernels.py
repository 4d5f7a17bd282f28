"""The neural tangent kernel at initialization: its concentration and its spectrum.

The claims are the companions' [comp], how they are judged is ours [operational]. The columns
``ntk_*`` of the table ``init`` stand in the rows of the last layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import Measurement, NotRun, RunSelection
from nup.claims.statistics import slope

#: Points that a slope needs at least.
LEAST_POINTS = 3

Quantity = Literal["distance error", "condition gap"]


def kernel_rows(selection: RunSelection, net: str) -> pd.DataFrame:
    """One row per net, seed, depth and width, with ``condition_gap`` = κ/κ_∞ − 1.

    Raises:
        NotRun: if the kernels of this net were not measured.
    """
    rows = selection.init_of(net, varying=("base_width",))
    rows = rows[rows["ntk_error"].notna()]
    if rows.empty:
        raise NotRun(
            f"{net}: experiment `{selection.experiment}` measured no kernels (kernel: true)"
        )
    return rows.assign(condition_gap=rows["ntk_condition"] / rows["ntk_condition_limit"] - 1)


@register
def concentration_width_slope(selection: RunSelection, net: str, experiment: str) -> Measurement:
    """Slope of ln(relative NTK error) in ln m, at the deepest net of ``experiment``."""
    rows = kernel_rows(selection.within(experiment=experiment), net)
    depth = int(rows["depth"].max())
    by_seed = _log_slopes(rows[rows["depth"] == depth], "base_width", net)
    return Measurement(by_seed, note=f"depth {depth}")


@register
def concentration_depth_slope_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """Slope of ln(relative NTK error) in ln depth of ``against`` minus that of ``net``, by seed."""
    slopes, depths = {}, {}
    for name in (net, against):
        rows = kernel_rows(selection, name)
        depths[name] = sorted(rows["depth"].unique())
        slopes[name] = _log_slopes(rows, "depth", name)
    if depths[net] != depths[against]:
        raise NotRun(f"{net} and {against} were measured at different depths")
    gain = (slopes[against] - slopes[net]).dropna()
    means = ", ".join(f"{name} {values.mean():+.2f}" for name, values in slopes.items())
    return Measurement(gain, note=f"slopes: {means}")


@register
def concentration_log_ratio(
    selection: RunSelection, net: str, depth: int, activations: Sequence[str]
) -> Measurement:
    """ln of the NTK error of the first of two ``activations`` over that of the second, by seed.

    The numbers do not depend on the activation that is evaluated.
    """
    logs = []
    for name in activations:
        rows = kernel_rows(selection.within(activation=name), net)
        rows = rows[rows["depth"] == depth]
        if rows.empty:
            raise NotRun(f"{net}: no kernel of {name} at depth {depth}")
        logs.append(np.log(rows.set_index("seed")["ntk_error"]))
    return Measurement((logs[0] - logs[1]).dropna())


@register
def doubling_ratio(
    selection: RunSelection, net: str, quantity: Quantity, depth: int
) -> Measurement:
    """The quantity at twice ``depth`` over that at ``depth``, by seed; it falls where below 1."""
    rows = kernel_rows(selection, net)
    values = []
    for each in (2 * depth, depth):
        found = rows[rows["depth"] == each]
        if found.empty:
            raise NotRun(f"{net}: no kernel at depth {each}")
        values.append(found.set_index("seed")[_COLUMNS[quantity]])
    return Measurement((values[0] / values[1]).dropna())


@register
def condition_gap_ratio(
    selection: RunSelection, net: str, activations: Sequence[str]
) -> Measurement:
    """κ/κ_∞ − 1 of the activation with the larger Δ_φ over that of the other, by seed.

    At the depth where the ratio is largest, so that a value below 1 holds at every depth. The
    numbers do not depend on the activation that is evaluated.
    """
    tables = [kernel_rows(selection.within(activation=name), net) for name in activations]
    tables.sort(key=lambda rows: -float(rows["delta_phi"].iloc[0]))
    gaps = [rows.set_index(["depth", "seed"])["condition_gap"] for rows in tables]
    ratio = (gaps[0] / gaps[1]).dropna()
    depths = ", ".join(map(str, sorted(ratio.index.unique("depth"))))
    return Measurement(ratio.groupby("seed").max(), note=f"depths {depths}")


_COLUMNS = {"distance error": "ntk_distance_error", "condition gap": "condition_gap"}


def _log_slopes(rows: pd.DataFrame, column: str, net: str) -> pd.Series[float]:
    """Slope of ln error in ln ``column`` for each seed."""
    points = sorted(rows[column].unique())
    if len(points) < LEAST_POINTS:
        listed = ", ".join(map(str, points))
        raise NotRun(f"{net}: a slope needs at least {LEAST_POINTS} of {column}, got {listed}")
    return pd.Series(
        {
            seed: slope(np.log(group[column]), np.log(group["ntk_error"]))
            for seed, group in rows.groupby("seed")
        }
    )
