"""Means over seeds with Student's t intervals, jackknife, slopes and rank correlations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Interval(NamedTuple):
    """An estimate with its interval over ``n`` seeds; the ends are nan for ``n < 2``."""

    estimate: float
    low: float
    high: float
    n: int


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over seeds with its Student's t interval, mean ± t·s/√n [lit].

    Seeds are independent draws of weights, batches and data split, so their spread is the
    uncertainty. Where all seeds agree exactly the interval has no width: nothing was drawn. A
    single seed has no spread, and so no interval.

    Args:
        values: one number per seed, shape ``[seeds]``, finite.
        confidence: coverage of the two-sided interval, between 0 and 1.

    Returns:
        The mean and the two ends; for one seed the ends are nan.

    Raises:
        ValueError: if ``values`` is empty or holds a value that is not finite.
    """
    return student_interval(*mean_and_error(values), confidence)


def mean_and_error(values: ArrayLike) -> tuple[float, float, int]:
    """Mean over seeds, its standard error s/√n (0 where all agree, nan for one seed), and n.

    Raises:
        ValueError: as ``mean_interval``.
    """
    sample = np.asarray(values, dtype=float)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"expected finite values, one a seed, got {sample.tolist()}")
    first, n = float(sample[0]), sample.size
    if n == 1:
        return first, math.nan, 1
    if (sample == first).all():  # spares the mean its rounding error
        return first, 0.0, n
    mean = float(sample.sum()) / n
    apart = sample - mean
    return mean, math.sqrt(float(apart @ apart) / ((n - 1) * n)), n


def student_interval(mean: float, error: float, n: int, confidence: float) -> Interval:
    """Mean ± t·error with n − 1 degrees of freedom; the ends are nan for one seed."""
    half = _quantile(confidence, n) * error if n > 1 else math.nan
    return Interval(mean, mean - half, mean + half, n)


@lru_cache
def _quantile(confidence: float, n: int) -> float:
    """Two-sided quantile of Student's t with n − 1 degrees of freedom."""
    # Imported here: a workflow that only reads the claims starts sooner.
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + confidence) / 2))


def worst(values: ArrayLike, largest: bool) -> Interval:
    """The worst seed's value, for a claim that says *every* or *never*: no interval is drawn.

    Args:
        values: one number per seed, shape ``[seeds]``.
        largest: whether large values are bad.

    Returns:
        The extreme value as estimate and as both ends.
    """
    sample = np.asarray(values, dtype=float)
    extreme = float(sample.max() if largest else sample.min())
    return Interval(extreme, extreme, extreme, sample.size)


def pseudo_values(statistic: Callable[[NDArray[np.bool_]], float], n: int) -> NDArray[np.float64]:
    """Jackknife pseudo-values n·T − (n − 1)·T₋ᵢ of a statistic that pools seeds [lit].

    Their mean estimates the statistic with its bias of order 1/n removed, and Student's t over
    them is its interval (Tukey 1958): a pooled correlation so gets one number a seed.

    Args:
        statistic: of the seeds that a mask ``[n]`` keeps.
        n: number of seeds, at least 2.

    Returns:
        One pseudo-value per seed, shape ``[n]``.
    """
    whole = statistic(np.ones(n, dtype=bool))
    without = np.array([statistic(np.arange(n) != left_out) for left_out in range(n)])
    return np.asarray(n * whole - (n - 1) * without, dtype=float)


def slope(x: ArrayLike, y: ArrayLike) -> float:
    """Least-squares slope of ``y`` against ``x``, both of shape ``[n]``; nan if all ``x`` agree."""
    at, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    at = at - at.mean()
    square = float(at @ at)
    return float(at @ (values - values.mean())) / square if square > 0 else math.nan


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's ρ of ``x`` and ``y``, both of shape ``[n]``; nan if one of them is constant."""
    return correlation(ranks(x), ranks(y))


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1 of ``values``, shape ``[n]``; equal ones share the mean of theirs.

    ``scipy.stats.rankdata`` gives the same; its checks take longer than the ranks of a cell.

    Raises:
        ValueError: if a value is missing.
    """
    sample = np.asarray(values, dtype=float)
    if np.isnan(sample).any():
        raise ValueError("expected values to rank, got one that is missing")
    _, places, counts = np.unique(sample, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places], dtype=float)


def rank_residuals(values: ArrayLike, held: ArrayLike) -> NDArray[np.float64]:
    """Residuals of the ranks of ``values`` after regression on the ranks of ``held``, by column.

    Args:
        values: shape ``[n]``.
        held: shape ``[n, variables]``; without variables, ranks less their mean remain.

    Returns:
        Least-squares residuals, shape ``[n]``.
    """
    own = ranks(values)
    given = np.asarray(held, dtype=float)
    if given.shape[1] == 0:
        return np.asarray(own - own.mean(), dtype=float)
    design = np.column_stack([np.ones(len(own)), *(ranks(column) for column in given.T)])
    coefficients = np.linalg.lstsq(design, own, rcond=None)[0]
    return np.asarray(own - design @ coefficients, dtype=float)


def partial_rank_correlation(x: ArrayLike, y: ArrayLike, held: ArrayLike) -> float:
    """Correlation of the ``rank_residuals`` of ``x`` and ``y``; nan if nothing of one remains."""
    return correlation(rank_residuals(x, held), rank_residuals(y, held))


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's r of ``[n]`` and ``[n]``; nan if one of them varies by no more than rounding."""
    x, y = x - x.mean(), y - y.mean()
    sizes = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if min(sizes) <= 1e-9 * len(x):
        return float("nan")
    return float(np.clip(x @ y / (sizes[0] * sizes[1]), -1, 1))
