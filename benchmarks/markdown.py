"""Pieces of Markdown that the parts of the page share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def median_and_range(values: Sequence[float]) -> str:
    """The median, and the least and largest value."""
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of these columns."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
