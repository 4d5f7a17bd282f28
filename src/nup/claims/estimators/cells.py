"""The cosine against features within cells of fixed net, depth and rate [operational].

Within a cell only the seed differs, so nothing that the rate or the depth does to both sides
counts. Ranks are taken within each cell, and the cells pooled to one correlation; its jackknife
over seeds gives one number a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.features import LATE, stable_runs, with_features
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.claims.statistics import correlation, pseudo_values, rank_residuals

#: Stable runs that a cell needs at least.
LEAST_SEEDS = 8


@register
def cosine_feature_correlation(
    selection: RunSelection, feature: str, held: Sequence[str] = ()
) -> Measurement:
    """Pooled rank correlation within cells of the late cosine and the gain of a feature.

    The sign is chosen so that the correlation without anything held fixed is positive: the number
    is the size of a correlation of whichever sign.

    Args:
        selection: the runs with their steps and layers.
        feature: column of ``layers``.
        held: columns of ``runs`` held fixed within each cell: ``final_loss``.
    """
    runs = cosine_runs(selection, feature)
    gain = f"{feature}_gain"
    sign = -1.0 if pooled_values(runs, "cosine", gain).mean() < 0 else 1.0
    values = sign * pooled_values(runs, "cosine", gain, held)
    return Measurement(values, note=f"the correlation is {'positive' if sign > 0 else 'negative'}")


@register
def cosine_feature_agreement(selection: RunSelection, features: Sequence[str]) -> Measurement:
    """Product of two features' pooled correlations: positive if their signs agree.

    Args:
        selection: the runs with their steps and layers.
        features: two columns of ``layers``.
    """
    runs = cosine_runs(selection, *features)
    seeds = sorted(runs["seed"].unique())

    def product(kept: np.ndarray) -> float:
        rows = runs[runs["seed"].isin(np.array(seeds)[kept])]
        found = [pooled_correlation(rows, "cosine", f"{feature}_gain") for feature in features]
        return float(np.prod(found))

    return Measurement(_by_seed(pd.Series(pseudo_values(product, len(seeds)), index=seeds)))


def cosine_runs(selection: RunSelection, *features: str) -> pd.DataFrame:
    """The stable runs at constant rates with ``cosine``, its late mean, and feature gains.

    The cosine is that of the whole parameter vector, its mean over the last quarter.

    Args:
        selection: the runs with their steps and layers.
        features: columns of ``layers``.

    Raises:
        NotRun: if no run has them.
        Undecided: if no run is stable.
    """
    runs = with_features(selection, stable_runs(selection), *features)
    steps = selection.steps.merge(runs[["run_id", "steps"]], on="run_id")
    late = steps[steps["step"] >= LATE * steps["steps"]].dropna(subset=["cosine"])
    if late.empty:
        raise NotRun("no stable run has the cosine in its last quarter (record.steps)")
    means = late.groupby("run_id")["cosine"].mean().astype("float64")
    return runs.merge(means, left_on="run_id", right_index=True).assign(rate=rate_labels(runs))


def rate_labels(runs: pd.DataFrame) -> pd.Series[float]:
    """What fixes the rate of a cell: c = ηλ_0 where that was asked for, else η."""
    rates: pd.Series[float] = runs["learning_rate"].astype("float64")
    return runs["edge"].astype("float64").fillna(rates) if "edge" in runs else rates


def cell_residuals(runs: pd.DataFrame, column: str, held: Sequence[str] = ()) -> pd.Series[float]:
    """Ranks within each cell, over its number of runs, less what ``held`` explains.

    Args:
        runs: what ``cosine_runs`` gives.
        column: what is ranked.
        held: columns held fixed.

    Returns:
        Numbers from −1 to 1, aligned with the runs of cells of two runs or more.
    """
    parts = [
        pd.Series(rank_residuals(cell[column], cell[list(held)]) / len(cell), index=cell.index)
        for _, cell in runs.groupby(["net", "depth", "rate"])
        if len(cell) > 1
    ]
    return pd.concat(parts) if parts else pd.Series(dtype="float64")


def pooled_correlation(runs: pd.DataFrame, x: str, y: str, held: Sequence[str] = ()) -> float:
    """Correlation over all cells of the residuals of two columns; nan if one does not vary."""
    first, second = (cell_residuals(runs, column, held) for column in (x, y))
    x_ranks, y_ranks = (np.asarray(each, dtype=float) for each in (first, second.loc[first.index]))
    return correlation(x_ranks, y_ranks)


def pooled_values(runs: pd.DataFrame, x: str, y: str, held: Sequence[str] = ()) -> pd.Series[float]:
    """Jackknife pseudo-values of ``pooled_correlation``, by seed.

    Args:
        runs: what ``cosine_runs`` gives.
        x: one column.
        y: the other.
        held: columns held fixed.

    Raises:
        Undecided: if no cell has ``LEAST_SEEDS`` runs that differ.
    """
    sizes = runs.groupby(["net", "depth", "rate"])["seed"].transform("size")
    rows = runs[sizes >= LEAST_SEEDS]
    seeds = sorted(rows["seed"].unique())
    if not seeds:
        raise Undecided(f"no (net, depth, rate) has {LEAST_SEEDS} stable runs")

    def statistic(kept: np.ndarray) -> float:
        return pooled_correlation(rows[rows["seed"].isin(np.array(seeds)[kept])], x, y, held)

    return _by_seed(pd.Series(pseudo_values(statistic, len(seeds)), index=seeds))


def _by_seed(values: pd.Series[float]) -> pd.Series[float]:
    if values.isna().any():
        raise Undecided(f"no (net, depth, rate) has {LEAST_SEEDS} stable runs that differ")
    return values
