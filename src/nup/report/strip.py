"""An estimate with its interval on a line, the range that was asked for shaded: as percentages."""

from __future__ import annotations

import math
from typing import NamedTuple

from nup.claims.catalogue import Threshold

#: Room at either side, as a part of the whole.
_MARGIN = 0.08
#: Beyond this ratio of positive numbers the line is logarithmic.
_WIDE = 100.0


class Strip(NamedTuple):
    """Places on a line, in percent of its length from the left.

    Attributes:
        estimate: where the estimate is.
        interval: start and length of the interval; None without one.
        range: start and length of the range in which the criterion holds.
        ends: place and text of each end of that range.
    """

    estimate: float
    interval: tuple[float, float] | None
    range: tuple[float, float]
    ends: list[tuple[float, str]]


def strip(estimate: float, low: float, high: float, threshold: Threshold) -> Strip | None:
    """The line of a criterion.

    Args:
        estimate: its estimate.
        low: lower end of the interval; nan where there is none.
        high: upper end.
        threshold: the range in which the criterion holds.

    Returns:
        None if the estimate is no finite number.
    """
    if not math.isfinite(estimate):
        return None
    ends = [end for end in (threshold.low, threshold.high) if end is not None]
    known = [estimate, *ends, *(end for end in (low, high) if math.isfinite(end))]
    log = min(known) > 0 and max(known) > _WIDE * min(known)
    first, last = (math.log(each) if log else each for each in (min(known), max(known)))
    length = (last - first) or abs(first) or 1.0

    def place(number: float) -> float:
        scaled = math.log(number) if log else number
        share = _MARGIN + (1 - 2 * _MARGIN) * (scaled - first) / length
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def between(start: float | None, end: float | None) -> tuple[float, float]:
        left = 0.0 if start is None else place(start)
        right = 100.0 if end is None else place(end)
        return left, round(right - left, 2)

    interval = between(low, high) if math.isfinite(low) and math.isfinite(high) else None
    labels = [(place(end), f"{end:g}".replace("-", "−")) for end in ends]
    return Strip(place(estimate), interval, between(threshold.low, threshold.high), labels)
