"""Test accuracy of nets and of their baselines, each tuned on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.usefulness import accuracy_gain, candidates, tuned
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import NetStyle, net_style
from nup.figures.panels import Draw, activations, panels

#: Percentage points up to which the scale of differences is linear.
_LINEAR = 10.0
_TICKS = (-90, -30, -10, -5, 0, 5, 10, 30, 90)


@register
def tuned_accuracies(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Test error of every net and schedule of the claim, and gains over the best baseline.

    Panels of a row have the same lines, those of all activations: a line without a run says so.
    """
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": [], "net": []})
    present = set(runs.loc[runs["experiment"] == claim.experiment, "net"])
    contestants = {key: each for key, each in _contestants(claim).items() if key[0] in present}
    lines = list(contestants)
    lines += [
        (net, "constant")
        for each in contestants.values()
        for net in each["baselines"]
        if net in present
    ]
    lines = list(dict.fromkeys(lines))
    rows = {
        "test error, tuned on validation data": _error_panel(lines),
        "accuracy minus that of the best baseline": _gain_panel(claim, contestants),
    }
    note = "Marks: {seeds}, each a mean over depths; bars: mean over seeds, at equal steps."
    height = 0.9 + 0.2 * max(6, len(lines))
    # Names of lines take as much room beside one panel as beside two.
    width = 6.4 if len(activations(tables, "runs", claim.experiment)) > 1 else 9.6
    return panels(tables, judged, claim, rows, size=(width, height), note=note)


def _contestants(claim: Claim) -> dict[tuple[str, str], dict[str, Any]]:
    """The arguments of the criteria of all readings, once for each net and schedule."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for reading in claim.readings:
        for criterion in reading.criteria:
            key = (criterion.arguments["net"], criterion.arguments["schedule"])
            found.setdefault(key, criterion.arguments)
    return found


def _error_panel(lines: Sequence[tuple[str, str]]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        _name_lines(axis, selection, lines)
        axis.set_xscale("log")
        for line, (net, schedule) in enumerate(lines):
            try:
                chosen = tuned(candidates(selection, net, schedule))
            except (NotRun, Undecided) as outcome:
                _say(axis, line, "not run" if isinstance(outcome, NotRun) else "no run finished")
                continue
            error = 100 * (1 - chosen.groupby("seed")["test_accuracy"].mean())
            _draw_seeds(axis, line, error.clip(lower=0.01), net_style(selection, net))
        ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axis.set_xticks([], minor=True)
        low, high = axis.dataLim.intervalx
        axis.set_xlim(low / 1.2, high * 1.2)
        axis.set_xlabel("test error in % (logarithmic)")

    return _with_runs(draw)


def _gain_panel(claim: Claim, contestants: Mapping[tuple[str, str], dict[str, Any]]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        _name_lines(axis, selection, list(contestants))
        for line, ((net, _), arguments) in enumerate(contestants.items()):
            try:
                gains = accuracy_gain(selection, **arguments).by_seed
            except (NotRun, Undecided):
                gains = pd.Series(dtype="float64")
            if gains.empty:
                _say(axis, line, "no pair of runs")
                continue
            _draw_seeds(axis, line, 100 * gains, net_style(selection, net))
        least, _ = style.threshold_of(claim, "accuracy_gain")
        axis.set_xscale("symlog", linthresh=_LINEAR, linscale=2)
        axis.axvspan(
            100 * (least or 0.0),
            100,
            color=style.SHADE,
            zorder=0,
            linewidth=0,
            label="claim's range",
        )
        far = max(_LINEAR, 1.1 * float(np.nanmax(np.abs(axis.dataLim.intervalx[:1]))))
        axis.set_xlim(-far, max(_LINEAR, far / 4))
        shown = [tick for tick in _TICKS if -far <= tick <= max(_LINEAR, far / 4)]
        axis.set_xticks(
            shown, [f"{tick:+d}".replace("-", "−").replace("+0", "0") for tick in shown]
        )
        axis.set_xticks([], minor=True)
        axis.axvline(0, color="0.5", linewidth=0.8)
        axis.set_xlabel("difference in percentage points (linear to ±10)")
        axis.legend()

    return _with_runs(draw)


def _with_runs(draw: Draw) -> Draw:
    """The same panel, which says that there are no runs where there are none."""

    def checked(axis: Axes, selection: RunSelection) -> None:
        if selection.runs.empty:
            selection.runs_of()  # raises NotRun
        draw(axis, selection)

    return checked


def _draw_seeds(axis: Axes, line: int, values: pd.Series[float], look: NetStyle) -> None:
    axis.plot(
        values,
        [line] * len(values),
        color=look.color,
        marker=look.marker,
        markerfacecolor=look.face,
        markersize=5,
        linestyle="none",
        alpha=0.7,
    )
    axis.vlines(values.mean(), line - 0.35, line + 0.35, color="black", linewidth=2)


def _say(axis: Axes, line: int, text: str) -> None:
    place = axis.get_yaxis_transform()
    axis.text(0.98, line, text, transform=place, ha="right", va="center", fontsize="x-small")


def _name_lines(axis: Axes, selection: RunSelection, lines: Sequence[tuple[str, str]]) -> None:
    names = [f"{net_style(selection, net).label}, {schedule}" for net, schedule in lines]
    axis.set_yticks(range(len(lines)), names, fontsize="small")
    axis.set_ylim(len(lines) - 0.5, -0.5)
    axis.set_ylabel("net, schedule")
