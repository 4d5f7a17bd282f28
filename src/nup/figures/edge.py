"""The edge of stability: the Hessian's top eigenvalue and the Gauss–Newton one over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nup.claims.catalogue import Claim
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.estimators.edge import EDGE, edge_runs, hessian_history
from nup.claims.learning_rates import is_stable
from nup.claims.run_selection import RunSelection
from nup.figures import register, style
from nup.figures.panels import one_seed, panels, run_name

#: The most curves in a panel. More rates are thinned evenly; the lowest and the highest stay.
_CURVES = 6


@register
def edge_of_stability(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """η_t times both top eigenvalues over time at one seed, and late values of all stable runs."""
    low, high = style.threshold_of(claim, "late_hessian_edge")

    def histories(axis: Axes, selection: RunSelection) -> None:
        _band(axis, low, high)
        _draw_histories(axis, selection)

    def ends(axis: Axes, selection: RunSelection) -> None:
        _band(axis, low, high)
        _draw_ends(axis, selection)

    rows = {
        "η times the top eigenvalue, one seed": histories,
        "median of the last quarter, every stable run below 2/λ₀": ends,
    }
    return panels(tables, judged, claim, rows)


def _band(axis: Axes, low: float | None, high: float | None) -> None:
    axis.axhspan(low or 0.0, high or 0.0, color=style.SHADE, label="threshold of the claim")


def _draw_histories(axis: Axes, selection: RunSelection) -> None:
    runs = one_seed(_stable(selection)).sort_values("learning_rate")
    keep = np.linspace(0, len(runs) - 1, min(len(runs), _CURVES)).round().astype(int)
    runs = runs.iloc[keep]
    handles = []
    for color, (_, run) in style.colored(runs, "learning_rate"):
        history = hessian_history(selection, run["run_id"])
        # The two eigenvalues are recorded at different cadences.
        other = selection.steps_of(run["run_id"]).dropna(subset=["edge"])
        axis.plot(other["step"], other["edge"], color=color, linewidth=0.8, linestyle=":")
        axis.plot(history["step"], history["hessian_edge"], color=color, linewidth=1.4)
        handles.append(Line2D([], [], color=color, label=f"η = {run['learning_rate']:.3g}"))
    handles.append(Line2D([], [], color="0.3", label="Hessian"))
    handles.append(Line2D([], [], color="0.3", linestyle=":", label="Gauss–Newton"))
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel(r"$\eta\lambda_t$")
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])  # room for the legend
    axis.legend(handles=handles, loc="upper right", ncols=2, fontsize="x-small")


def _draw_ends(axis: Axes, selection: RunSelection) -> None:
    """Draw runs that reached the edge as filled marks, and the others as hollow ones."""
    runs = edge_runs(selection)
    there = runs["highest"] >= EDGE
    for label, face, chosen in (
        (f"reached {EDGE:g}", style.BLUE, runs[there]),
        ("did not", "none", runs[~there]),
    ):
        if not chosen.empty:
            look = {"facecolors": face, "edgecolors": style.BLUE, "s": 24, "label": label}
            axis.scatter(chosen["learning_rate"], chosen["late"], **look)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("learning rate η")
    axis.set_ylabel("late ηλ of the Hessian")
    axis.margins(y=0.25)  # room for the legend
    axis.legend(loc="upper left", ncols=3, fontsize="x-small")


def _stable(selection: RunSelection) -> pd.DataFrame:
    runs = catapult_runs(selection, "constant")
    stable: pd.DataFrame = runs[is_stable(runs) & runs["batch_size"].isna()]
    return stable
