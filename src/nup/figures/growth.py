"""Learning rates and evolution against depth and against width, for nets that grow or do not."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.figures import register, style
from nup.figures.depth import rate_panel
from nup.figures.evolution import largest_evolution_panel
from nup.figures.panels import panels


@register
def growth_matters(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Best LR and largest evolution against depth for the nets of the claim."""
    rows = {
        "best LR": rate_panel("best", claim.nets),
        "largest evolution over hidden layers": largest_evolution_panel(claim.nets),
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


@register
def width_settled(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Best LR and largest evolution against width for the nets of the claim."""
    ends = [
        end
        for criterion in claim.criteria
        if criterion.estimator == "width_slope"
        for end in (criterion.threshold.high, criterion.threshold.low)
        if end is not None
    ]
    _, movement = style.threshold_of(claim, "evolution_width_slope")
    rows = {
        "best LR": rate_panel("best", claim.nets, ends, "base_width"),
        "largest evolution over hidden layers": largest_evolution_panel(
            claim.nets, movement, "base_width"
        ),
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))
