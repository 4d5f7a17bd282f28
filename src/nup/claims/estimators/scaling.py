"""Estimators of the effect of gradient scaling ξ on stable learning rates [v2] [operational]."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.depth import difference
from nup.claims.learning_rates import chosen_runs, grid_runs, undecided
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided

SCALED = "depthwise"

#: Losses below count as this number: the records are float32.
_LEAST_LOSS = float(np.finfo(np.float32).tiny)


@register
def stable_rate_ratio(selection: RunSelection, net: str) -> Measurement:
    """Largest stable LR with ξ over the one without; a seed's mean over its depths."""
    ratios, reason, n_depths = rate_ratios(selection, net)
    return _mean_over_depths(ratios, n_depths, reason)


@register
def stable_rate_ratio_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """``stable_rate_ratio`` of ``net`` minus that of ``against``, paired by seed."""
    own, other = (stable_rate_ratio(selection, each) for each in (net, against))
    return difference(own, other, f"{net} and {against}")


@register
def final_loss_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """ln of the final loss of ``against`` over that of ``net``, both with ξ at their best LR.

    Paired by depth and seed; a seed's mean over its depths.
    """
    own, other = (best_losses(selection, each) for each in (net, against))
    reason = "; ".join(filter(None, (own[1], other[1])))
    if own[2] != other[2]:
        raise NotRun(f"{net} and {against} were run at different depths")
    return _mean_over_depths((other[0] - own[0]).dropna(), len(own[2]), reason)


@register
def diverged_below_largest_stable(selection: RunSelection, net: str) -> Measurement:
    """Number of runs with ξ that diverge at a rate below the largest stable one.

    A run diverges by a value that is not finite, or by a loss above the bound of
    ``nup.specs.run``, which ends it before its numbers overflow.
    """
    runs = grid_runs(selection, net, gradient_scaling=SCALED, least_sizes=1)
    chosen = chosen_runs(runs, "largest stable")
    top = chosen.set_index(["depth", "seed"])["learning_rate"]
    if top.empty:
        raise Undecided(undecided(runs, chosen, "largest stable"))
    cells = pd.MultiIndex.from_frame(runs[["depth", "seed"]])
    below = runs["learning_rate"].to_numpy() < top.reindex(cells).to_numpy()
    failed = (runs["status"] != "ok") & below
    return Measurement(failed.astype("float64").groupby(runs["seed"]).sum())


def rate_ratios(selection: RunSelection, net: str) -> tuple[pd.Series[float], str, int]:
    """Ratio of each (depth, seed), why it decides nothing, and the number of depths.

    Raises:
        NotRun: if the grid with ξ or the one without has holes, or they differ in depths.
    """
    rates, reasons, depths = [], [], []
    for scaling in (SCALED, "none"):
        runs = grid_runs(selection, net, gradient_scaling=scaling, least_sizes=1)
        chosen = chosen_runs(runs, "largest stable")
        reason = undecided(runs, chosen, "largest stable")
        reasons.append(
            f"{'with' if scaling == SCALED else 'without'} ξ: {reason}" if reason else ""
        )
        rates.append(chosen.set_index(["depth", "seed"])["learning_rate"])
        depths.append(set(runs["depth"]))
    if depths[0] != depths[1]:
        raise NotRun(f"{net} was run at different depths with ξ and without")
    return (rates[0] / rates[1]).dropna(), "; ".join(filter(None, reasons)), len(depths[0])


def best_losses(selection: RunSelection, net: str) -> tuple[pd.Series[float], str, set[int]]:
    """ln of the final loss with ξ at the best LR of each (depth, seed), doubts, and depths."""
    runs = grid_runs(selection, net, gradient_scaling=SCALED, least_sizes=1)
    chosen = chosen_runs(runs, "best")
    losses = chosen.set_index(["depth", "seed"])["final_loss"].astype("float64")
    logs = losses.clip(lower=_LEAST_LOSS).map(math.log)
    return logs, undecided(runs, chosen, "best"), set(runs["depth"])


def _mean_over_depths(values: pd.Series[float], n_depths: int, reason: str) -> Measurement:
    """Mean of the seeds that have a value at every depth."""
    by_seed = values.groupby("seed")
    means = by_seed.mean()[by_seed.size() == n_depths]
    if means.empty:
        raise Undecided(reason or "no seed has a value at every depth")
    return Measurement(means, undecided=reason)
