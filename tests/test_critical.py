"""Predicates on synthetic runs, and the search on predicates whose lines are known."""

import numpy as np
import pytest

from nup.curvature.lanczos import TOLERANCE
from nup.phases import threshold_search
from nup.phases.threshold_search import Ladder, Outcome, Search, rises


def outcome(losses, finished=True, ratio=1.0):
    return Outcome(np.array(losses, dtype=float), finished, ratio)


# -- what a run shows ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "early", "expected"),
    [
        ([1.0, 0.9, 0.8, 2.0], 2, False),  # rises after the first steps only
        ([1.0, 0.9, 0.8, 2.0], 3, True),
        ([1.0, 1.01, 0.5], 2, False),  # within the margin
        ([1.0, 1.03, 0.5], 2, True),
        ([1.0, 0.9], 2, True),  # diverged at step 2
        ([1.0], 1, True),
        ([1.0, 0.9, 0.8], 2, False),
    ],
)
def test_a_rise_within_the_first_steps(series, early, expected):
    assert rises(np.array(series), early, margin=0.02) is expected


def test_the_margin_of_the_sharpness_is_the_residual_to_which_it_is_found():
    assert threshold_search.SHARPNESS_MARGIN == TOLERANCE


@pytest.mark.parametrize(
    ("run", "catapulted", "lost"),
    [
        (outcome([1, 0.8, 0.5], ratio=0.9), False, False),  # falls all along
        (outcome([1, 3, 0.5], ratio=0.6), True, False),
        (outcome([1, 0.5, 2, 0.4], ratio=0.6), True, False),  # rises late
        (outcome([1, 3, 0.5], ratio=1.2), False, False),  # comes back, no flatter
        (outcome([1, 3, 1], ratio=0.6), False, True),  # does not come back
        (outcome([1, 3, 0.95], ratio=0.0), False, True),  # dead: all outputs are 0
        (outcome([1, 30], finished=False, ratio=np.nan), False, True),
        (outcome([1, 0.5], finished=False, ratio=np.nan), False, True),
    ],
)
def test_catapults_and_losses(run, catapulted, lost):
    assert (run.catapulted, run.lost) == (catapulted, lost)


# -- where to look ---------------------------------------------------------------------------------

LADDER = Ladder(start=-1, stop=6, scan=2, resolution=8)


def search(predicate, ladder=LADDER):
    """The search for a predicate on log2 c, and the rounds that it took."""
    found = Search()
    for index in ladder.scanned():
        found.add(index, predicate(np.log2(ladder.c(index))))
    rounds = 1
    while (index := found.next()) is not None:
        found.add(index, predicate(np.log2(ladder.c(index))))
        rounds += 1
    return found.crossing(), rounds


def test_the_ladder():
    assert [LADDER.c(index) for index in LADDER.scanned()] == pytest.approx(
        2 ** np.arange(-1, 6.1, 0.5)
    )
    assert (LADDER.lowest, LADDER.highest) == (0.5, 64)
    uneven = Ladder(start=0.25, stop=1.9, scan=2, resolution=4)
    assert (uneven.lowest, uneven.highest) == pytest.approx((2**0.25, 2**1.75))


@pytest.mark.parametrize("line", [-0.99, 0.2, 1.0, 3.14159, 5.99])
def test_a_line_is_found_to_an_eighth_of_an_octave(line):
    crossing, rounds = search(lambda log2_c: log2_c >= line)
    found = np.log2(LADDER.c(crossing.index))
    assert line <= found < line + 1 / 8
    assert (crossing.censored, crossing.exceptions) == ("", 0)
    assert rounds == 3
    assert crossing.tried == 15 + 2


def test_the_first_of_several_crossings_is_the_line():
    def holds(log2_c):
        return 1.05 <= log2_c < 2.2 or log2_c >= 4.3

    crossing, _ = search(holds)
    assert np.log2(LADDER.c(crossing.index)) == 1.125
    assert crossing.censored == ""
    assert crossing.exceptions == 4  # at 2.5, 3, 3.5 and 4


def test_an_earlier_crossing_that_other_lines_lead_to_is_followed():
    """The whole runs that bisect one line may show another one's predicate between scanned c."""
    found = Search()
    for index in (0, 4, 8, 12):
        found.add(index, index == 12)
    found.add(6, True)  # an island that the scan missed
    assert found.next() == 5
    found.add(5, False)
    assert found.next() is None
    crossing = found.crossing()
    assert (crossing.index, crossing.censored, crossing.exceptions) == (6, "", 1)


def test_lines_beyond_the_range_are_censored():
    below, rounds = search(lambda log2_c: True)
    assert (below.index, below.censored, rounds) == (0, "below", 1)
    above, rounds = search(lambda log2_c: False)
    assert (above.index, above.censored, rounds) == (None, "above", 1)
    untried = Search().crossing()
    assert (untried.index, untried.censored, untried.tried) == (None, "above", 0)
