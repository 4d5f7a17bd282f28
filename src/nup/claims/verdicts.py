"""Verdicts: of one criterion, of a reading by its criteria, of a claim by its readings.

The rule is that of the second registration. At level α a criterion is *supported* if its interval
of confidence 1 − α lies wholly inside the threshold, and *contradicted* if it lies wholly outside.

- A criterion alone: α = 5 %.
- A reading is supported if every criterion is at 5 %; contradicted if some criterion is at
  5 %/number of criteria, so that many criteria do not refute it by chance.
- A claim is supported if some reading has every criterion supported at 5 %/number of readings, so
  that many readings do not confirm it by chance; contradicted if every reading is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nup.claims.catalogue import Threshold
from nup.claims.statistics import Interval, mean_and_error, student_interval, worst

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_RUN = "not run"

#: A sign for each, in tables and figures.
MARKS = {SUPPORTED: "✓", CONTRADICTED: "✗", INCONCLUSIVE: "?", NOT_RUN: "–"}

#: Probability of a false verdict that the rule allows.
LEVEL = 0.05


def all_of(found: Iterable[str]) -> str:
    """The verdict on a conjunction: supported if each is, contradicted if one is."""
    each = set(found)
    for verdict in (CONTRADICTED, NOT_RUN):
        if verdict in each:
            return verdict
    return SUPPORTED if each == {SUPPORTED} else INCONCLUSIVE


@dataclass(frozen=True)
class Part:
    """One criterion with the numbers that it is judged on.

    Attributes:
        name: of the criterion.
        threshold: the range in which it holds.
        values: one number per seed, ``[seeds]``; empty if there are none.
        log: average the logarithms of the values, which are ratios, and take the interval back.
        universal: hold the worst seed against the threshold, not the mean over seeds.
        absent: why there are no runs; empty if there are.
        undecided: why the numbers, though shown, decide nothing; empty if they do.
        note: a remark that leaves the verdict alone.
        provenance: tag of the criterion; empty for that of the claim.
    """

    name: str
    threshold: Threshold
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    log: bool = False
    universal: bool = False
    absent: str = ""
    undecided: str = ""
    note: str = ""
    provenance: str = ""

    def interval(self, level: float = LEVEL) -> Interval:
        """Estimate with its interval of confidence 1 − ``level``; nan without values."""
        if self.values.size == 0:
            return Interval(math.nan, math.nan, math.nan, 0)
        if self.universal:
            return worst(self.values, largest=self.threshold.high is not None)
        found = student_interval(*self._summary, 1 - level)
        if not self.log:
            return found
        estimate, low, high = (math.exp(number) for number in found[:3])
        return Interval(estimate, low, high, found.n)

    @cached_property
    def _summary(self) -> tuple[float, float, int]:
        """Mean, standard error and number of seeds; no error where a value is not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(self.values) if self.log else self.values
        if np.isfinite(values).all():
            return mean_and_error(values)
        return float(values.mean()), math.nan, values.size

    def verdict(self, level: float = LEVEL) -> str:
        """Verdict on this criterion alone."""
        if self.absent:
            return NOT_RUN
        if self.undecided:
            return INCONCLUSIVE
        return verdict(self.interval(level), self.threshold)


def verdict(interval: Interval, threshold: Threshold) -> str:
    """Supported if the interval is wholly inside the threshold, contradicted if wholly outside.

    Args:
        interval: its ends are nan where there is none, which decides nothing.
        threshold: the range in which the criterion holds.

    Returns:
        ``supported``, ``contradicted`` or ``inconclusive``.
    """
    low = -math.inf if threshold.low is None else threshold.low
    high = math.inf if threshold.high is None else threshold.high
    if threshold.open:
        inside = low < interval.low and interval.high < high
        outside = interval.high <= low or interval.low >= high
    else:
        inside = low <= interval.low and interval.high <= high
        outside = interval.high < low or interval.low > high
    if inside:
        return SUPPORTED
    return CONTRADICTED if outside else INCONCLUSIVE


def of_reading(parts: Sequence[Part], level: float = LEVEL) -> str:
    """The verdict on one reading by its criteria.

    Args:
        parts: its criteria, at least one.
        level: at which all must be supported; they are contradicted at 5 %/``len(parts)``.

    Returns:
        ``not run`` if runs are absent and what is there does not contradict.
    """
    if any(part.verdict(LEVEL / len(parts)) == CONTRADICTED for part in parts):
        return CONTRADICTED
    found = [part.verdict(level) for part in parts]
    if NOT_RUN in found:
        return NOT_RUN
    return SUPPORTED if all(each == SUPPORTED for each in found) else INCONCLUSIVE


def of_claim(readings: Sequence[Sequence[Part]]) -> tuple[str, int]:
    """The verdict on a claim by its readings, and the position of the reading that decides.

    Readings whose runs are absent do not enter, unless all are. Of an open claim, the reading that
    comes nearest decides: one that is supported alone, else one that is not contradicted.

    Args:
        readings: the criteria of each reading, at least one.

    Returns:
        The verdict, and the position of the deciding reading: of several, the first.
    """
    alone = [of_reading(parts) for parts in readings]
    entered = [index for index, found in enumerate(alone) if found != NOT_RUN]
    if not entered:
        return NOT_RUN, 0
    for index in entered:
        if of_reading(readings[index], LEVEL / len(entered)) == SUPPORTED:
            return SUPPORTED, index
    for wanted in (SUPPORTED, INCONCLUSIVE):
        for index in entered:
            if alone[index] == wanted:
                return INCONCLUSIVE, index
    return CONTRADICTED, entered[0]
