"""Test accuracy of nets and of their baselines, each tuned on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators.usefulness import accuracy_gain, candidates, contenders, tuned
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import NetStyle, net_style, styles_of
from nup.figures.panels import Draw, panels

#: Costs that comparisons hold equal, in the order of the panels.
EQUAL = ("steps", "operations")


@register
def tuned_accuracies(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Test accuracy of every net, and the gain of each contender over the best baseline."""
    styles = styles_of(tables)
    names = " or ".join(styles[net].label if net in styles else net for net in claim.nets)
    asked = {_equal(criterion) for criterion in claim.criteria}
    rows = {
        f"tuned test accuracy at equal {equal}": _accuracy_panel(claim, equal)
        for equal in EQUAL
        if equal in asked
    }
    rows[f"{names} minus the best baseline, by seed"] = _gain_panel(claim)
    return panels(tables, judged, claim, rows, size=(6.4, 4.0))


def _accuracy_panel(claim: Claim, equal: str) -> Draw:
    criteria = [each.arguments for each in claim.criteria if _equal(each) == equal]

    def draw(axis: Axes, selection: RunSelection) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        contestants = [(each, each["net"], each["schedule"]) for each in criteria]
        # The baselines as the first criterion compares them.
        contestants += [(criteria[0], net, "constant") for net in criteria[0]["baselines"]]
        for arguments, net, schedule in contestants:
            try:
                chosen = _tuned(selection, arguments, net, schedule)
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


def _tuned(
    selection: RunSelection, arguments: Mapping[str, Any], net: str, schedule: str
) -> pd.DataFrame:
    """The tuned runs of one net; at equal operations only if all that it is held against ran."""
    if arguments.get("equal", "steps") == "steps":
        return tuned(candidates(selection, net, schedule))
    runs = pd.concat(contenders(selection, **arguments))
    return tuned(runs[(runs["net"] == net) & (runs["schedule_name"] == schedule)])


def _gain_panel(claim: Claim) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        labels: list[str] = []
        silent: list[Exception] = []
        for criterion in claim.criteria:
            try:
                gains = accuracy_gain(selection, **criterion.arguments).by_seed
            except (NotRun, Undecided) as outcome:
                silent.append(outcome)
                continue
            look = net_style(selection, criterion.arguments["net"])
            hollow = look._replace(face="white") if _equal(criterion) != "steps" else look
            _draw_seeds(axis, len(labels), gains, hollow)
            labels.append(f"{criterion.arguments['schedule']},\nequal {_equal(criterion)}")
        if not labels:
            raise silent[0]
        least, _ = style.threshold_of(claim, "accuracy_gain")
        far = max(abs(end) for end in axis.get_xlim())
        axis.axvspan(least or 0.0, 2 * far, color=style.SHADE, zorder=0)
        axis.set_xlim(-far, far)
        axis.axvline(0, color="0.5", linewidth=0.8)
        _name_lines(axis, labels, "schedule of the net")
        axis.set_xlabel("difference (shaded: threshold of the claim)")

    return draw


def _equal(criterion: Criterion) -> str:
    return str(criterion.arguments.get("equal", "steps"))


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
