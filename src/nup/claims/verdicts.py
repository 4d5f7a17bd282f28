"""Verdicts: of an interval against a threshold, and of a claim by its criteria."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nup.claims.catalogue import Threshold
from nup.claims.statistics import Interval

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_RUN = "not run"


def verdict(interval: Interval, threshold: Threshold) -> str:
    """Supported if the interval is wholly inside the threshold, contradicted if wholly outside."""
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


def overall(verdicts: Sequence[str]) -> str:
    """The verdict of a claim: one failed criterion contradicts it, all must hold to support it."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    if NOT_RUN in verdicts:
        return NOT_RUN
    if all(each == SUPPORTED for each in verdicts):
        return SUPPORTED
    return INCONCLUSIVE
