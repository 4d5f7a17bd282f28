"""How the learning rates that work depend on depth [operational]."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nup.claims.evidence import Evidence, Measurement, NotRun, Undecided
from nup.claims.learning_rates import Rate, chosen_runs, depth_runs, undecided
from nup.claims.statistics import slope


def depth_slope(evidence: Evidence, net: str, rate: Rate) -> Measurement:
    """Slope of log2 LR against log2 depth, per seed, of the best or the largest stable LR."""
    runs = depth_runs(evidence, net)
    chosen = chosen_runs(runs, rate)
    reason = undecided(runs, chosen, rate)
    slopes = slopes_by_seed(chosen, chosen["learning_rate"], runs["depth"].nunique())
    if slopes.empty:
        raise Undecided(reason)
    return Measurement(slopes, undecided=reason)


def slopes_by_seed(
    chosen: pd.DataFrame, values: pd.Series[float], n_depths: int
) -> pd.Series[float]:
    """Slope of log2 of ``values`` against log2 depth of the seeds that have a run at every depth.

    Args:
        chosen: one row a (depth, seed).
        values: positive, aligned with ``chosen``.
        n_depths: number of depths a seed must have.

    Returns:
        Slopes indexed by seed.
    """
    table = chosen.assign(value=values)
    slopes = {
        seed: slope(np.log2(group["depth"]), np.log2(group["value"]))
        for seed, group in table.groupby("seed")
        if len(group) == n_depths
    }
    return pd.Series(slopes, dtype="float64")


def depth_slope_gain(evidence: Evidence, net: str, against: str, rate: Rate) -> Measurement:
    """|slope of ``against``| − |slope of ``net``|, paired by seed: how much gentler ``net`` is."""
    depths = {name: sorted(depth_runs(evidence, name)["depth"].unique()) for name in (net, against)}
    if depths[net] != depths[against]:
        listed = "; ".join(f"{name}: {', '.join(map(str, d))}" for name, d in depths.items())
        raise NotRun(f"the two nets were run at different depths ({listed})")
    own = depth_slope(evidence, net, rate)
    other = depth_slope(evidence, against, rate)
    gain = (other.by_seed.abs() - own.by_seed.abs()).dropna()
    reasons = "; ".join(filter(None, (own.undecided, other.undecided)))
    if gain.empty:
        raise Undecided(reasons or f"{net} and {against} share no seed")
    return Measurement(gain, undecided=reasons)
