"""Critical learning rates against depth and width: the phases of early training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from nup.analysis.phase_lines import of_experiment
from nup.claims.nets import ordered
from nup.claims.run_selection import Axis
from nup.figures import style
from nup.figures.depth import size_axis
from nup.figures.nets import styles_of
from nup.phases.threshold_search import LINES

#: Quantity in which a line is drawn.
Quantity = Literal["c", "learning_rate"]


class LineStyle(NamedTuple):
    """Style of a line. Lines differ by marker and dashes, not by color alone."""

    label: str
    color: Any
    marker: str
    dashes: Any


STYLES = {
    "loss": LineStyle("loss first rises", style.BLUE, "o", "-"),
    "sharpness": LineStyle("sharpness first rises", style.VERMILION, "^", "--"),
    "catapult": LineStyle("catapult", style.GREEN, "s", ":"),
    "divergence": LineStyle("divergence", "black", "X", "-."),
}
_RISEN, _LOST = "#faedc8", "0.82"
_LABELS = {"c": "c = ηλ₀", "learning_rate": "learning rate η"}
#: Factor between the sizes at which neighbouring lines are drawn; it keeps their marks apart.
_DODGE = 1.03


def phase_diagram(
    tables: Mapping[str, pd.DataFrame],
    experiment: str,
    axis_name: Axis = "depth",
    quantity: Quantity = "c",
) -> Figure:
    """The four lines against depth or base width: a row of panels per net, a column per activation.

    Args:
        tables: the tidy tables, of which ``phases`` is read.
        experiment: name of the phase diagram in the study configuration.
        axis_name: the size that the diagram varies.
        quantity: ``c`` = ηλ_0, or the learning rate η itself.
    """
    rows = of_experiment(tables, experiment)
    nets = ordered(rows) or [""]
    styles = styles_of(tables)
    activations = sorted(set(rows["activation"])) or [""]
    with style.theme():
        size = (4.9 * len(activations) + 0.3, 2.5 * len(nets) + 1.3)
        figure = Figure(figsize=size)
        axes = figure.subplots(len(nets), len(activations), squeeze=False, sharex=True)
        against = "depth" if axis_name == "depth" else "width"
        figure.suptitle(f"Phases of early training against {against}", fontweight="bold")
        for line, net in zip(axes, nets, strict=True):
            for axis, activation in zip(line, activations, strict=True):
                panel = rows[(rows["net"] == net) & (rows["activation"] == activation)]
                if panel.empty:
                    _say_absent(axis, experiment)
                    continue
                axis.set_title(f"{activation}: {styles[net].label}", fontsize="medium")
                _draw(axis, panel.rename(columns={axis_name: "size"}), quantity)
                size_axis(axis, sorted(rows[axis_name].unique()), axis_name)
                axis.label_outer()
            _align(line, rows[rows["net"] == net], quantity)
        if not rows.empty:
            figure.legend(handles=_legend(quantity), loc="outside lower center", ncols=3)
    return figure


def _say_absent(axis: Axes, experiment: str) -> None:
    axis.set_axis_off()
    text = f"not run: no phase diagram `{experiment}`"
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)


def _draw(axis: Axes, rows: pd.DataFrame, quantity: Quantity) -> None:
    """Shade the phases, then draw the lines."""
    axis.set_yscale("log", base=2)
    medians = {name: _median(rows[rows["line"] == name], quantity) for name in LINES}
    _shade(axis, medians)
    for number, name in enumerate(LINES):
        shift = _DODGE ** (number - (len(LINES) - 1) / 2)
        _draw_line(axis, rows[rows["line"] == name], medians[name], name, quantity, shift)
    if quantity == "c":
        for reference in (2, 4):
            axis.axhline(reference, color="0.35", linewidth=0.8, zorder=1)
    axis.set_ylabel(_LABELS[quantity])


def _median(line: pd.DataFrame, quantity: Quantity) -> pd.Series:
    """Median over seeds by size; a line above the range counts as above all others."""
    alive = line[line["censored"] != "dead"]
    values = alive[quantity].fillna(np.inf)
    return values.groupby(alive["size"]).median()


def _shade(axis: Axes, medians: Mapping[str, pd.Series]) -> None:
    """Shade where the loss rises and the run recovers, and where the run is lost."""
    ends = pd.DataFrame({"risen": medians["loss"], "lost": medians["divergence"]})
    ends = ends.replace(np.inf, 1e6)
    low = ends.min(axis=1)
    axis.fill_between(ends.index, low, ends["lost"], color=_RISEN, linewidth=0, zorder=0)
    axis.fill_between(ends.index, ends["lost"], 1e6, color=_LOST, linewidth=0, zorder=0)


def _draw_line(
    axis: Axes, rows: pd.DataFrame, median: pd.Series, name: str, quantity: Quantity, shift: float
) -> None:
    """Draw medians and ranges over seeds; marks are hollow where some seeds have no such line."""
    look = STYLES[name]
    finite = median[np.isfinite(median)]
    axis.plot(finite.index * shift, finite, color=look.color, linestyle=look.dashes, linewidth=1.5)
    edges = axis.get_xaxis_transform()
    for size in sorted(rows["size"].unique()):
        seeds = rows[rows["size"] == size]
        found = seeds[quantity].dropna()
        x = size * shift
        if not found.empty:
            middle = median[size] if np.isfinite(median.get(size, np.inf)) else found.median()
            axis.errorbar(
                x,
                middle,
                yerr=[[middle - found.min()], [max(found.max() - middle, 0)]],
                color=look.color,
                marker=look.marker,
                markersize=6,
                markerfacecolor=look.color if len(found) == len(seeds) else "white",
                linewidth=1,
            )
        for censored, y, marker in (("below", 0.03, 11), ("above", 0.97, 10)):
            if (seeds["censored"] == censored).any() and name != "catapult":
                axis.plot(x, y, marker=marker, color=look.color, transform=edges, clip_on=False)


def _align(line: Sequence[Axes], rows: pd.DataFrame, quantity: Quantity) -> None:
    """Give the panels of a net the same limits: all values of c tried, or all rates found."""
    drawn = [axis for axis in line if axis.axison]
    if not drawn:
        return
    low, high = (
        (rows["lowest_c"].min(), rows["highest_c"].max())
        if quantity == "c"
        else (rows[quantity].min(), rows[quantity].max())
    )
    for axis in drawn:
        axis.set_ylim(low / 1.6, high * 1.6)
        axis.yaxis.set_major_locator(LogLocator(base=2, numticks=6))
        if quantity == "c":
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())


def _legend(quantity: Quantity) -> list[Any]:
    handles: list[Any] = [
        Line2D(
            [], [], color=look.color, marker=look.marker, linestyle=look.dashes, label=look.label
        )
        for look in STYLES.values()
    ]
    gray: dict[str, Any] = {"color": "0.35", "linestyle": "none"}
    handles += [
        Patch(color=_RISEN, label="loss rises and comes back"),
        Patch(color=_LOST, label="run is lost"),
        Line2D([], [], marker="o", markerfacecolor="white", **gray, label="in some seeds only"),
        Line2D([], [], marker=10, **gray, label="above the range in some seeds"),
        Line2D([], [], marker=11, **gray, label="below the range in some seeds"),
    ]
    if quantity == "c":
        handles.append(Line2D([], [], color="0.35", linewidth=0.8, label="c = 2 and c = 4"))
    return handles
