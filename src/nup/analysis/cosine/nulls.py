"""Null models of a run's motion: random walk, shuffled cosines, one direction of a valley.

The first two keep the run's step lengths. Randomness comes from the generator given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    deviation: float


def compound(lengths: ArrayLike, cosines: ArrayLike) -> Floats:
    """Squared distances from the start, by D²_{t+1} = D²_t + s²_t + 2 s_t D_t c_t [derived].

    Args:
        lengths: s_t, shape ``[T]``.
        cosines: c_t, shape ``[..., T]``; those at the start, where D_0 = 0, have no effect.

    Returns:
        D²_t, shape ``[..., T + 1]``.
    """
    steps = np.asarray(lengths, dtype=float)
    turns = np.moveaxis(np.nan_to_num(np.asarray(cosines, dtype=float)), -1, 0)
    squares = np.zeros((len(steps) + 1, *turns.shape[1:]))
    for t, (step, turn) in enumerate(zip(steps, turns, strict=True)):
        grown = squares[t] + step**2 + 2 * step * np.sqrt(squares[t]) * turn
        squares[t + 1] = np.maximum(grown, 0.0)  # negative only by rounding, at c = −1
    return np.moveaxis(squares, 0, -1)


def isotropic_cosines(
    shape: tuple[int, ...], dimension: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cosines of a fixed direction with independent uniform ones in R^N, N = ``dimension`` ≥ 2.

    A coordinate of a uniform unit vector is 2B − 1 with B ~ Beta((N−1)/2, (N−1)/2) [lit]: mean 0,
    variance 1/N. The next direction of a random walk does not depend on earlier ones, so these are
    exactly its cosines, and no vector of N entries is needed.
    """
    half = (dimension - 1) / 2
    return 2 * rng.beta(half, half, size=shape) - 1


def random_walks(
    lengths: ArrayLike, dimension: int, simulations: int, rng: np.random.Generator
) -> Floats:
    """Squared distances of random walks in R^N with these step lengths, ``[simulations, T + 1]``.

    Every step has an independent, uniformly distributed direction.
    """
    steps = np.asarray(lengths, dtype=float)
    return compound(steps, isotropic_cosines((simulations, len(steps)), dimension, rng))


def random_walk_moments(lengths: ArrayLike, dimension: int) -> Moments:
    """Mean and standard deviation of D²_T of a random walk with these step lengths [derived].

    E D²_T = Σ s²_t, and D²_t − Σ s² is a martingale with steps 2 s_t D_t c_t, so that
    Var D²_T = (4/N) Σ_t s²_t E D²_t = (2/N) ((Σ s²)² − Σ s⁴).
    """
    squares = np.asarray(lengths, dtype=float) ** 2
    total = float(squares.sum())
    variance = 2 / dimension * (total**2 - float((squares**2).sum()))
    return Moments(total, float(np.sqrt(max(variance, 0.0))))


def shuffled(
    lengths: ArrayLike, cosines: ArrayLike, simulations: int, rng: np.random.Generator
) -> Floats:
    """Squared distances with the cosines in random order, ``[simulations, T + 1]``.

    Cosines that are nan (no displacement yet) stay in place; all orders of the others are equally
    likely. So the distribution of the cosines is kept, and their order is lost.
    """
    turns = np.asarray(cosines, dtype=float)
    moved = np.flatnonzero(np.isfinite(turns))
    orders = np.tile(turns, (simulations, 1))
    orders[:, moved] = rng.permuted(orders[:, moved], axis=1)
    return compound(lengths, orders)


def valley_cosines(edges: ArrayLike) -> Floats:
    """Cosines of gradient descent along one direction of a quadratic valley [derived].

    With e_t = η_tλ_t the position is x_{t+1} = (1 − e_t) x_t, so x_t = r_t x_0 with
    r_t = Π_{u<t} (1 − e_u). The update is −e_t x_t, so the cosine is −sign(r_t (r_t − 1)). For
    constant e it is 1 if e < 1, alternates if 1 < e < 2 and is −1 if e > 2.

    Args:
        edges: η_tλ_t > 0, shape ``[T]``.

    Returns:
        1, −1, or nan where displacement or update is zero, as at t = 0; shape ``[T]``.
    """
    factors = 1 - np.asarray(edges, dtype=float)
    with np.errstate(divide="ignore"):  # a factor 0 reaches the minimum: r = 0, no update
        sizes = np.concatenate([[0.0], np.cumsum(np.log(np.abs(factors)))])[:-1]
    signs = np.concatenate([[1.0], np.cumprod(np.sign(factors))])[:-1]
    # sign(r − 1) from the logarithm of |r|, because |r| itself may overflow or underflow.
    beyond = np.where((signs > 0) & (sizes >= 0), np.sign(sizes), -1.0)
    cosines = -signs * beyond
    return np.where(cosines == 0, np.nan, cosines)


def z_score(value: float, moments: Moments) -> float:
    """(value − mean) / deviation; nan for a deviation of 0."""
    if moments.deviation == 0:
        return float("nan")
    return (value - moments.mean) / moments.deviation


def moments_of(simulated: Floats) -> Moments:
    """Mean and standard deviation of simulated values of shape ``[simulations]``."""
    return Moments(float(simulated.mean()), float(simulated.std(ddof=1)))


def rank_p_value(value: float, simulated: Floats) -> float:
    """Two-sided p-value from the rank of ``value`` among ``[simulations]`` values.

    It is twice the share of values at most as large, or of those at least as large, whichever is
    smaller. ``value`` itself is counted, so the result is never below 2/(simulations + 1) [lit].
    """
    below = 1 + int((simulated <= value).sum())
    above = 1 + int((simulated >= value).sum())
    return min(1.0, 2 * min(below, above) / (len(simulated) + 1))


def band(simulated: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Ends of the central band of ``[simulations, T]`` values at every time, each ``[T]``."""
    outside = (1 - confidence) / 2
    low, high = np.quantile(simulated, [outside, 1 - outside], axis=0)
    return low, high
