"""Rises of the loss over the run under every schedule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.nets import option
from nup.claims.rises import loss_curve, rises
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.panels import panels

#: Colors and markers of the known schedules; those of other schedules follow.
_SCHEDULES: dict[str, tuple[Any, str]] = {
    "constant": (style.INK, "s"),
    "sharpness": (style.INDIGO, "o"),
    "taylor": (style.ROSE, "^"),
    "polyak": (style.OLIVE, "D"),
}
_FURTHER = list(
    zip((style.WINE, style.TEAL, style.FOREST, style.GRAY, "black"), "vpPX*", strict=True)
)
#: Segments of the run over which rises are averaged.
_SEGMENTS = 20
#: Least ηλ_0 of the constant rates shown, as in the claims.
_LEAST_EDGE = 1.5


def schedule_look(name: str) -> tuple[Any, str]:
    """Color and marker of a schedule; those of other schedules are told apart by ``_FURTHER``."""
    return _SCHEDULES.get(name, _FURTHER[0])


@register
def rises_by_schedule(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Rise over the run, for every schedule with each gradient scaling and without."""
    least, _ = style.threshold_of(claim, "late_rise")

    def draw(axis: Axes, selection: RunSelection) -> None:
        looks = _schedule_looks(selection)
        silent = [
            _draw_rises(axis, selection, schedule, look, scaling, claim)
            for schedule, look in looks.items()
            for scaling in _scalings(selection)
        ]
        if not looks:
            selection.runs_of()  # raises NotRun
        if all(silent):
            raise NotRun(silent[0])
        if least is not None:
            label = f"least late rise, {least:g} (threshold)"
            axis.axhline(least, color="0.4", linestyle=":", label=label)
        axis.set_ylim(bottom=0)
        axis.set_xlim(0, 1)
        axis.set_xlabel("fraction of the run")
        axis.set_ylabel("rise over 20 steps")
        axis.legend()

    rows = {f"mean over seeds, and over c or rates with $\\eta\\lambda_0$ ≥ {_LEAST_EDGE:g}": draw}
    return panels(
        tables, judged, claim, rows, size=(6.0, 3.4), title="Rises of the loss under every schedule"
    )


def _scalings(selection: RunSelection) -> list[str]:
    """Gradient scalings of the selection, ``none`` first."""
    found = set(selection.runs.get("gradient_scaling", []))
    return [*(["none"] if "none" in found else []), *sorted(found - {"none"})]


def _schedule_looks(selection: RunSelection) -> dict[str, tuple[Any, str]]:
    """Color and marker of every schedule of the selection, the known ones first."""
    present = set(selection.runs.get("schedule_name", []))
    others = sorted(present - set(_SCHEDULES))
    looks = {name: look for name, look in _SCHEDULES.items() if name in present}
    return looks | dict(zip(others, itertools.cycle(_FURTHER), strict=False))


def _draw_rises(
    axis: Axes,
    selection: RunSelection,
    schedule: str,
    look: tuple[Any, str],
    scaling: str,
    claim: Claim,
) -> str:
    """Draw the mean rise of one schedule; return the reason if it cannot be drawn, else ""."""
    try:
        means = _mean_rises(selection, schedule, scaling, claim)
    except (NotRun, Undecided) as outcome:
        return str(outcome)
    color, marker = look
    plain = scaling == "none"
    axis.plot(
        (np.arange(_SEGMENTS) + 0.5) / _SEGMENTS,
        means,
        color=color,
        marker=marker,
        markersize=5,
        markerfacecolor=color if plain else "white",
        linestyle="-" if plain else "--",
        label=schedule if plain else f"{schedule} with ξ ({scaling})",
    )
    return ""


def _mean_rises(selection: RunSelection, schedule: str, scaling: str, claim: Claim) -> np.ndarray:
    """Mean over the finished runs of the mean rise in each segment, ``[segments]``."""
    net = claim.criteria[0].arguments["net"]
    constants = {each.arguments["c"] for each in claim.criteria if "c" in each.arguments}
    edge = _LEAST_EDGE if schedule == "constant" else None
    runs = catapult_runs(selection, schedule, net, None, edge, scaling)
    if schedule != "constant":
        runs = runs[option(runs, "schedule", "c").isin(constants)]
    finished = runs[runs["status"] == "ok"]
    if finished.empty:
        raise Undecided(f"no finished run under {schedule}")
    curves = []
    for _, run in finished.iterrows():
        found = rises(loss_curve(selection.steps_of(run["run_id"]), int(run["steps"])))
        curves.append([np.mean(part) for part in np.array_split(found, _SEGMENTS)])
    return np.mean(curves, axis=0)
