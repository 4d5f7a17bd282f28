"""Ranges of criteria as readers see them: ``≤ 0`` for the ``(-inf, 0]`` of the tables."""

from __future__ import annotations

import re

from nup.claims.catalogue import Threshold

_RANGE = re.compile(r"([\[(])\s*(\S+),\s*(\S+?)\s*([\])])")


def parsed(text: str) -> Threshold | None:
    """The range that a table writes as ``[-0.35, 0.35]`` or ``(-inf, 0]``.

    Args:
        text: the column ``threshold`` of the tables ``claims`` and ``readings``.

    Returns:
        None if the text is no range.
    """
    found = _RANGE.fullmatch(text.strip())
    if not found:
        return None
    try:
        low, high = (None if "inf" in end else float(end) for end in found.group(2, 3))
        # An infinite end is always open: the finite ones tell.
        closed = (low is not None and found[1] == "[") or (high is not None and found[4] == "]")
        return Threshold(low=low, high=high, open=not closed)
    except ValueError:
        return None


def readable(given: Threshold | str) -> str:
    """The range in signs: ``≤ 0``, ``> 0.5``, ``−0.35 … 0.35``; other text as it is.

    Args:
        given: a threshold, or what a table says of one.
    """
    threshold = parsed(given) if isinstance(given, str) else given
    if threshold is None:
        return str(given)
    low, high = (
        None if end is None else f"{end:g}".replace("-", "−")
        for end in (threshold.low, threshold.high)
    )
    less, more = ("<", ">") if threshold.open else ("≤", "≥")
    if low is None:
        return f"{less} {high}"
    if high is None:
        return f"{more} {low}"
    return f"{low} … {high}"
