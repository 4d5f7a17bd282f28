"""The motion of all weights of a run, and the displacement identity [derived]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Motion(NamedTuple):
    """A run of T steps.

    Attributes:
        lengths: ‖Δ_t‖, shape ``[T]``.
        cosines: cos of Δ_t with θ_t − θ_0, shape ``[T]``; nan where one of the two is zero.
        distances: ‖θ_t − θ_0‖, shape ``[T + 1]``.
    """

    lengths: Floats
    cosines: Floats
    distances: Floats


class Parts(NamedTuple):
    """The two parts of ‖θ_t − θ_0‖², each of shape ``[T + 1]`` and zero at t = 0.

    Attributes:
        diffusive: Σ_{u<t} ‖Δ_u‖², the mean squared displacement for independent directions.
        cross: 2 Σ_{u<t} ‖Δ_u‖ ‖θ_u − θ_0‖ cos_u, of either sign.
    """

    diffusive: Floats
    cross: Floats


def parts(motion: Motion) -> Parts:
    """Both sums of ‖θ_t − θ_0‖² = Σ‖Δ_u‖² + 2 Σ‖Δ_u‖‖θ_u − θ_0‖cos_u [derived].

    The cross terms use the recorded distances, so that the identity checks the records.
    """
    products = motion.lengths * motion.distances[:-1] * np.nan_to_num(motion.cosines)
    return Parts(_cumulative(motion.lengths**2), 2 * _cumulative(products))


def autocorrelation(values: ArrayLike, lags: int) -> Floats:
    """Autocorrelation of the finite ``values``, in their order, at lags 1 … ``lags``.

    The sum of products is divided by the number of values and by their variance, the usual biased
    estimate [lit].

    Returns:
        shape ``[lags]``; nan if the values do not vary, or are no more than ``lags``.
    """
    series = np.asarray(values, dtype=float)
    series = series[np.isfinite(series)]
    series = series - series.mean()
    power = float(series @ series)
    if len(series) <= lags or power == 0:
        return np.full(lags, np.nan)
    return np.array([series[lag:] @ series[:-lag] / power for lag in range(1, lags + 1)])


class Reversal(NamedTuple):
    """Regression of the direction of an update on the direction of the update before.

    Attributes:
        slope: −1 across a valley, 0 for independent directions, 1 on a straight line; nan if
            undefined.
        explained: share of the variance of the cosines that the slope explains.
    """

    slope: float
    explained: float


def carried_cosines(motion: Motion) -> Floats:
    """Cosine of Δ_{t−1} with θ_t − θ_0, which is cos_t if Δ_t repeats its direction [derived].

    By geometry alone it is (D cos + s)/D′, with s = ‖Δ_{t−1}‖, cos = cos_{t−1} and D, D′ the
    distances before and after Δ_{t−1}. If Δ_t has the opposite direction, cos_t is minus this
    value. That is the case for gradient descent along one direction of a quadratic wherever
    ηλ > 1, because its updates obey Δ_t = (η_t/η_{t−1}) (1 − η_{t−1}λ) Δ_{t−1}.

    Returns:
        shape ``[T]``; nan at t = 0 and where the displacement is zero.
    """
    before, after = motion.distances[:-2], motion.distances[1:-1]
    along = before * np.nan_to_num(motion.cosines[:-1]) + motion.lengths[:-1]
    carried = np.full(len(motion.lengths), np.nan)
    np.divide(along, after, out=carried[1:], where=after > 0)
    return carried


def reversal(motion: Motion) -> Reversal:
    """Least-squares slope, without intercept, of cos_t on the ``carried_cosines``.

    If the direction of Δ_t is ρ times that of Δ_{t−1} plus a part independent of all earlier
    updates, the slope estimates ρ. ``explained`` is 1 − Σ(residual²)/Σ cos².
    """
    pairs = np.column_stack([carried_cosines(motion), motion.cosines])
    carried, found = pairs[np.isfinite(pairs).all(axis=1)].T
    power, total = float(carried @ carried), float(found @ found)
    if power == 0 or total == 0:
        return Reversal(float("nan"), float("nan"))
    slope = float(carried @ found) / power
    residuals = found - slope * carried
    return Reversal(slope, 1 - float(residuals @ residuals) / total)


def _cumulative(values: Floats) -> Floats:
    """Sums of the values before each position, shape ``[T] → [T + 1]``."""
    return np.concatenate([[0.0], np.cumsum(values)])
