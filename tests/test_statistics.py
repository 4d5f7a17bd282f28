"""Intervals over seeds: exact values, degenerate samples, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nup.claims.statistics import (
    correlation,
    mean_interval,
    pseudo_values,
    rank_correlation,
    rank_residuals,
    ranks,
    worst,
)

SEEDS = (8, 12)
REPETITIONS = 8000


def normal(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.normal(size=size)


def skewed(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Log-normal with a skewness of 0.6: rates that scatter by a third of an octave."""
    spread = 0.2
    return np.exp(spread * rng.normal(size=size)) - np.exp(spread**2 / 2)


def heavy_tailed(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Student's t with 4 degrees of freedom: now and then a seed far off."""
    return rng.standard_t(4, size=size)


def mixed(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Two kinds of seeds: one in five is off by three standard deviations, to one side."""
    return rng.normal(size=size) + 3 * (rng.random(size) < 0.2) - 0.6


NOISES = [normal, skewed, heavy_tailed, mixed]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", SEEDS)
def test_intervals_cover_the_mean(noise, n):
    """At least 93 of 100 intervals of 95 % hold the true mean, for every kind of noise."""
    samples = noise(np.random.default_rng(1), (REPETITIONS, n))
    found = np.array([mean_interval(sample) for sample in samples])
    covered = (found[:, 1] <= 0) & (found[:, 2] >= 0)
    error = (0.93 * 0.07 / REPETITIONS) ** 0.5
    assert covered.mean() > 0.93 - 2 * error


@pytest.mark.parametrize("confidence", [0.95, 0.99, 1 - 0.05 / 16])
def test_an_interval_is_that_of_students_t(confidence):
    sample = np.random.default_rng(0).normal(size=9)
    expected = stats.t.interval(confidence, 8, sample.mean(), stats.sem(sample))
    found = mean_interval(sample, confidence)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.estimate == pytest.approx(sample.mean())
    assert found.n == 9


def test_equal_seeds_have_an_interval_without_width_and_one_seed_has_none():
    assert mean_interval([0.1] * 8) == (0.1, 0.1, 0.1, 8)
    alone = mean_interval([0.3])
    assert alone.estimate == 0.3
    assert np.isnan([alone.low, alone.high]).all()


@pytest.mark.parametrize("sample", [[], [1.0, np.nan], [1.0, np.inf]])
def test_values_must_be_finite(sample):
    with pytest.raises(ValueError, match="expected finite values, one a seed"):
        mean_interval(sample)


def test_the_worst_seed_has_no_interval():
    assert worst([1.0, 3.0, 2.0], largest=True) == (3.0, 3.0, 3.0, 3)
    assert worst([1.0, 3.0, 2.0], largest=False) == (1.0, 1.0, 1.0, 3)


def test_pseudo_values_of_a_mean_are_the_values_themselves():
    sample = np.random.default_rng(0).normal(size=7)
    values = pseudo_values(lambda kept: float(sample[kept].mean()), 7)
    assert values == pytest.approx(sample)


def test_a_jackknifed_correlation_is_covered():
    """64 seeds, five runs each that share the seed's luck, true Spearman correlation 0.3."""
    rng = np.random.default_rng(2)
    truth, covered, repetitions = 0.3, 0, 300
    latent = 2 * np.sin(np.pi / 6 * truth)  # the Pearson correlation with that rank correlation
    for _ in range(repetitions):
        shared = rng.normal(size=(2, 64, 1)) + rng.normal(size=(2, 64, 5))
        x, y = shared / 2**0.5
        y = latent * x + (1 - latent**2) ** 0.5 * y
        ranks = [stats.rankdata(side, axis=0) for side in (x, y)]

        def pooled(kept: np.ndarray, ranks: list[np.ndarray] = ranks) -> float:
            centred = [side[kept] - side[kept].mean(axis=0) for side in ranks]
            return correlation(centred[0].ravel(), centred[1].ravel())

        interval = mean_interval(pseudo_values(pooled, 64))
        covered += interval.low <= truth <= interval.high
    assert covered / repetitions > 0.93 - 2 * (0.93 * 0.07 / repetitions) ** 0.5


def test_rank_correlation_sees_order_only():
    assert rank_correlation([1, 2, 3, 4], np.exp([1, 2, 3, 4])) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(rank_correlation([1, 2, 3], [5, 5, 5]))


def test_ranks_are_those_of_scipy():
    sample = np.random.default_rng(3).integers(0, 12, size=40) / 7
    assert list(ranks(sample)) == list(stats.rankdata(sample))
    assert list(ranks([])) == []
    with pytest.raises(ValueError, match="expected values to rank, got one that is missing"):
        ranks([1.0, np.nan])


def test_nothing_is_left_of_what_is_held_fixed():
    held = np.arange(10.0)[:, None]
    assert rank_residuals(held[:, 0] ** 3, held) == pytest.approx(np.zeros(10), abs=1e-9)
    none_held = rank_residuals([3.0, 1.0, 2.0], np.empty((3, 0)))
    assert none_held == pytest.approx([1.0, -1.0, 0.0])


def test_a_partial_rank_correlation_of_one_held_variable_is_the_textbook_one():
    cause, x, y = np.random.default_rng(0).normal(size=(3, 2000))
    x, y, held = x + cause, y + cause, cause[:, None]
    found = correlation(rank_residuals(x, held), rank_residuals(y, held))
    r = [rank_correlation(a, b) for a, b in ((x, y), (x, cause), (y, cause))]
    expected = (r[0] - r[1] * r[2]) / np.sqrt((1 - r[1] ** 2) * (1 - r[2] ** 2))
    assert found == pytest.approx(expected)
    assert rank_correlation(x, y) > 0.4
