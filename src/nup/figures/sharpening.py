"""Sharpness over time against 2/η, and the first steps of a catapult."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.learning_rates import is_stable
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.catapult import with_edge
from nup.figures.panels import Draw, one_seed, panels, run_name

#: Steps of the beginning that are shown.
_FIRST = 100
#: The most runs in a panel. More are thinned evenly; the lowest and the highest rate stay.
_CURVES = 4


@register
def catapult_start(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Loss and λ_t over the first steps of one seed's runs at constant rates."""

    def losses(axis: Axes, selection: RunSelection) -> None:
        _draw(axis, selection, "loss", "loss ÷ loss at the start", _FIRST)
        axis.axhline(1, color="black", linestyle=":", linewidth=1, label="loss at the start")
        axis.legend()

    rows: dict[str, Draw] = {
        f"training loss in the first {_FIRST} steps": losses,
        f"λ in the first {_FIRST} steps": lambda axis, selection: _draw(
            axis, selection, "sharpness", "λ ÷ λ at the start", _FIRST
        ),
    }
    title = f"The first {_FIRST} steps at constant rates: loss and curvature"
    return panels(tables, judged, claim, rows, size=(5.6, 2.6), title=title, note=_NOTE)


@register
def sharpness_against_edge(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """λ_t over the run, and the edge of stability 2/η of each rate in the color of its line."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        runs = _runs(selection)
        for color, (_, run) in style.colored(runs, "edge_0"):
            steps = selection.steps_of(run["run_id"]).dropna(subset=["sharpness"])
            label = rf"$\eta\lambda_0$ = {run['edge_0']:.3g}"
            axis.plot(steps["step"], steps["sharpness"], color=color, linewidth=1, label=label)
            axis.axhline(2 / run["learning_rate"], color=color, linestyle="--", linewidth=1)
        axis.plot([], [], color="0.3", linestyle="--", label="2/η of the same color")
        axis.set_yscale("log", base=2)
        axis.set_xlabel(f"step t ({run_name(selection, runs)})")
        axis.set_ylabel(r"sharpness $\lambda_t$")
        axis.legend()

    title = "Does the sharpness come to rest at 2/η?"
    rows: dict[str, Draw] = {"sharpness over the run": draw}
    return panels(tables, judged, claim, rows, size=(5.6, 3.2), title=title, note=_NOTE)


_NOTE = "One seed; a line is a run, and marks are recorded steps."


def _runs(selection: RunSelection) -> pd.DataFrame:
    """Stable full-batch runs at constant rates, of one net and seed, in the order of ηλ_0.

    Raises:
        NotRun: if no run has its sharpness.
        Undecided: if none is stable.
    """
    runs = catapult_runs(selection, "constant")
    runs = runs[is_stable(runs) & runs["batch_size"].isna()]
    if runs.empty:
        raise Undecided("no stable full-batch run at a constant rate")
    runs = with_edge(one_seed(runs)).dropna(subset=["edge_0"]).sort_values("edge_0")
    if runs.empty:
        raise NotRun("no run has its initial sharpness λ_0 (record.curvature)")
    keep = np.linspace(0, len(runs) - 1, min(len(runs), _CURVES)).round().astype(int)
    chosen: pd.DataFrame = runs.iloc[np.unique(keep)]
    return chosen


def _draw(axis: Axes, selection: RunSelection, column: str, name: str, first: int) -> None:
    """Draw a column of steps over its first value."""
    runs = _runs(selection)
    for color, (_, run) in style.colored(runs, "edge_0"):
        steps = selection.steps_of(run["run_id"]).dropna(subset=[column])
        steps = steps[steps["step"] <= first]
        marker = "o" if len(steps) < 30 else None
        # The losses name the colors.
        label = rf"$\eta\lambda_0$ = {run['edge_0']:.3g}" if column == "loss" else None
        values = steps[column] / steps[column].iloc[0]
        axis.plot(steps["step"], values, color=color, marker=marker, markersize=4, label=label)
    axis.set_yscale("log", base=2)
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel(name)
