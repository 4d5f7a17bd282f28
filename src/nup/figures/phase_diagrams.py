"""Critical learning rates against depth and width: the phases of early training."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from nup.analysis.phase_lines import of_experiment, slopes
from nup.claims.nets import ordered
from nup.claims.run_selection import Axis
from nup.figures import style
from nup.figures.depth import signed, size_axis
from nup.figures.legends import place_legend
from nup.figures.nets import styles_of
from nup.figures.panels import say_absent, wrapped
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
    "loss": LineStyle("loss first rises", style.INDIGO, "o", "-"),
    "sharpness": LineStyle("sharpness first rises", style.ROSE, "^", "--"),
    "catapult": LineStyle("catapult", style.FOREST, "s", ":"),
    "divergence": LineStyle("divergence", "black", "X", "-."),
}
_RISEN, _LOST = "#faedc8", "0.88"
_COLUMNS = 3
_NOTE = "Marks: median; bars: range over seeds."
_LABELS = {"c": "c = ηλ₀", "learning_rate": "learning rate η"}
#: Factor between the sizes at which neighbouring lines are drawn; it keeps their marks apart.
_DODGE = 1.03


def phase_diagram(
    tables: Mapping[str, pd.DataFrame],
    experiment: str,
    axis_name: Axis = "depth",
    quantity: Quantity = "c",
) -> Figure:
    """The four lines against depth or base width: small panels for each activation and net.

    Args:
        tables: the tidy tables, of which ``phases`` is read.
        experiment: name of the phase diagram in the study configuration.
        axis_name: the size that the diagram varies.
        quantity: ``c`` = ηλ_0, or the learning rate η itself.
    """
    rows = of_experiment(tables, experiment)
    nets = ordered(rows) or [""]
    names = sorted(set(rows["activation"])) or [""]
    columns = min(_COLUMNS, len(nets))
    lines = -(-len(nets) // columns)
    found = slopes(tables, experiment, axis_name)
    with style.theme():
        size = (max(6.4, 3.7 * columns + 0.3), 2.4 * lines * len(names) + 0.8)
        figure = Figure(figsize=size)
        grid = figure.subplots(lines * len(names), columns, squeeze=False)
        against = "depth" if axis_name == "depth" else "width"
        title = f"At which learning rates early training changes its phase, against {against}"
        figure.suptitle(wrapped(title, size[0]), fontweight="bold")
        drawn = []
        for number, name in enumerate(names):
            block = grid[number * lines : (number + 1) * lines].ravel()
            for place, axis in enumerate(block):
                if place >= len(nets):
                    axis.set_axis_off()
                    continue
                panel = rows[(rows["net"] == nets[place]) & (rows["activation"] == name)]
                if panel.empty:
                    say_absent(axis, f"not run: no phase diagram `{experiment}`")
                    continue
                label = styles_of(tables)[nets[place]].label
                axis.set_title(
                    textwrap.fill(f"{name}: {label}", 40) + _exponent(found, panel, quantity),
                    fontsize="small",
                )
                _draw(axis, panel.rename(columns={axis_name: "size"}), quantity)
                size_axis(axis, sorted(rows[axis_name].unique()), axis_name)
                drawn.append(axis)
                if place % columns:
                    axis.set_ylabel("")
        _align(drawn, rows, quantity)
        if drawn:
            handles = _legend(quantity)
            note = f"{_NOTE} {rows['seed'].nunique()} seeds."
            place_legend(figure, handles, [each.get_label() for each in handles], note)
    return figure


def _exponent(found: pd.DataFrame, panel: pd.DataFrame, quantity: Quantity) -> str:
    """How the line at which runs are lost moves with the size, as a second line of a title."""
    row = panel.iloc[0]
    same = (found["net"] == row["net"]) & (found["activation"] == row["activation"])
    line = found[same & (found["line"] == "divergence")]
    if line.empty or not np.isfinite(line[quantity].iloc[0]):
        return ""
    symbol = "c" if quantity == "c" else "η"
    return f"\nruns are lost at {symbol} ∝ size$^{{{signed(line[quantity].iloc[0])}}}$"


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
    # As far as the marks that stand aside of the first and the last size.
    sizes = ends.index.to_numpy(dtype=float)
    sizes[[0, -1]] *= [_DODGE**-2.5, _DODGE**2.5]
    axis.fill_between(sizes, low, ends["lost"], color=_RISEN, linewidth=0, zorder=0)
    axis.fill_between(sizes, ends["lost"], 1e6, color=_LOST, linewidth=0, zorder=0)


def _draw_line(
    axis: Axes, rows: pd.DataFrame, median: pd.Series, name: str, quantity: Quantity, shift: float
) -> None:
    """Draw medians and ranges over seeds; marks are hollow where some seeds have no such line."""
    look = STYLES[name]
    finite = median[np.isfinite(median)]
    joined = {"color": look.color, "linestyle": look.dashes, "linewidth": 1.3}
    axis.plot(finite.index * shift, finite, **joined)
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
                markersize=5,
                markerfacecolor=look.color if len(found) == len(seeds) else "white",
                linewidth=1,
            )
        for censored, y, marker in (("below", 0.03, 11), ("above", 0.97, 10)):
            if (seeds["censored"] == censored).any() and name != "catapult":
                axis.plot(x, y, marker=marker, color=look.color, transform=edges, clip_on=False)


def _align(drawn: Sequence[Axes], rows: pd.DataFrame, quantity: Quantity) -> None:
    """Give all panels the same limits, those of all values found."""
    if not drawn:
        return
    low, high = rows[quantity].min(), rows[quantity].max()
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
