"""Estimators of learning rates against depth and against width [operational]."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.learning_rates import Rate, chosen_runs, grid_runs, undecided
from nup.claims.run_selection import Axis, Measurement, NotRun, RunSelection, Undecided, remembered
from nup.claims.statistics import slope


@register
def depth_slope(selection: RunSelection, net: str, rate: Rate) -> Measurement:
    """Slope of log2 LR against log2 depth, per seed, of the best or the largest stable LR."""
    return _rate_slope(selection, net, rate, "depth")


@register
def width_slope(selection: RunSelection, net: str, rate: Rate) -> Measurement:
    """Slope of log2 LR against log2 base width, per seed, of the best or the largest stable LR."""
    return _rate_slope(selection, net, rate, "base_width")


@remembered
def _rate_slope(selection: RunSelection, net: str, rate: Rate, axis: Axis) -> Measurement:
    runs = grid_runs(selection, net, axis)
    chosen = chosen_runs(runs, rate, axis)
    reason = undecided(runs, chosen, rate, axis)
    slopes = slopes_by_seed(chosen, chosen["learning_rate"], runs[axis].nunique(), axis)
    if slopes.empty:
        raise Undecided(reason)
    return Measurement(slopes, undecided=reason)


def slopes_by_seed(
    chosen: pd.DataFrame, values: pd.Series[float], n_sizes: int, axis: Axis = "depth"
) -> pd.Series[float]:
    """Slope of log2 of ``values`` against log2 size of the seeds that have a run at every size.

    Args:
        chosen: one row per (size, seed).
        values: positive, aligned with ``chosen``.
        n_sizes: number of sizes a seed must have.
        axis: the size: depth or base width.

    Returns:
        Slopes indexed by seed.
    """
    table = chosen.assign(value=values)
    slopes = {
        seed: slope(np.log2(group[axis]), np.log2(group["value"]))
        for seed, group in table.groupby("seed")
        if len(group) == n_sizes
    }
    return pd.Series(slopes, dtype="float64")


@register
def depth_slope_gain(selection: RunSelection, net: str, against: str, rate: Rate) -> Measurement:
    """|slope of ``against``| − |slope of ``net``|, paired by seed: how much gentler ``net`` is."""
    require_same_depths(selection, net, against)
    own, other = (depth_slope(selection, each, rate) for each in (net, against))
    return shrinkage(own, other, f"{net} and {against}")


def shrinkage(own: Measurement, other: Measurement, names: str) -> Measurement:
    """Magnitude of ``other`` minus magnitude of ``own``, paired by seed."""
    return difference(
        Measurement(other.by_seed.abs(), other.undecided),
        Measurement(own.by_seed.abs(), own.undecided),
        names,
    )


def difference(left: Measurement, right: Measurement, names: str) -> Measurement:
    """``left`` − ``right`` of the seeds that both have.

    Raises:
        Undecided: if there is none; ``names`` says of what.
    """
    values = (left.by_seed - right.by_seed).dropna()
    reasons = "; ".join(dict.fromkeys(filter(None, (left.undecided, right.undecided))))
    if values.empty:
        raise Undecided(reasons or f"{names} share no seed")
    return Measurement(values, undecided=reasons)


def require_same_depths(selection: RunSelection, net: str, against: str) -> None:
    """Require that two nets were run at the same depths, so that their slopes compare.

    Raises:
        NotRun: if the two nets were run at different depths.
    """
    depths = {name: sorted(grid_runs(selection, name)["depth"].unique()) for name in (net, against)}
    if depths[net] != depths[against]:
        listed = "; ".join(f"{name}: {', '.join(map(str, d))}" for name, d in depths.items())
        raise NotRun(f"the two nets were run at different depths ({listed})")
