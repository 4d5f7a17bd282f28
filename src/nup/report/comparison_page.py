"""Two tables of claims side by side, as a page in which what differs is marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nup.claims import verdicts
from nup.claims.evaluation import OVERALL
from nup.report import comparison, rendering
from nup.tables import atomic_files

SIDES = ("new", "reference")


@dataclass(frozen=True)
class Side:
    """What one table says: a verdict, empty if it has none, and the estimate or the reading."""

    verdict: str
    detail: str


@dataclass(frozen=True)
class Line:
    """A claim or one of its criteria in both tables; ``difference`` is empty if they agree."""

    claim: str
    judged_for: str
    criterion: str
    sides: tuple[Side, Side]
    difference: str


def write(new: Path, reference: Path, out: Path) -> None:
    """Write the page.

    Args:
        new: a table of claims.
        reference: the one to hold it against.
        out: the file of the page, which stands alone.

    Raises:
        UserError: a table is missing or damaged, or the page cannot be written.
    """
    rows = comparison.side_by_side(new, reference)
    found = [_line(key, row) for key, row in rows.iterrows()]
    claims = [line for line in found if line.criterion == OVERALL]
    criteria = [line for line in found if line.criterion != OVERALL]
    page = rendering.render(
        "comparison.html",
        names=[str(new), str(reference)],
        counts=[_counts(line.sides[side].verdict for line in claims) for side in (0, 1)],
        claims=claims,
        differing=[line for line in criteria if line.difference],
        agreeing=[line for line in criteria if not line.difference],
    )
    atomic_files.write_text(page, out)


def _line(key: object, row: pd.Series) -> Line:
    assert isinstance(key, tuple)
    claim, activation, setting, criterion, reading = map(str, key)
    name = f"{criterion} ({reading})" if reading else criterion
    first, second = (_side(row, side) for side in SIDES)
    judged_for = ", ".join(filter(None, (activation, setting)))
    return Line(claim, judged_for, name, (first, second), comparison.difference(row))


def _side(row: pd.Series, side: str) -> Side:
    if pd.isna(row[side, "verdict"]):
        return Side("", "")
    return Side(row[side, "verdict"], comparison.interval(row, side) or row[side, "decides"])


def _counts(found: Iterable[str]) -> dict[str, int]:
    """How often each verdict occurs, in the order of ``MARKS``."""
    counted = Counter(found)
    return {verdict: counted[verdict] for verdict in verdicts.MARKS if counted[verdict]}
