"""The verdict rule: cases by hand, and its error rates by simulation where claims hold or fail."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from nup.claims.catalogue import Threshold
from nup.claims.statistics import Interval, mean_interval
from nup.claims.verdicts import Part, of_claim, of_reading, verdict
from test_statistics import NOISES, SEEDS

AT_LEAST = Threshold(low=0.0)
SUPPORTED, CONTRADICTED, OPEN, NOT_RUN = "supported", "contradicted", "inconclusive", "not run"


def part(mean: float, spread: float = 0.1, n: int = 8, **fields: object) -> Part:
    """A criterion "at least 0" with ``n`` seeds of this mean and standard deviation."""
    values = np.resize([-1.0, 1.0], n) * spread * ((n - 1) / n) ** 0.5 + mean
    return Part("criterion", AT_LEAST, values, **fields)  # type: ignore[arg-type]


#: Half width of the 95 % interval over 8 seeds with a standard deviation of 0.1.
HALF = 2.3646 * 0.1 / 8**0.5


def test_one_criterion_is_judged_by_its_interval():
    assert part(HALF + 0.001).verdict() == SUPPORTED
    assert part(HALF - 0.001).verdict() == OPEN
    assert part(-HALF + 0.001).verdict() == OPEN
    assert part(-HALF - 0.001).verdict() == CONTRADICTED
    assert part(HALF + 0.001).verdict(0.01) == OPEN


def test_what_is_missing_or_undecided_decides_nothing():
    assert part(1.0, undecided="at the edge of the grid").verdict() == OPEN
    assert Part("a", AT_LEAST, absent="no runs").verdict() == NOT_RUN
    assert Part("a", AT_LEAST).verdict() == OPEN
    assert part(1.0, n=1, spread=0.0).verdict() == OPEN
    assert math.isnan(Part("a", AT_LEAST).interval().estimate)


def test_a_universal_criterion_is_judged_by_its_worst_seed():
    values = np.array([1.0] * 7 + [-0.1])
    assert Part("a", AT_LEAST, values, universal=True).verdict() == CONTRADICTED
    assert Part("a", AT_LEAST, values + 0.2, universal=True).verdict() == SUPPORTED


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0, CONTRADICTED), (-1, 0, CONTRADICTED), (0, 1, OPEN), (1, 2, SUPPORTED)],
)
def test_an_open_range_leaves_its_end_out(low, high, expected):
    assert verdict(Interval(0, low, high, 4), Threshold(low=0, open=True)) == expected


def test_ratios_are_averaged_as_logs():
    values = np.array([1.0, 4.0] * 4)
    found = Part("a", Threshold(low=1.0), values, log=True).interval()
    assert found.estimate == pytest.approx(2.0)
    expected = mean_interval(np.log(values))
    assert (found.low, found.high) == pytest.approx(np.exp(expected[1:3]))
    assert Part("a", Threshold(low=1.0), np.zeros(8), log=True).verdict() == OPEN


def test_a_reading_needs_all_of_its_criteria():
    assert of_reading([part(1.0), part(1.0)]) == SUPPORTED
    assert of_reading([part(1.0), part(0.0)]) == OPEN
    assert of_reading([part(1.0), part(-1.0)]) == CONTRADICTED
    absent = Part("a", AT_LEAST, absent="no runs")
    assert of_reading([part(1.0), absent]) == NOT_RUN
    assert of_reading([part(-1.0), absent]) == CONTRADICTED


def test_many_criteria_need_a_clearer_failure():
    barely = part(-HALF - 0.005)
    assert barely.verdict() == CONTRADICTED
    assert of_reading([barely]) == CONTRADICTED
    assert of_reading([barely, part(1.0), part(1.0)]) == OPEN


def test_one_reading_is_enough_and_all_must_fail():
    assert of_claim([[part(-1.0)], [part(1.0)]]) == (SUPPORTED, 1)
    assert of_claim([[part(-1.0)], [part(-1.0)]]) == (CONTRADICTED, 0)
    assert of_claim([[part(-1.0)], [part(0.0)]]) == (OPEN, 1)


def test_many_readings_need_a_clearer_success():
    barely = [part(HALF + 0.005)]
    assert of_claim([barely]) == (SUPPORTED, 0)
    assert of_claim([[part(0.0)], barely, [part(0.0)]]) == (OPEN, 1)


def test_readings_without_runs_do_not_enter():
    absent = [Part("a", AT_LEAST, absent="no runs")]
    barely = [part(HALF + 0.005)]
    assert of_claim([absent, barely, absent]) == (SUPPORTED, 1)
    assert of_claim([absent, [part(-1.0)]]) == (CONTRADICTED, 1)
    assert of_claim([absent, absent]) == (NOT_RUN, 0)


# -- error rates -----------------------------------------------------------------------------------

REPETITIONS = 1000


def rates(truths: list[list[float]], noise, n: int) -> dict[str, float]:
    """Share of each verdict where criterion j of reading i has the true mean ``truths[i][j]``."""
    rng = np.random.default_rng([n, len(truths), len(truths[0])])
    draws = [[noise(rng, (REPETITIONS, n)) + truth for truth in each] for each in truths]
    found = [
        of_claim(
            [[Part("a", AT_LEAST, sample[repetition]) for sample in reading] for reading in draws]
        )[0]
        for repetition in range(REPETITIONS)
    ]
    return {label: found.count(label) / REPETITIONS for label in (SUPPORTED, CONTRADICTED)}


def margin(rate: float = 0.05) -> float:
    """Two standard errors of a simulated rate."""
    return 2 * (rate * (1 - rate) / REPETITIONS) ** 0.5


@pytest.mark.parametrize(("readings", "criteria"), [(1, 1), (1, 6), (4, 3)])
@pytest.mark.parametrize("noise", NOISES[:3])
@pytest.mark.parametrize("n", SEEDS)
def test_a_claim_at_its_boundary_gets_a_false_verdict_in_at_most_5_percent(
    noise, n, readings, criteria
):
    """Every criterion of every reading has its true value at the end of its range, where both
    verdicts would be false: the least favourable truth for either. Criteria are independent, which
    those of a real claim, taken from the same seeds, are not."""
    found = rates([[0.0] * criteria] * readings, noise, n)
    assert found[SUPPORTED] <= 0.05 + margin()
    assert found[CONTRADICTED] <= 0.05 + margin()


@pytest.mark.parametrize("n", SEEDS)
def test_one_failing_criterion_a_reading_is_the_worst_case_of_support(n):
    """All criteria but one hold by far, so that support depends on the one at its boundary."""
    far = 50.0
    found = rates([[far, far, 0.0]] * 5, NOISES[0], n)
    assert found[SUPPORTED] <= 0.05 + margin()


@pytest.mark.parametrize("n", SEEDS)
def test_one_true_reading_is_the_worst_case_of_contradiction(n):
    """All readings but one fail by far, so that refutation depends on the true one."""
    far = -50.0
    found = rates([[far, far]] * 4 + [[0.0, 0.0]], NOISES[0], n)
    assert found[CONTRADICTED] <= 0.05 + margin()


@pytest.mark.parametrize("n", SEEDS)
def test_the_rule_has_power(n):
    """Two standard deviations from the boundary a claim of four readings is decided."""
    simulate = partial(rates, noise=NOISES[0], n=n)
    assert simulate([[-9.0] * 3] * 3 + [[2.0] * 3])[SUPPORTED] > 0.8
    assert simulate([[-2.0, 5.0, 5.0]] * 4)[CONTRADICTED] > 0.8
