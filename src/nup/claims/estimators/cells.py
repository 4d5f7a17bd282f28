"""The cosine against features within cells of fixed net, depth and rate [operational].

Within a cell only the seed differs, so nothing that the rate or the depth does to both sides
counts. Ranks are taken within each cell, and the cells pooled to one correlation; its jackknife
over seeds gives one number a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    return Measurement(
        values, note=f"the size of a {'positive' if sign > 0 else 'negative'} correlation"
    )


@register
def cosine_feature_agreement(selection: RunSelection, features: Sequence[str]) -> Measurement:
    """Product of two features' pooled correlations: positive if their signs agree.

    Args:
        selection: the runs with their steps and layers.
        features: two columns of ``layers``.
    """
    runs = cosine_runs(selection, *features)
    gains = [f"{feature}_gain" for feature in features]
    seeds, cells = _large_cells(runs, ["cosine", *gains])

    def product(kept: NDArray[np.bool_]) -> float:
        return float(np.prod([_pooled(cells, kept, 0, place) for place in (1, 2)]))

    return Measurement(_by_seed(pseudo_values(product, len(seeds)), seeds))


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


def cell_residuals(runs: pd.DataFrame, column: str) -> pd.Series[float]:
    """Ranks within each cell less their mean, over the cell's number of runs.

    Args:
        runs: what ``cosine_runs`` gives.
        column: what is ranked.

    Returns:
        Numbers from −½ to ½, aligned with the runs.
    """
    cells = runs.groupby(_CELL)[column]
    return cells.rank(pct=True) - cells.rank(pct=True).groupby([runs[k] for k in _CELL]).transform(
        "mean"
    )


def pooled_values(runs: pd.DataFrame, x: str, y: str, held: Sequence[str] = ()) -> pd.Series[float]:
    """Jackknife pseudo-values, by seed, of the pooled rank correlation within cells.

    Args:
        runs: what ``cosine_runs`` gives.
        x: one column.
        y: the other.
        held: columns held fixed within each cell.

    Raises:
        Undecided: if no cell has ``LEAST_SEEDS`` runs that differ.
    """
    seeds, cells = _large_cells(runs, [x, y, *held])
    values = pseudo_values(lambda kept: _pooled(cells, kept, 0, 1, first_held=2), len(seeds))
    return _by_seed(values, seeds)


#: What is fixed within a cell.
_CELL = ["net", "depth", "rate"]

#: Place of each run's seed among the seeds ``[n]``, and its columns ``[n, columns]``.
_Cell = tuple[NDArray[np.int64], NDArray[np.float64]]


def _large_cells(runs: pd.DataFrame, columns: Sequence[str]) -> tuple[list[int], list[_Cell]]:
    """Seeds, and the cells of ``LEAST_SEEDS`` runs or more."""
    large = runs[runs.groupby(_CELL)["seed"].transform("size") >= LEAST_SEEDS]
    if large.empty:
        raise Undecided(f"no (net, depth, rate) has {LEAST_SEEDS} stable runs")
    seeds = sorted(large["seed"].unique())
    places = {seed: place for place, seed in enumerate(seeds)}
    cells = [
        (
            np.array([places[seed] for seed in cell["seed"]]),
            cell[list(columns)].to_numpy(dtype=float),
        )
        for _, cell in large.groupby(_CELL)
    ]
    return seeds, cells


def _pooled(
    cells: Sequence[_Cell],
    kept: NDArray[np.bool_],
    x: int,
    y: int,
    first_held: int | None = None,
) -> float:
    """Correlation over all cells of the rank residuals of two columns, of the seeds kept."""
    sides: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for places, columns in cells:
        rows = columns[kept[places]]
        held = rows[:, first_held:] if first_held is not None else rows[:, :0]
        for side, column in zip(sides, (x, y), strict=True):
            side.append(rank_residuals(rows[:, column], held) / max(1, len(rows)))
    first, second = (np.concatenate(side) for side in sides)
    return correlation(first, second)


def _by_seed(values: NDArray[np.float64], seeds: Sequence[int]) -> pd.Series[float]:
    if np.isnan(values).any():
        raise Undecided(f"no (net, depth, rate) has {LEAST_SEEDS} stable runs that differ")
    return pd.Series(values, index=list(seeds))
