"""Runs against null models with the same step lengths: random walks, shuffled cosines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from nup.analysis.cosine.motion import autocorrelation, parts
from nup.analysis.cosine.null_table import SIMULATIONS, simulate
from nup.analysis.cosine.nulls import band
from nup.analysis.cosine.trajectories import KINDS, first_run, motion_of, run_label
from nup.claims.catalogue import Claim
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.kinds import kinds_run
from nup.figures.panels import Draw, panels

_LAGS = 16
#: Half width of a 95 % band in standard deviations.
_NORMAL = 1.96
_COLORS = (style.INDIGO, style.ROSE, style.TEAL, style.OLIVE, style.WINE)
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v")


@register
def null_displacements(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Displacement over time and the 95 % bands of both null models.

    The unit is the root mean square displacement of a random walk with these step lengths.
    """
    shown, note = kinds_run(tables, claim)
    rows = {kind: _displacement_panel(kind) for kind in shown}
    title = "Displacement against null models"
    return panels(tables, judged, claim, rows, size=(5.6, 2.3), title=title, note=note)


def _displacement_panel(kind: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        run = first_run(selection, kind)
        motion = motion_of(selection, run)
        simulated = simulate(run, motion, SIMULATIONS, seed=0)
        steps = np.arange(1, len(motion.distances))
        unit = np.sqrt(parts(motion).diffusive[1:])
        if unit[0] == 0:
            raise Undecided(f"run {run['run_id']} does not move at its first step")
        looks = (("random walk", style.INDIGO, ""), ("shuffled cosines", style.ROSE, "////"))
        for squares, (label, color, hatch) in zip(simulated, looks, strict=True):
            low, high = band(np.sqrt(squares[:, 1:]) / unit)
            axis.fill_between(
                steps,
                low,
                high,
                facecolor=to_rgba(color, 0.35),
                edgecolor=color,
                hatch=hatch,
                linewidth=0.6,
                label=f"{label}, 95 % band",
            )
        axis.plot(
            steps, motion.distances[1:] / unit, color="black", linewidth=1.5, label="measured"
        )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel(f"step t ({run_label(run)})", fontsize="small")
        axis.set_ylabel("displacement /\nroot of Σ‖Δ‖²")
        axis.legend()

    return draw


@register
def null_cosines(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Distribution and autocorrelation of the cosines, against the null models."""
    rows = {
        "spread of the cosines": _draw_spread,
        "order of the cosines": _draw_order,
    }
    title = "Cosines against null models"
    _, note = kinds_run(tables, claim)
    note = note.replace("One run a panel", "One run of each kind")
    return panels(tables, judged, claim, rows, size=(5.8, 2.8), title=title, note=note)


def _runs(selection: RunSelection) -> list[tuple[int, str, pd.Series]]:
    """Number, kind and run of every kind with a run; raises the first outcome if none has one."""
    found, outcomes = [], []
    for number, kind in enumerate(KINDS):
        try:
            found.append((number, kind, first_run(selection, kind)))
        except (NotRun, Undecided) as outcome:
            outcomes.append(outcome)
    if not found:
        raise outcomes[0]
    return found


def _draw_spread(axis: Axes, selection: RunSelection) -> None:
    """Draw the share of steps with a cosine below each value."""
    dimensions = []
    for number, _, run in _runs(selection):
        values = np.sort(_cosines(selection, run))
        share = (np.arange(len(values)) + 0.5) / len(values)
        look: dict[str, Any] = {"color": _COLORS[number], "linestyle": _DASHES[number]}
        axis.plot(values, share, linewidth=1.4, **look)
        dimensions.append(float(run["n_parameters"]))
    width = _NORMAL / np.sqrt(min(dimensions))
    axis.axvspan(-width, width, color="0.8", zorder=0, label="random walk, 95 % of steps")
    axis.set_xlim(-1, 1)
    axis.set_xticks([-1, -0.5, 0, 0.5, 1])
    axis.set_ylim(0, 1)
    axis.set_xlabel(r"$\cos_t$")
    axis.set_ylabel("share of steps below")
    axis.legend()


def _draw_order(axis: Axes, selection: RunSelection) -> None:
    lags = np.arange(1, _LAGS + 1)
    least = np.inf
    for number, kind, run in _runs(selection):
        values = _cosines(selection, run)
        least = min(least, len(values))
        axis.plot(
            lags,
            autocorrelation(values, _LAGS),
            color=_COLORS[number],
            marker=_MARKERS[number],
            linestyle=_DASHES[number],
            linewidth=1,
            markersize=4,
            label=kind,
        )
    width = _NORMAL / np.sqrt(least)
    axis.axhspan(-width, width, color="0.8", zorder=0, label="shuffled cosines, 95 % band")
    axis.set_xticks(lags[1::2])
    axis.set_ylim(-1.05, 1.05)
    axis.set_xlabel("lag in steps")
    axis.set_ylabel("autocorrelation of the cosine")
    axis.legend()


def _cosines(selection: RunSelection, run: pd.Series) -> np.ndarray:
    cosines = motion_of(selection, run).cosines
    finite: np.ndarray = cosines[np.isfinite(cosines)]
    if len(finite) == 0:
        raise NotRun(f"run {run['run_id']} has no cosines (record.steps)")
    return finite
