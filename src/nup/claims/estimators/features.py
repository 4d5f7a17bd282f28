"""Hidden features and sharpness at the end of training, against the learning rate [operational].

Features are those of the last hidden layer, l − 1: what the output layer reads. Correlations are
taken within what is alike in all but the compared, then averaged over a seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.curvature import CURVATURES, final_curvature
from nup.claims.learning_rates import constant_rate_runs, is_stable
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.claims.statistics import mean_interval, rank_correlation

#: Readings of the soft rank: columns of the table ``layers``.
RANKS = ("soft_rank", "cosine_rank", "gram_rank", "stable_rank")

#: Runs that a rank correlation needs at least.
LEAST_RUNS = 4

#: "Late" is from this fraction of the steps on.
LATE = 0.75


@register
def rate_correlation(selection: RunSelection, quantity: str, gradient_scaling: str) -> Measurement:
    """Rank correlation of the learning rate with a quantity at the end of training.

    Over the stable runs of one (depth, seed, net) at a constant rate; averaged over a seed. Groups
    of fewer than ``LEAST_RUNS`` stable runs are left out.

    Args:
        selection: the runs with their steps and layers.
        quantity: a column of features of ``layers`` (``soft_rank``), or one of ``CURVATURES``,
            taken without ξ.
        gradient_scaling: ``none``, or the scaling's label.
    """
    runs = stable_runs(selection, gradient_scaling)
    note = ""
    if quantity in CURVATURES:
        values, note = final_curvature(selection, runs, quantity)
        runs = runs.assign(**{quantity: values}).dropna(subset=[quantity])
    else:
        runs = with_features(selection, runs, quantity)

    def correlation(group: pd.DataFrame) -> float:
        return rank_correlation(group["learning_rate"], group[quantity])

    by_seed = mean_by_seed(runs, ["depth", "net"], correlation, LEAST_RUNS)
    return Measurement(by_seed, undecided=note)


def stable_runs(selection: RunSelection, gradient_scaling: str = "none") -> pd.DataFrame:
    """The stable runs at a constant rate.

    Raises:
        NotRun: if there are no runs.
        Undecided: if none is stable.
    """
    runs = constant_rate_runs(selection.runs_of(), gradient_scaling)
    if runs.empty:
        scaling = "" if gradient_scaling == "none" else f" with {gradient_scaling} scaling"
        raise NotRun(f"experiment `{selection.experiment}` has no constant-rate runs{scaling}")
    stable = runs[is_stable(runs)]
    if stable.empty:
        raise Undecided("no run is stable")
    return stable


def with_features(selection: RunSelection, runs: pd.DataFrame, *features: str) -> pd.DataFrame:
    """The runs with features of their last hidden layer, and ``…_gain``: final − initial.

    Args:
        selection: the layers.
        runs: rows of ``runs``.
        features: columns of ``layers``.

    Returns:
        The runs that have all of them at both ends.

    Raises:
        NotRun: if there is none.
    """
    if absent := [name for name in features if name not in selection.layers]:
        raise NotRun(f"table `layers` has no column {', '.join(absent)} (record.features)")
    layers = selection.layers.merge(runs[["run_id", "depth", "steps"]], on="run_id")
    layers = layers[layers["layer"] == layers["depth"] - 1].set_index("run_id")
    columns = list(features)
    final = layers.loc[layers["step"] == layers["steps"], columns].astype("float64")
    initial = layers.loc[layers["step"] == 0, columns].astype("float64")
    gains = (final - initial).add_suffix("_gain")
    found = runs.merge(final.join(gains).dropna(), left_on="run_id", right_index=True)
    if found.empty:
        raise NotRun(
            f"no stable run has {', '.join(features)} of its last hidden layer (record.features)"
        )
    return found


def rank_curvature_correlations(selection: RunSelection, gradient_scaling: str) -> pd.DataFrame:
    """How well each soft rank predicts T2/T1², the loss's relative curvature along the update.

    Both at the end of training, the rank as geometric mean over the hidden layers. The rank
    correlation is over all stable runs of a seed at a constant rate. [operational]

    Args:
        selection: the runs with their steps and layers.
        gradient_scaling: ``none``, or the scaling's label.

    Returns:
        A row for each of ``RANKS`` that was recorded: mean over seeds and 95 % interval, ``low``
        and ``high``.

    Raises:
        NotRun: there are no runs, or none recorded Taylor coefficients and features at its end.
        Undecided: no seed has ``LEAST_RUNS`` stable runs.
    """
    runs = stable_runs(selection, gradient_scaling).set_index("run_id")
    last = selection.steps.join(runs["steps"], on="run_id").query("step == steps")
    last = last.set_index("run_id")
    layers = selection.layers.join(runs[["steps", "depth"]], on="run_id")
    layers = layers.query("step == steps and layer < depth")
    present = [name for name in RANKS if name in layers and layers[name].notna().any()]
    if not present or last["taylor_2"].isna().all():
        raise NotRun("no stable run has Taylor coefficients and soft ranks at its end")
    logs = layers[present].astype("float64").transform(np.log).groupby(layers["run_id"]).mean()
    table = runs.join(logs).assign(curvature=last["taylor_2"] / last["taylor_1"] ** 2)
    found = {}
    for name in present:
        pairs = table.dropna(subset=[name, "curvature"])

        def correlation(group: pd.DataFrame, name: str = name) -> float:
            return rank_correlation(group[name], group["curvature"])

        interval = mean_interval(mean_by_seed(pairs, [], correlation, LEAST_RUNS))
        found[name] = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
    return pd.DataFrame.from_dict(found, orient="index")


def mean_by_seed(
    runs: pd.DataFrame,
    within: list[str],
    correlation: Callable[[pd.DataFrame], float],
    least_runs: int,
) -> pd.Series[float]:
    """A seed's mean correlation over its groups of at least ``least_runs`` runs.

    Args:
        runs: what is correlated, with a column ``seed``.
        within: the columns that, with the seed, make a group.
        correlation: of one group; nan leaves the group out.
        least_runs: runs that a group needs.

    Raises:
        Undecided: if there is no such group in which both sides vary.
    """
    found = [
        {"seed": seed, "value": correlation(group)}
        for (seed, *_), group in runs.groupby(["seed", *within])
        if len(group) >= least_runs
    ]
    table = pd.DataFrame(found, columns=["seed", "value"]).dropna()
    if table.empty:
        kind = ", ".join(["seed", *within])
        raise Undecided(f"no ({kind}) has {least_runs} stable runs that differ")
    return table.groupby("seed")["value"].mean()
