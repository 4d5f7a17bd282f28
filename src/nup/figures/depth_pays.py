"""What nets reach at their best learning rate, against depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.depth import LEAST_ERROR, at_found
from nup.claims.learning_rates import LEAST_DEPTH, constant_rate_runs, rate_table
from nup.claims.nets import comparable, nets_of_study, ordered
from nup.claims.run_selection import NotRun, RunSelection, remembered
from nup.figures import register
from nup.figures.depth import rate_panel, size_axis, with_runs
from nup.figures.legends import one_legend, spread_end_labels
from nup.figures.nets import draw_band, net_style
from nup.figures.panels import (
    Draw,
    draws,
    panels,
    regime_selections,
    share_vertical,
    titled,
    wrapped,
)
from nup.figures.style import theme

_LOSS = "late loss over null loss"


@register
def depth_pays(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Late loss and test error at the best LR against depth, for νP and its controls.

    All nets of the claim's experiment are shown. Nets of equal base width share a row, and so do
    nets with as many parameters.
    """
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    nets = ordered(runs[runs["experiment"] == claim.experiment]) or claim.nets
    groups = comparable(nets_of_study(tables), nets) or {"": nets}
    quantities = {_LOSS: "loss", "test error in %": "error"}
    rows = {
        f"{name} at the best LR" + (f", {equal}" if equal else ""): _reached_panel(
            column, name, own
        )
        for name, column in quantities.items()
        for equal, own in groups.items()
    }
    note = "Lines: geometric mean at the best LR of each seed; bands: range over {seeds}."
    return panels(tables, judged, claim, rows, size=(6.0, 3.0), note=note)


@register
def depth_overview(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Best LR, and late loss there, against depth: νP, its control and μP, for one activation.

    It is the first reading of the claim that has runs, for the first activation and setting.
    """
    reading = with_runs(claim, set(nets_of_study(tables)["net"]))[0]
    ends = [each.arguments.get(key) for each in reading.criteria for key in ("net", "against")]
    nets = list(dict.fromkeys(filter(None, ends)))
    rows = {"best LR": rate_panel("best", nets), "loss": _reached_panel("loss", _LOSS, nets)}
    with theme():
        figure = Figure(figsize=(10.5, 3.6))
        selections = regime_selections(tables, claim)[:1]
        for axis, draw in zip(figure.subplots(1, 2), rows.values(), strict=True):
            share_vertical([axis for selection in selections if draws(axis, selection, draw)])
        where = [f"{each.activation}, {each.regime_label}, " for each in selections]
        title = wrapped(titled(judged, claim), 10.5)
        figure.suptitle(f"{title}\n{''.join(where)}{reading.label}", fontweight="bold")
        one_legend(
            figure, "Marks: geometric mean; bars and bands: range over seeds; numbers: slopes."
        )
        spread_end_labels(figure)
    return figure


def _reached_panel(column: str, name: str, nets: Sequence[str]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        sizes: set[int] = set()
        for net in present:
            table = _best_reached(selection, net)
            look = net_style(selection, net)
            by_size = table.groupby("depth")[column]
            mean = np.exp(np.log(table[column]).groupby(table["depth"]).mean())
            sizes |= set(mean.index)
            draw_band(axis, mean, by_size, look)
        if not sizes:
            raise NotRun("no net has a stable run")
        size_axis(axis, sorted(sizes))
        axis.set_yscale("log")
        axis.set_ylabel(name)
        axis.legend()

    return draw


@remembered
def _best_reached(selection: RunSelection, net: str) -> pd.DataFrame:
    """Late loss and test error of each seed at its best LR, interpolated.

    Args:
        selection: the runs.
        net: label of the net.

    Returns:
        Columns ``depth``, ``seed``, ``loss`` (late loss over the null loss) and ``error`` (1 − test
        accuracy, in %).
    """
    runs = constant_rate_runs(selection.runs_of(net, trials=True))
    runs = runs[runs["depth"] >= LEAST_DEPTH]
    found = rate_table(runs, "best")
    errors = (1 - runs["test_accuracy"].astype("float64")).clip(lower=LEAST_ERROR)
    found = found.assign(error=100 * at_found(runs, errors, found, "depth"))
    return found.loc[found["problem"] != "none", ["depth", "seed", "loss", "error"]]
