"""Learning rates that work, against depth and against width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from nup.claims.catalogue import Claim
from nup.claims.learning_rates import AXIS_NAMES, Rate, chosen_runs, constant_rate_runs
from nup.claims.nets import comparable, nets_of_study, ordered
from nup.claims.run_selection import Axis, NotRun, RunSelection
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.nets import NetStyle, net_style, styles_of
from nup.figures.panels import Draw, panels

#: Marks of rates at the edge of the grid.
RING: dict[str, Any] = {"s": 160, "facecolors": "none", "edgecolors": "black"}

#: More nets than this do not share a panel.
_MANY = 4

#: Factor in size between the markers of neighbouring nets.
_DODGE = 1.025


@register
def rates_against_depth(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
) -> Figure:
    """Learning rates against depth with fitted slopes: a row for each rate.

    The claim's criteria name the rates and the nets; many nets are split by what is equal. The
    dotted line has the slope at an end of the threshold of the criterion ``depth_slope``, the lower
    end if there are two.
    """
    low, high = style.threshold_of(claim, "depth_slope")
    reference = (high if low is None else low) or 0.0
    rates = dict.fromkeys(each.arguments["rate"] for each in claim.criteria)
    groups = {"": claim.nets}
    if len(claim.nets) > _MANY:
        groups = comparable(nets_of_study(tables), claim.nets) or groups
    rows = {
        f"{rate} LR" + (f", {equal}" if equal else ""): rate_panel(rate, nets, [reference])
        for rate in rates
        for equal, nets in groups.items()
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


def rate_panel(
    rate: Rate, nets: Sequence[str], references: Sequence[float] = (), axis_name: Axis = "depth"
) -> Draw:
    """Draws the rates of ``nets`` against their size, and dotted lines of ``references`` slopes."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        for index, net in enumerate(present):
            runs = constant_rate_runs(selection.runs_of(net, axis_name))
            shift = _DODGE ** (index - (len(present) - 1) / 2)
            chosen = chosen_runs(runs, rate, axis_name)
            sized = chosen.rename(columns={axis_name: "size"})
            _draw_net(axis, sized, net_style(selection, net), shift)
        axis.scatter([], [], **RING, label="at the edge of the grid of rates")
        sizes = sorted(selection.runs[axis_name].unique())
        size_axis(axis, sizes, axis_name)
        axis.set_yscale("log", base=2)
        for reference in references:
            _draw_reference(axis, sizes, reference)
        axis.set_ylabel(f"{rate} learning rate")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)

    return draw


def _draw_net(axis: Axes, chosen: pd.DataFrame, net: NetStyle, shift: float) -> None:
    """Geometric mean and range over seeds; rings mark rates at the edge of the grid.

    Sizes are drawn multiplied by ``shift``, so that nets with equal rates stay apart.
    """
    if chosen.empty:
        return
    rates = chosen.groupby("size")["learning_rate"]
    mean = np.exp2(np.log2(chosen["learning_rate"]).groupby(chosen["size"]).mean())
    errors = np.array([mean - rates.min(), rates.max() - mean])
    label = net.label
    if len(mean) > 1:
        steepness = slope(np.log2(chosen["size"]), np.log2(chosen["learning_rate"]))
        middle = np.log2(mean).mean() - steepness * np.log2(mean.index).to_numpy().mean()
        fit = np.exp2(middle + steepness * np.log2(mean.index.to_numpy(dtype=float)))
        axis.plot(mean.index, fit, color=net.color, linestyle=net.dashes, linewidth=1.5)
        label = f"{net.label}: slope {steepness:+.2f}".replace("-", "−")
    axis.errorbar(
        mean.index * shift,
        mean,
        yerr=np.maximum(errors, 0),
        color=net.color,
        marker=net.marker,
        markerfacecolor=net.face,
        linestyle="none",
        capsize=3,
        label=label,
    )
    edge = chosen[chosen["at_edge"] != ""]
    axis.scatter(edge["size"] * shift, edge["learning_rate"], **RING)


def _draw_reference(axis: Axes, sizes: Sequence[int], reference: float) -> None:
    """A line of the reference slope below the data; its level has no meaning."""
    x = np.array([sizes[0], sizes[-1]], dtype=float)
    level = axis.get_ylim()[0]
    text = f"slope {reference:g} (threshold)".replace("-", "−")
    axis.plot(x, level * (x / x[-1]) ** reference, color="0.4", linestyle=":", label=text)


def size_axis(axis: Axes, sizes: Sequence[int], name: Axis = "depth") -> None:
    """Logarithmic horizontal axis with a tick at every depth or base width."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("depth l (layers)" if name == "depth" else f"{AXIS_NAMES[name]} m (units)")


@register
def loss_against_rate(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Late training loss against the learning rate: a row of panels per net, a curve per depth."""
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    experiment = runs[runs["experiment"] == claim.experiment]
    nets = ordered(experiment)
    styles = styles_of(tables)

    def drawing(net: str) -> Draw:
        return lambda axis, selection: _draw_losses(
            axis, constant_rate_runs(selection.runs_of(net))
        )

    rows = {styles[net].label: drawing(net) for net in nets}
    title = "Late training loss against the learning rate"
    return panels(tables, judged, claim, rows or {"": _say_absent}, size=(5.2, 2.7), title=title)


def _say_absent(_: Axes, selection: RunSelection) -> None:
    """Raise ``NotRun`` with what is absent."""
    selection.runs_of()


def _draw_losses(axis: Axes, runs: pd.DataFrame) -> None:
    stable = runs[runs["stable"].astype(bool)]
    depths = sorted(runs["depth"].unique())
    style.draw_by_depth(axis, stable, "learning_rate", "late_loss", depths)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlim(runs["learning_rate"].min() / 1.2, runs["learning_rate"].max() * 1.2)
    axis.set_xlabel("learning rate η")
    axis.set_ylabel("late training loss")
    axis.legend(title="depth", fontsize="x-small", title_fontsize="x-small")
