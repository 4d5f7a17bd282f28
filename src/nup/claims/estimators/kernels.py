"""The neural tangent kernel at initialization: its concentration and its spectrum.

The claims are the companions' [comp], how they are judged is ours [operational]. The columns
``ntk_*`` of the table ``init`` stand in the rows of the last layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import Measurement, NotRun, RunSelection
from nup.claims.statistics import slope

#: Points that a slope needs at least.
LEAST_POINTS = 3

#: Column of ``kernel_rows``.
_GAP = "condition_gap"


def kernel_rows(selection: RunSelection, net: str, measured: str = "ntk_condition") -> pd.DataFrame:
    """One row per net, seed, depth and width with ``measured``, and ``condition_gap`` = κ/κ_∞ − 1.

    Raises:
        NotRun: if the kernels of this net were not measured.
    """
    rows = selection.init_of(net, varying=("base_width",))
    rows = rows[rows[measured].notna()]
    if rows.empty:
        raise NotRun(
            f"{net}: experiment `{selection.experiment}` measured no kernels (kernel: net)"
        )
    return rows.assign(condition_gap=rows["ntk_condition"] / rows["ntk_condition_limit"] - 1)


@register
def concentration_width_slope(selection: RunSelection, net: str, experiment: str) -> Measurement:
    """Slope of ln(relative NTK error) in ln m, at the deepest net of ``experiment``."""
    rows = kernel_rows(selection.within(experiment=experiment), net, "ntk_error")
    depth = int(rows["depth"].max())
    by_seed = _log_slopes(rows[rows["depth"] == depth], "base_width", net)
    return Measurement(by_seed, note=f"depth {depth}")


@register
def concentration_depth_slope_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """Slope of ln(relative NTK error) in ln depth of ``against`` minus that of ``net``, by seed."""
    slopes, depths = {}, {}
    for name in (net, against):
        rows = kernel_rows(selection, name, "ntk_error")
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
def doubling_ratio(selection: RunSelection, net: str, depth: int) -> Measurement:
    """Error of the inverse distances at twice ``depth`` over that at ``depth``, by seed.

    Args:
        selection: the initializations.
        net: label of the net.
        depth: the smaller of the two.

    Raises:
        NotRun: if the kernel was not measured at both depths.
    """
    rows = kernel_rows(selection, net)
    values = []
    for each in (2 * depth, depth):
        found = rows[rows["depth"] == each]
        if found.empty:
            raise NotRun(f"{net}: no kernel at depth {each}")
        values.append(found.set_index("seed")["ntk_distance_error"])
    return Measurement((values[0] / values[1]).dropna())


@register
def condition_slope_order(
    selection: RunSelection, net: str, activations: Sequence[str]
) -> Measurement:
    """Largest excess of the slope of ln(κ/κ_∞ − 1) in ln depth over that of the next smaller Δ_φ.

    Below 0 the condition number nears its limit the faster the larger Δ_φ is, for every pair of
    neighbours in the order of Δ_φ. The numbers do not depend on the activation that is evaluated.

    Args:
        selection: the initializations.
        net: label of the net.
        activations: those that are compared, two or more.
    """
    slopes = {}
    for name in activations:
        rows = kernel_rows(selection.within(activation=name), net)
        slopes[name] = (float(rows["delta_phi"].iloc[0]), _log_slopes(rows, "depth", net, _GAP))
    order = sorted(slopes, key=lambda name: -slopes[name][0])
    excess = pd.concat(
        [slopes[one][1] - slopes[other][1] for one, other in itertools.pairwise(order)], axis=1
    )
    means = ", ".join(f"{name} {slopes[name][1].mean():+.2f}" for name in order)
    return Measurement(excess.dropna().max(axis=1), note=f"slopes: {means}")


def _log_slopes(
    rows: pd.DataFrame, column: str, net: str, quantity: str = "ntk_error"
) -> pd.Series[float]:
    """Slope of the log of a quantity in ln ``column`` for each seed."""
    points = sorted(rows[column].unique())
    if len(points) < LEAST_POINTS:
        listed = ", ".join(map(str, points))
        raise NotRun(f"{net}: a slope needs at least {LEAST_POINTS} of {column}, got {listed}")
    return pd.Series(
        {
            seed: slope(np.log(group[column]), np.log(group[quantity]))
            for seed, group in rows.groupby("seed")
        }
    )
