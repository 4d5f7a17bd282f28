"""Means over seeds with bootstrap intervals, slopes and rank correlations, by SciPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class Interval(NamedTuple):
    """An estimate with its interval over ``n`` seeds; the ends are nan for ``n < 2``."""

    estimate: float
    low: float
    high: float
    n: int


def bootstrap_mean(
    values: ArrayLike, confidence: float = 0.95, resamples: int = 5000, seed: int = 0
) -> Interval:
    """Mean over seeds with its percentile bootstrap interval.

    Args:
        values: one number per seed, shape ``[seeds]``, finite.
        confidence: coverage of the interval.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling, so that equal tables give equal intervals.

    Raises:
        ValueError: if ``values`` is empty or holds a value that is not finite.
    """
    sample = np.asarray(values, dtype=float)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"expected finite values, one a seed, got {sample.tolist()}")
    if sample.size < 2:
        return Interval(float(sample[0]), np.nan, np.nan, 1)
    if np.all(sample == sample[0]):  # spares the resampled means their rounding error
        return Interval(float(sample[0]), float(sample[0]), float(sample[0]), sample.size)
    result = stats.bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(float(sample.mean()), float(low), float(high), sample.size)


def worst(values: ArrayLike, largest: bool) -> Interval:
    """The worst seed's value, for a claim that says *every* or *never*: no interval is drawn."""
    sample = np.asarray(values, dtype=float)
    extreme = float(sample.max() if largest else sample.min())
    return Interval(extreme, extreme, extreme, sample.size)


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """Least-squares slope of ``y`` against ``x``, both of shape ``[n]``."""
    return float(stats.linregress(np.asarray(x, dtype=float), np.asarray(y, dtype=float)).slope)


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's ρ of ``x`` and ``y``, both of shape ``[n]``; nan if one of them is constant."""
    return _correlation(stats.rankdata(x), stats.rankdata(y))


def rank_residuals(values: ArrayLike, held: ArrayLike) -> NDArray[np.float64]:
    """Residuals of the ranks of ``values`` after regression on the ranks of ``held``, by column.

    Args:
        values: shape ``[n]``.
        held: shape ``[n, variables]``.

    Returns:
        Least-squares residuals, shape ``[n]``.
    """
    ranks = stats.rankdata(values)
    columns = stats.rankdata(np.asarray(held, dtype=float), axis=0)
    design = np.column_stack([np.ones(len(ranks)), columns])
    coefficients = np.linalg.lstsq(design, ranks, rcond=None)[0]
    return np.asarray(ranks - design @ coefficients, dtype=float)


def partial_rank_correlation(x: ArrayLike, y: ArrayLike, held: ArrayLike) -> float:
    """Correlation of the ``rank_residuals`` of ``x`` and ``y``; nan if nothing of one remains."""
    return _correlation(rank_residuals(x, held), rank_residuals(y, held))


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r; nan if one of the two varies by no more than rounding."""
    x, y = x - x.mean(), y - y.mean()
    sizes = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if min(sizes) <= 1e-9 * len(x):
        return float("nan")
    return float(np.clip(x @ y / (sizes[0] * sizes[1]), -1, 1))
