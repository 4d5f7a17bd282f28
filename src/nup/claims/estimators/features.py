"""Hidden features at the end of training, against the cosine and the learning rate [operational].

Features are those of the last hidden layer, l − 1: what the output layer reads. Correlations are
taken within what is alike in all but the compared, then averaged over a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.learning_rates import constant_rate_runs
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.claims.statistics import partial_rank_correlation, rank_correlation

#: Quality of features: columns of the table ``layers``.
Feature = Literal["soft_rank", "stable_rank", "alignment"]

#: Features that the claims name.
FEATURES: tuple[Feature, ...] = ("soft_rank", "alignment")

#: Columns of features or of runs that are correlated with the learning rate.
Quantity = Literal["soft_rank", "stable_rank", "alignment", "final_sharpness"]

#: Runs that a rank correlation needs at least.
LEAST_RUNS = 4
#: Runs that a partial rank correlation, with two variables held, needs at least.
LEAST_PARTIAL_RUNS = 8

#: "Late" is from this fraction of the steps on.
LATE = 0.75


@register
def cosine_feature_correlation(selection: RunSelection, feature: Feature) -> Measurement:
    """Partial rank correlation of late cosine and feature gain, with the sign of its mean.

    Over a seed's stable runs of one net at a constant rate without gradient scaling, log2 LR and
    depth held fixed; averaged over nets. The sign is chosen so that the mean over seeds is
    positive: the number is the size of a correlation of whichever sign.
    """
    values = _cosine_correlations(selection, feature)
    sign = 1.0 if values.mean() >= 0 else -1.0
    meaning = "positive" if sign > 0 else "negative"
    return Measurement(sign * values, note=f"the correlation is {meaning}")


@register
def cosine_feature_agreement(
    selection: RunSelection, features: Sequence[Feature] = FEATURES
) -> Measurement:
    """Product of two features' partial rank correlations: positive if their signs agree."""
    first, second = (_cosine_correlations(selection, feature) for feature in features)
    product = (first * second).dropna()
    if product.empty:
        raise Undecided("no seed has both correlations")
    return Measurement(product)


@register
def rate_correlation(
    selection: RunSelection, quantity: Quantity, gradient_scaling: str
) -> Measurement:
    """Rank correlation of the learning rate with a quantity at the end of training.

    Over the stable runs of one (depth, seed, net) at a constant rate; averaged over a seed. Groups
    of fewer than ``LEAST_RUNS`` stable runs are left out.
    """
    runs = stable_runs(selection, gradient_scaling)
    if quantity == "final_sharpness":
        runs = runs[runs[quantity].notna()]
        if runs.empty:
            raise NotRun("no stable run has its final sharpness (record.curvature)")
    else:
        runs = with_features(selection, runs, quantity)

    def correlation(group: pd.DataFrame) -> float:
        return rank_correlation(group["learning_rate"], group[quantity])

    return Measurement(mean_by_seed(runs, ["depth", "net"], correlation, LEAST_RUNS))


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
    stable = runs[runs["stable"].astype(bool)]
    if stable.empty:
        raise Undecided("no run is stable")
    return stable


def with_features(
    selection: RunSelection, runs: pd.DataFrame, feature: Feature = "soft_rank"
) -> pd.DataFrame:
    """The runs with the features of their last hidden layer, and ``…_gain``: final − initial.

    They are ``FEATURES`` and ``feature``, of the runs that have all.

    Raises:
        NotRun: if no run has both ends recorded.
    """
    layers = selection.layers.merge(runs[["run_id", "depth", "steps"]], on="run_id")
    layers = layers[layers["layer"] == layers["depth"] - 1].set_index("run_id")
    columns = list(dict.fromkeys((*FEATURES, feature)))
    final = layers.loc[layers["step"] == layers["steps"], columns].astype("float64")
    initial = layers.loc[layers["step"] == 0, columns].astype("float64")
    gains = (final - initial).add_suffix("_gain")
    found = runs.merge(final.join(gains).dropna(), left_on="run_id", right_index=True)
    if found.empty:
        raise NotRun("no stable run has the features of its last hidden layer (record.features)")
    return found


def cosine_runs(selection: RunSelection, feature: Feature = "soft_rank") -> pd.DataFrame:
    """The stable runs with ``cosine``, its mean over the last quarter, and feature gains.

    The cosine is that of the whole parameter vector.

    Raises:
        NotRun: if no run has them.
    """
    runs = with_features(selection, stable_runs(selection), feature)
    steps = selection.steps.merge(runs[["run_id", "steps"]], on="run_id")
    late = steps[steps["step"] >= LATE * steps["steps"]].dropna(subset=["cosine"])
    if late.empty:
        raise NotRun("no stable run has the cosine in its last quarter (record.steps)")
    means = late.groupby("run_id")["cosine"].mean().astype("float64")
    return runs.merge(means, left_on="run_id", right_index=True)


def held_fixed(runs: pd.DataFrame) -> np.ndarray:
    """log2 LR and depth of the runs, ``[n, 2]``."""
    return np.column_stack([np.log2(runs["learning_rate"]), runs["depth"]])


def _cosine_correlations(selection: RunSelection, feature: Feature) -> pd.Series[float]:
    def correlation(group: pd.DataFrame) -> float:
        held = held_fixed(group)
        return partial_rank_correlation(group["cosine"], group[f"{feature}_gain"], held)

    runs = cosine_runs(selection, feature)
    return mean_by_seed(runs, ["net"], correlation, LEAST_PARTIAL_RUNS)


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
