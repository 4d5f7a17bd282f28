"""Estimators of the effect of gradient scaling ξ on stable learning rates [v2] [operational]."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.curvature import unscaled_column
from nup.claims.estimators.depth import at_found
from nup.claims.learning_rates import grid_runs, problems, rate_table
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided

#: Losses below count as this number: the records are float32.
_LEAST_LOSS = float(np.finfo(np.float32).tiny)


@register
def stable_rate_ratio(selection: RunSelection, net: str, gradient_scaling: str) -> Measurement:
    """Largest stable LR with ξ over the one without; a seed's mean over its depths.

    Args:
        selection: the runs.
        net: label of the net.
        gradient_scaling: label of the scaling.
    """
    return rate_ratio(selection, (net, gradient_scaling), (net, "none"))


@register
def stable_rate_ratio_of_nets(
    selection: RunSelection, net: str, against: str, gradient_scaling: str
) -> Measurement:
    """Largest stable LR of ``net`` over that of ``against``, both with ξ; mean over depths.

    Args:
        selection: the runs.
        net: label of the net.
        against: label of the other.
        gradient_scaling: label of the scaling.
    """
    return rate_ratio(selection, (net, gradient_scaling), (against, gradient_scaling))


@register
def final_loss_gain(
    selection: RunSelection, net: str, against: str, gradient_scaling: str
) -> Measurement:
    """ln of the final loss of ``against`` over that of ``net``, both with ξ at their best LR.

    Paired by depth and seed; a seed's mean over its depths.

    Args:
        selection: the runs.
        net: label of the net.
        against: label of the other.
        gradient_scaling: label of the scaling.
    """
    own, other = (best_losses(selection, each, gradient_scaling) for each in (net, against))
    return _paired(
        other[0].map(math.log), own[0].map(math.log), (other[1], own[1]), f"{net} and {against}"
    )


@register
def edge_at_largest_stable(selection: RunSelection, net: str, gradient_scaling: str) -> Measurement:
    """Time-mean of η_tλ_t, λ without ξ, in the last stable run of each grid; mean over depths.

    Args:
        selection: the runs and their steps.
        net: label of the net.
        gradient_scaling: label of the scaling.
    """
    runs = grid_runs(selection, net, gradient_scaling=gradient_scaling, least_sizes=1)
    column, doubt = unscaled_column(selection, runs, "edge")
    found = rate_table(runs, "largest stable")
    steps = selection.steps
    means = steps[steps["run_id"].isin(found["run_id"])].groupby("run_id")[column].mean()
    values = found["run_id"].map(means.astype("float64")).mask(found["problem"] == "none")
    if values.isna().all():
        raise NotRun(f"{net}: no stable run has η_tλ_t (record.curvature)")
    reasons = (problems(net, found, "largest stable"), doubt)
    return _mean_over_depths(found.assign(value=values), "; ".join(filter(None, reasons)))


@register
def diverged_below_largest_stable(
    selection: RunSelection, net: str, gradient_scaling: str
) -> Measurement:
    """Number of runs with ξ that diverge at a rate below the largest stable one.

    A run diverges by a value that is not finite, or by a loss above the bound of
    ``nup.specs.run``, which ends it before its numbers overflow.

    Args:
        selection: the runs.
        net: label of the net.
        gradient_scaling: label of the scaling.
    """
    runs = grid_runs(selection, net, gradient_scaling=gradient_scaling, least_sizes=1)
    found = rate_table(runs, "largest stable")
    top = found[found["problem"] != "none"].set_index(["depth", "seed"])["learning_rate"]
    if top.empty:
        raise Undecided(problems(net, found, "largest stable"))
    cells = pd.MultiIndex.from_frame(runs[["depth", "seed"]])
    below = runs["learning_rate"].to_numpy() < top.reindex(cells).to_numpy()
    failed = (runs["status"] != "ok") & below
    return Measurement(failed.astype("float64").groupby(runs["seed"]).sum())


def rate_ratio(
    selection: RunSelection, above: tuple[str, str], below: tuple[str, str]
) -> Measurement:
    """Ratio of the largest stable LRs of two nets with their scalings; mean over depths.

    Args:
        selection: the runs.
        above: net and gradient scaling of the numerator.
        below: of the denominator.

    Raises:
        NotRun: if a grid has holes, or they differ in depths.
    """
    rates, reasons = [], []
    for net, scaling in (above, below):
        found = stable_rates(selection, net, scaling)
        reason = problems(net, found, "largest stable")
        where = "without ξ" if scaling == "none" else f"with {scaling}"
        reasons.append(f"{where}: {reason}" if reason else "")
        usable = found[found["problem"] != "none"]
        rates.append((usable.set_index(["depth", "seed"])["learning_rate"], set(found["depth"])))
    if rates[0][1] != rates[1][1]:
        raise NotRun(f"{above[0]} was run at different depths than what it is held against")
    ratios = (rates[0][0] / rates[1][0]).dropna().rename("value").reset_index()
    return _mean_over_depths(ratios, "; ".join(filter(None, reasons)), len(rates[0][1]))


def stable_rates(selection: RunSelection, net: str, gradient_scaling: str) -> pd.DataFrame:
    """``rate_table`` of the largest stable LR of a net with this gradient scaling."""
    runs = grid_runs(selection, net, gradient_scaling=gradient_scaling, least_sizes=1)
    return rate_table(runs, "largest stable")


def best_losses(
    selection: RunSelection, net: str, gradient_scaling: str
) -> tuple[pd.Series[float], str]:
    """Final loss at the best LR of each (depth, seed), interpolated, and doubts.

    Args:
        selection: the runs.
        net: label of the net.
        gradient_scaling: its label.

    Returns:
        Losses indexed by depth and seed; why they decide nothing.
    """
    runs = grid_runs(selection, net, gradient_scaling=gradient_scaling, least_sizes=1)
    found = rate_table(runs, "best")
    losses = runs["final_loss"].astype("float64").clip(lower=_LEAST_LOSS)
    values = at_found(runs, losses, found, "depth").mask(found["problem"] == "none")
    by_cell = found.assign(value=values).set_index(["depth", "seed"])["value"]
    return by_cell, problems(net, found, "best")


def _paired(
    left: pd.Series[float], right: pd.Series[float], doubts: tuple[str, str], names: str
) -> Measurement:
    """``left`` − ``right`` of each (depth, seed); a seed's mean over its depths."""
    depths = [set(each.index.get_level_values("depth")) for each in (left, right)]
    if depths[0] != depths[1]:
        raise NotRun(f"{names} were run at different depths")
    table = (left - right).dropna().rename("value").reset_index()
    return _mean_over_depths(table, "; ".join(filter(None, doubts)), len(depths[0]))


def _mean_over_depths(table: pd.DataFrame, reason: str, n_depths: int | None = None) -> Measurement:
    """Mean of ``value`` of the seeds that have one at every depth."""
    n_depths = n_depths or table["depth"].nunique()
    by_seed = table.dropna(subset=["value"]).groupby("seed")["value"]
    means = by_seed.mean()[by_seed.size() == n_depths]
    if means.empty:
        raise Undecided(reason or "no seed has a value at every depth")
    return Measurement(means, undecided=reason)
