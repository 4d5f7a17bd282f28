"""Figures from the tidy tables, by name: functions ``(tables, judged, claim) -> Figure``.

A module of this package, or a plug-in, registers its figures with ``register``. The package imports
neither torch nor training. A figure has one column of panels per activation, repeats its rows for
each regime, and shows the thresholds of the claim. A panel without runs says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nup.registry import Entry, Registry

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nup.claims.catalogue import Claim

    Draw = Callable[[Mapping[str, pd.DataFrame], pd.DataFrame, Claim], Figure]


@dataclass(frozen=True)
class FigureEntry(Entry):
    """A registered function ``(tables, judged, claim) -> Figure``.

    ``tables`` are the tidy tables, ``judged`` is the table ``claims``, and ``claim`` gives the
    experiment, the title and the thresholds.
    """

    draw: Draw = field(kw_only=True)

    @property
    def summary(self) -> str:
        """First line of the function's documentation."""
        return (self.draw.__doc__ or "").partition("\n")[0]


FIGURES: Registry[FigureEntry] = Registry("figure", __name__)


def register(function: Draw) -> Draw:
    """Register the decorated function as a figure under its own name."""
    FIGURES.add(FigureEntry(function.__name__, module=function.__module__, draw=function))
    return function
