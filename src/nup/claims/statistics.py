"""Means over seeds with bootstrap intervals, and least-squares slopes: a thin layer over SciPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
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
        values: one number a seed, shape ``[seeds]``, finite.
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
