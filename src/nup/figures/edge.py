"""The edge of stability: the Hessian's top eigenvalue and the Gauss–Newton one over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nup.claims.catalogue import Claim
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.estimators.edge import EDGE, edge_runs, hessian_history
from nup.claims.learning_rates import is_stable
from nup.claims.run_selection import RunSelection
from nup.figures import register, style
from nup.figures.catapult import with_edge
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
    note = "Above: one run a line. Below: a mark for each run, {seeds}."
    return panels(tables, judged, claim, rows, size=(5.6, 2.8), note=note)


def _band(axis: Axes, low: float | None, high: float | None) -> None:
    axis.axhspan(low or 0.0, high or 0.0, color=style.SHADE)


def _draw_histories(axis: Axes, selection: RunSelection) -> None:
    runs = one_seed(with_edge(_stable(selection))).sort_values("learning_rate")
    keep = np.linspace(0, len(runs) - 1, min(len(runs), _CURVES)).round().astype(int)
    runs = runs.iloc[keep]
    handles: list[Any] = []
    for color, (_, run) in style.colored(runs, "learning_rate"):
        history = hessian_history(selection, run["run_id"])
        # The two eigenvalues are recorded at different cadences.
        other = selection.steps_of(run["run_id"]).dropna(subset=["edge"])
        axis.plot(other["step"], other["edge"], color=color, linewidth=0.8, linestyle=":")
        axis.plot(history["step"], history["hessian_edge"], color=color, linewidth=1.4)
        label = rf"$\eta\lambda_0$ = {run['edge_0']:.3g}"
        handles.append(Line2D([], [], color=color, label=label))
    handles.append(Line2D([], [], color="0.3", label="Hessian"))
    handles.append(Line2D([], [], color="0.3", linestyle=":", label="Gauss–Newton"))
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel(r"$\eta\lambda_t$")
    axis.set_ylim(bottom=0)
    handles.append(Patch(color=style.SHADE, label="claim's range"))
    axis.legend(handles=handles)


def _draw_ends(axis: Axes, selection: RunSelection) -> None:
    """Draw runs that reached the edge as filled marks, and the others as hollow ones."""
    runs = edge_runs(selection)
    there = runs["highest"] >= EDGE
    for label, face, chosen in (
        (f"reached {EDGE:g}", style.INK, runs[there]),
        ("did not", "none", runs[~there]),
    ):
        if not chosen.empty:
            look: dict[str, Any] = {"facecolors": face, "edgecolors": style.INK, "s": 24}
            axis.scatter(chosen["learning_rate"], chosen["late"], label=label, **look)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("learning rate η")
    axis.set_ylabel("late ηλ of the Hessian")
    axis.legend()


def _stable(selection: RunSelection) -> pd.DataFrame:
    runs = catapult_runs(selection, "constant")
    stable: pd.DataFrame = runs[is_stable(runs) & runs["batch_size"].isna()]
    return stable
