"""Estimators of learning rates, and of what they reach, against depth and width [operational]."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.learning_rates import (
    CUTOFF,
    SENSITIVITY,
    Rate,
    at_rate,
    grid_runs,
    problems,
    rate_table,
)
from nup.claims.run_selection import Axis, Measurement, NotRun, RunSelection, Undecided, remembered
from nup.claims.statistics import slope

#: A test error of 0 counts as this: it has no logarithm.
LEAST_ERROR = 1e-4


@register
def depth_slope(selection: RunSelection, net: str, rate: Rate) -> Measurement:
    """Slope of log2 LR against log2 depth, per seed, of the best or the largest stable LR.

    For the largest stable LR the note gives the means at the cutoffs of ``SENSITIVITY``.

    Args:
        selection: the runs.
        net: label of the net.
        rate: ``best`` or ``largest stable``.
    """
    return _rate_slope(selection, net, rate, "depth")


@register
def width_slope(selection: RunSelection, net: str, rate: Rate) -> Measurement:
    """Slope of log2 LR against log2 base width, per seed, of the best or the largest stable LR.

    Args:
        selection: the runs.
        net: label of the net.
        rate: ``best`` or ``largest stable``.
    """
    return _rate_slope(selection, net, rate, "base_width")


@register
def depth_slope_gain(selection: RunSelection, net: str, against: str, rate: Rate) -> Measurement:
    """|slope of ``against``| − |slope of ``net``|, paired by seed: how much gentler ``net`` is.

    Args:
        selection: the runs.
        net: label of the net that should be gentler.
        against: label of the other.
        rate: ``best`` or ``largest stable``.
    """
    require_same_depths(selection, net, against)
    own, other = (depth_slope(selection, each, rate) for each in (net, against))
    gain = shrinkage(own, other, f"{net} and {against}")
    # A slope of +1, of rates that rise with depth, counts as much as one of −1.
    means = (each.by_seed.loc[gain.by_seed.index].mean() for each in (own, other))
    own_slope, other_slope = (f"{mean:+.2f}" for mean in means)
    return replace(gain, note=f"slopes {own_slope} and, of {against}, {other_slope}")


@register
def loss_depth_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 late loss, at the best LR, against log2 depth, per seed.

    Args:
        selection: the runs.
        net: label of the net.
    """
    runs = grid_runs(selection, net)
    found = rate_table(runs, "best")
    # The null loss is that of the targets, which do not depend on depth.
    return _size_slope(net, found, found["loss"], "best", "depth")


@register
def error_depth_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 test error, interpolated to the best LR, against log2 depth, per seed.

    Args:
        selection: the runs.
        net: label of the net.
    """
    runs = grid_runs(selection, net)
    if runs["test_accuracy"].isna().all():
        raise NotRun(f"{net}: no run has a test accuracy")
    errors = (1 - runs["test_accuracy"].astype("float64")).clip(lower=LEAST_ERROR)
    found = rate_table(runs, "best")
    return _size_slope(net, found, at_found(runs, errors, found, "depth"), "best", "depth")


def at_found(
    runs: pd.DataFrame, values: pd.Series[float], found: pd.DataFrame, axis: Axis
) -> pd.Series[float]:
    """A quantity of the runs at the rate found for each size and seed, see ``at_rate``.

    Args:
        runs: the runs of the grids.
        values: positive, aligned with ``runs``.
        found: rows of ``rate_table``.
        axis: the size that varies.

    Returns:
        Values aligned with ``found``.
    """
    grids = dict(list(runs[[axis, "seed", "learning_rate"]].groupby([axis, "seed"])))
    keys = zip(found[axis], found["seed"], np.log(found["learning_rate"]), strict=True)
    numbers = [
        at_rate(grids[size, seed], values.loc[grids[size, seed].index], log_rate)
        for size, seed, log_rate in keys
    ]
    return pd.Series(numbers, index=found.index, dtype="float64")


@remembered
def _rate_slope(selection: RunSelection, net: str, rate: Rate, axis: Axis) -> Measurement:
    runs = grid_runs(selection, net, axis)
    found = rate_table(runs, rate, axis)
    measured = _size_slope(net, found, found["learning_rate"], rate, axis)
    if rate == "best":
        return measured
    shown = []
    for cutoff in SENSITIVITY:
        other = rate_table(runs, rate, axis, cutoff)
        slopes = slopes_by_seed(other[other["problem"] == ""], "learning_rate", axis)
        mean = f"{slopes.mean():+.2f}" if len(slopes) else "none"
        shown.append(f"slope at cutoff {cutoff:g}: {mean}")
    note = f"{', '.join(shown)}; judged at {CUTOFF:g} of the null loss"
    return Measurement(measured.by_seed, measured.undecided, note)


def _size_slope(
    net: str, found: pd.DataFrame, values: pd.Series[float], rate: Rate, axis: Axis
) -> Measurement:
    usable = values.mask(found["problem"] == "none")
    return complete_slopes(net, found.assign(value=usable), problems(net, found, rate, axis), axis)


def complete_slopes(net: str, table: pd.DataFrame, reason: str, axis: Axis) -> Measurement:
    """Slopes of the column ``value`` of the seeds that have one at every size.

    Args:
        net: its label, for a message.
        table: one row per (size, seed); a missing ``value`` leaves its seed out.
        reason: why the slopes decide nothing; empty if they do.
        axis: the size.

    Raises:
        Undecided: if no seed is complete.
    """
    usable = table[table["value"].notna()]
    complete = usable.groupby("seed")[axis].transform("size") == table[axis].nunique()
    slopes = slopes_by_seed(usable[complete], "value", axis)
    if slopes.empty:
        raise Undecided(reason or f"{net}: no seed has a value at every size")
    return Measurement(slopes, undecided=reason)


def slopes_by_seed(table: pd.DataFrame, column: str, axis: Axis = "depth") -> pd.Series[float]:
    """Slope of log2 of a column against log2 size for each seed.

    Args:
        table: one row per (size, seed), with a positive ``column``.
        column: its name.
        axis: the size: depth or base width.

    Returns:
        Slopes indexed by seed; seeds with fewer than two sizes are left out.
    """
    slopes = {
        seed: slope(np.log2(group[axis]), np.log2(group[column]))
        for seed, group in table[["seed", axis, column]].groupby("seed")
        if len(group) > 1
    }
    return pd.Series(slopes, dtype="float64")


def shrinkage(own: Measurement, other: Measurement, names: str) -> Measurement:
    """Magnitude of ``other``'s mean minus that of ``own``'s, by seed.

    Each side keeps the sign of its mean: the mean of magnitudes of slopes around 0 would be the
    size of their noise.

    Args:
        own: slopes of the net that should be gentler.
        other: slopes of the other.
        names: of the two, for a message.

    Returns:
        Differences of the seeds that both have; their mean is the difference of the magnitudes.
    """
    both = own.by_seed.index.intersection(other.by_seed.index)
    return difference(_upright(other, both), _upright(own, both), names)


def _upright(measured: Measurement, seeds: pd.Index) -> Measurement:
    values = measured.by_seed.loc[seeds]
    sign = -1.0 if values.mean() < 0 else 1.0
    return Measurement(sign * values, measured.undecided)


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
