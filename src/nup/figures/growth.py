"""Widths: how they grow with depth, and how many units there are."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.figures import style
from nup.figures.depth import rate_panel
from nup.figures.evolution import largest_evolution_panel

_EXPONENTS = ("nup(r=2)", "nup(r=1)", "mup", "mup matched to nup(r=2)")
_WIDTH_NETS = ("mup", "sp", "ntp")


def growth_matters(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Best LR and largest evolution against depth for r = 2, 1 and 0 (μP)."""
    rows = {
        "best LR": rate_panel("best", _EXPONENTS),
        "largest evolution over hidden layers": largest_evolution_panel(_EXPONENTS),
    }
    return style.panels(tables, judged, claim, rows, size=(6.0, 4.2))


def width_settled(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Best LR and largest evolution against width for μP, standard and neural tangent nets."""
    ends = [
        end
        for criterion in claim.criteria
        if criterion.estimator == "width_slope"
        for end in (criterion.threshold.high, criterion.threshold.low)
        if end is not None
    ]
    _, movement = style.threshold_of(claim, "evolution_width_slope")
    rows = {
        "best LR": rate_panel("best", _WIDTH_NETS, ends, "base_width"),
        "largest evolution over hidden layers": largest_evolution_panel(
            _WIDTH_NETS, movement, "base_width"
        ),
    }
    return style.panels(tables, judged, claim, rows, size=(6.0, 4.2))
