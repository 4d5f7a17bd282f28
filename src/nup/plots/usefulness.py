"""Test accuracy of νP and of the baselines, each tuned on validation data."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.usefulness import accuracy_gain, candidates, tuned
from nup.claims.evidence import Evidence, NotRun, Undecided
from nup.plots import style


def tuned_accuracies(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Test accuracy of every net, and what νP has more than the best baseline."""
    rows = {
        "test accuracy at settings tuned on validation data": _accuracy_panel(claim),
        "νP minus the best baseline, by seed": _gain_panel(claim),
    }
    return style.panels(tables, judged, claim, rows, size=(6.4, 3.8))


def _accuracy_panel(claim: Claim) -> style.Draw:
    arguments = [criterion.arguments for criterion in claim.criteria]
    contenders = [(each["net"], each["schedule"]) for each in arguments]
    contenders += [(net, "constant") for net in arguments[0]["baselines"]]

    def draw(axis: Axes, evidence: Evidence) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        for net, schedule in contenders:
            try:
                chosen = tuned(candidates(evidence, net, schedule))
            except NotRun as outcome:
                silent.append(outcome)
                continue
            accuracy = chosen.groupby("seed")["test_accuracy"].mean()
            _draw_seeds(axis, len(labels), accuracy, style.net_style(net))
            labels.append(f"{style.net_style(net).label},\n{schedule}")
        if not labels:
            raise silent[0]
        _name_lines(axis, labels)
        axis.set_xlabel("test accuracy, mean over depths (marks: seeds; bar: mean)")

    return draw


def _gain_panel(claim: Claim) -> style.Draw:
    def draw(axis: Axes, evidence: Evidence) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        for criterion in claim.criteria:
            try:
                gains = accuracy_gain(evidence, **criterion.arguments).by_seed
            except (NotRun, Undecided) as outcome:
                silent.append(outcome)
                continue
            look = style.net_style(criterion.arguments["net"])
            _draw_seeds(axis, len(labels), gains, look)
            labels.append(criterion.arguments["schedule"])
        if not labels:
            raise silent[0]
        least, _ = style.threshold_of(claim, "accuracy_gain")
        far = max(abs(end) for end in axis.get_xlim())
        axis.axvspan(least or 0.0, 2 * far, color=style.SHADE, zorder=0)
        axis.set_xlim(-far, far)
        axis.axvline(0, color="0.5", linewidth=0.8)
        _name_lines(axis, labels)
        axis.set_xlabel("difference in test accuracy (shaded: threshold of the claim)")

    return draw


def _draw_seeds(axis: Axes, line: int, values: pd.Series[float], look: style.NetStyle) -> None:
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


def _name_lines(axis: Axes, labels: list[str]) -> None:
    axis.set_yticks(range(len(labels)), labels, fontsize="small")
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_ylabel("net and schedule")
