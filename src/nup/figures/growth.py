"""Learning rates and evolution against depth and width, with and without growing widths."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.learning_rates import Rate
from nup.claims.nets import nets_of_study
from nup.figures import register
from nup.figures.depth import MARKS, rate_panel, with_runs
from nup.figures.evolution import largest_evolution_panel
from nup.figures.panels import panels

#: Arguments of a criterion that name the two nets compared.
_ENDS = ("against", "net")


@register
def growth_matters(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Best and largest stable LR against depth for r = 0, 1, 2 under each reading with runs."""
    rates: tuple[Rate, ...] = ("best", "largest stable")
    rows = {}
    for reading in with_runs(claim, set(nets_of_study(tables)["net"])):
        chosen = [criterion.arguments[end] for criterion in reading.criteria for end in _ENDS]
        for rate in rates:
            rows[f"{rate} LR: {reading.label}"] = rate_panel(rate, list(dict.fromkeys(chosen)))
    return panels(tables, judged, claim, rows, size=(6.0, 2.9), note=MARKS)


@register
def width_settled(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Best LR against width for the nets of the claim, and largest evolution at a fixed rate."""
    wedges = {
        each.arguments["net"]: each.threshold
        for each in claim.criteria
        if each.estimator == "width_slope"
    }
    movements = {
        each.arguments["net"]: each.threshold
        for each in claim.criteria
        if each.estimator == "evolution_width_slope"
    }
    rows = {
        "best LR": rate_panel("best", claim.nets, wedges, "base_width"),
        "largest evolution at the best LR of the least width": largest_evolution_panel(
            claim.nets, movements, "base_width"
        ),
    }
    return panels(tables, judged, claim, rows, size=(6.0, 3.2), note=MARKS)
