"""Learning rates and evolution against depth and width, with and without growing widths."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.learning_rates import Rate
from nup.claims.nets import nets_of_study
from nup.figures import register, style
from nup.figures.depth import rate_panel
from nup.figures.evolution import largest_evolution_panel
from nup.figures.panels import panels

#: Arguments of a criterion that name the two nets compared.
_ENDS = ("against", "net")


@register
def growth_matters(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Best and largest stable LR against depth for r = 0, 1, 2 under each reading with runs."""
    present = set(nets_of_study(tables)["net"])
    chosen = {
        reading.label: list(dict.fromkeys(c.arguments[k] for c in reading.criteria for k in _ENDS))
        for reading in claim.readings
    }
    shown = {label: nets for label, nets in chosen.items() if present >= set(nets)}
    first = dict(list(chosen.items())[:1])
    rates: tuple[Rate, ...] = ("best", "largest stable")
    rows = {
        f"{rate} LR, {label}": rate_panel(rate, nets)
        for label, nets in (shown or first).items()
        for rate in rates
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


@register
def width_settled(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Best LR against width for the nets of the claim, and largest evolution at a fixed rate."""
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
        "largest evolution at the best LR of the least width": largest_evolution_panel(
            claim.nets, movement, "base_width"
        ),
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))
