"""Test accuracy of nets and of their baselines, each tuned on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.usefulness import accuracy_gain, candidates, tuned
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import NetStyle, net_style
from nup.figures.panels import Draw, panels


@register
def tuned_accuracies(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Test accuracy of every net and schedule of the claim, and gains over the best baseline."""
    rows = {
        "tuned test accuracy at equal steps": _accuracy_panel(claim),
        "minus the best baseline, by seed": _gain_panel(claim),
    }
    return panels(tables, judged, claim, rows, size=(6.4, 4.6))


def _contestants(claim: Claim) -> list[dict[str, Any]]:
    """The arguments of the criteria of all readings, once for each net and schedule."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for reading in claim.readings:
        for criterion in reading.criteria:
            key = (criterion.arguments["net"], criterion.arguments["schedule"])
            found.setdefault(key, criterion.arguments)
    return list(found.values())


def _accuracy_panel(claim: Claim) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        criteria = _contestants(claim)
        contestants = [(each["net"], each["schedule"]) for each in criteria]
        contestants += [(net, "constant") for each in criteria for net in each["baselines"]]
        for net, schedule in dict.fromkeys(contestants):
            try:
                chosen = tuned(candidates(selection, net, schedule))
            except NotRun as outcome:
                silent.append(outcome)
                continue
            accuracy = chosen.groupby("seed")["test_accuracy"].mean()
            _draw_seeds(axis, len(labels), accuracy, net_style(selection, net))
            labels.append(f"{net_style(selection, net).label},\n{schedule}")
        if not labels:
            raise silent[0]
        _name_lines(axis, labels, "net and schedule")
        axis.set_xlabel("test accuracy (marks: seeds; bar: mean)")

    return draw


def _gain_panel(claim: Claim) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        for arguments in _contestants(claim):
            try:
                gains = accuracy_gain(selection, **arguments).by_seed
            except (NotRun, Undecided) as outcome:
                silent.append(outcome)
                continue
            look = net_style(selection, arguments["net"])
            _draw_seeds(axis, len(labels), gains, look)
            labels.append(f"{look.label},\n{arguments['schedule']}")
        if not labels:
            raise silent[0]
        least, _ = style.threshold_of(claim, "accuracy_gain")
        far = max(abs(end) for end in axis.get_xlim())
        axis.axvspan(least or 0.0, 2 * far, color=style.SHADE, zorder=0)
        axis.set_xlim(-far, far)
        axis.axvline(0, color="0.5", linewidth=0.8)
        _name_lines(axis, labels, "net and schedule")
        axis.set_xlabel("difference (shaded: threshold of the claim)")

    return draw


def _draw_seeds(axis: Axes, line: int, values: pd.Series[float], look: NetStyle) -> None:
    axis.plot(
        values,
        [line] * len(values),
        color=look.color,
        marker=look.marker,
        markerfacecolor=look.face,
        linestyle="none",
        alpha=0.7,
    )
    axis.vlines(values.mean(), line - 0.3, line + 0.3, color="black", linewidth=2)


def _name_lines(axis: Axes, labels: list[str], what: str) -> None:
    axis.set_yticks(range(len(labels)), labels, fontsize="small")
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_ylabel(what)
