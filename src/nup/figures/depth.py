"""Best and largest stable learning rates against depth and width, and the losses at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from nup.claims.catalogue import Claim
from nup.claims.estimators.depth import LEAST_ERROR, at_found
from nup.claims.learning_rates import (
    AXIS_NAMES,
    CUTOFF,
    LEAST_DEPTH,
    Rate,
    constant_rate_runs,
    rate_table,
)
from nup.claims.nets import comparable, nets_of_study, ordered
from nup.claims.run_selection import Axis, NotRun, RunSelection, Undecided
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.nets import NetStyle, net_style, styles_of
from nup.figures.panels import Draw, drawn_rates, panels

#: Marks of rates at the edge of the grid.
RING: dict[str, Any] = {"s": 160, "facecolors": "none", "edgecolors": "black"}

#: The most nets that share a panel.
_MANY = 4

#: Factor in size between the markers of neighbouring nets.
_DODGE = 1.025


@register
def rates_against_depth(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
) -> Figure:
    """Learning rates against depth with fitted slopes, one row per rate.

    The claim's criteria name the rates and the nets. More than four nets are split into rows: nets
    of equal base width, and nets with as many parameters. The dotted line has the slope of the
    lower end of the ``depth_slope`` threshold, or of the upper end if there is no lower one.
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
    """Panel of the rates of ``nets`` against their size, with fitted slopes.

    Args:
        rate: which learning rate of each size and seed.
        nets: labels of the nets.
        references: slopes of the dotted lines.
        axis_name: the size on the horizontal axis.

    Returns:
        The function that draws the panel. It raises ``NotRun`` if the nets have no runs, and
        ``Undecided`` if none of them has such a rate.
    """

    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        empty = True
        for index, net in enumerate(present):
            runs = constant_rate_runs(selection.runs_of(net, axis_name))
            shift = _DODGE ** (index - (len(present) - 1) / 2)
            found = rate_table(runs[runs["depth"] >= LEAST_DEPTH], rate, axis_name)
            sized = found[found["problem"] != "none"].rename(columns={axis_name: "size"})
            _draw_net(axis, sized, net_style(selection, net), shift)
            empty = empty and sized.empty
        if empty:
            raise Undecided(f"no net has a {rate} learning rate")
        axis.scatter([], [], **RING, label="at the edge of the grid of rates")
        runs = selection.runs
        sizes = sorted(runs.loc[runs["depth"] >= LEAST_DEPTH, axis_name].unique())
        if not sizes:
            raise NotRun(f"no runs of depth {LEAST_DEPTH} or more")
        size_axis(axis, sizes, axis_name)
        axis.set_yscale("log", base=2)
        for reference in references:
            _draw_reference(axis, sizes, reference)
        axis.set_ylabel(f"{rate} learning rate")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)

    return draw


def _draw_net(axis: Axes, chosen: pd.DataFrame, net: NetStyle, shift: float) -> None:
    """Draw geometric means and ranges over seeds; rings mark rates at the edge of the grid.

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
    edge = chosen[chosen["problem"] != ""]
    axis.scatter(edge["size"] * shift, edge["learning_rate"], **RING)


def _draw_reference(axis: Axes, sizes: Sequence[int], reference: float) -> None:
    """Draw a line of the reference slope below the data; its level has no meaning."""
    x = np.array([sizes[0], sizes[-1]], dtype=float)
    level = axis.get_ylim()[0]
    text = f"slope {reference:g} (threshold)".replace("-", "−")
    axis.plot(x, level * (x / x[-1]) ** reference, color="0.4", linestyle=":", label=text)


def size_axis(axis: Axes, sizes: Sequence[int], name: Axis = "depth") -> None:
    """Make the horizontal axis logarithmic, with a tick at every depth or base width."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("depth l (layers)" if name == "depth" else f"{AXIS_NAMES[name]} m (units)")


@register
def depth_pays(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Late loss and test error at the best LR against depth, for νP and its controls.

    All nets of the claim's experiment are shown. Nets of equal base width share a row, and so do
    nets with as many parameters.
    """
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    nets = ordered(runs[runs["experiment"] == claim.experiment]) or claim.nets
    groups = comparable(nets_of_study(tables), nets) or {"": nets}
    quantities = {"late loss over null loss": "loss", "test error": "error"}
    rows = {
        f"{name} at the best LR" + (f", {equal}" if equal else ""): _reached_panel(
            column, name, own
        )
        for name, column in quantities.items()
        for equal, own in groups.items()
    }
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


def _reached_panel(column: str, name: str, nets: Sequence[str]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        sizes: set[int] = set()
        for net in present:
            table = best_reached(selection, net)
            look = net_style(selection, net)
            by_size = table.groupby("depth")[column]
            mean = np.exp(np.log(table[column]).groupby(table["depth"]).mean())
            sizes |= set(mean.index)
            axis.fill_between(
                mean.index, by_size.min(), by_size.max(), color=look.color, alpha=0.12
            )
            axis.plot(
                mean.index,
                mean,
                color=look.color,
                marker=look.marker,
                markerfacecolor=look.face,
                linestyle=look.dashes,
                label=look.label,
            )
        if not sizes:
            raise NotRun("no net has a stable run")
        size_axis(axis, sorted(sizes))
        axis.set_yscale("log")
        axis.set_ylabel(name)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, fontsize="small")

    return draw


def best_reached(selection: RunSelection, net: str) -> pd.DataFrame:
    """Late loss and test error of each seed at its best LR, interpolated.

    Args:
        selection: the runs.
        net: label of the net.

    Returns:
        Columns ``depth``, ``seed``, ``loss`` (late loss over the null loss) and ``error`` (1 − test
        accuracy).
    """
    runs = constant_rate_runs(selection.runs_of(net))
    runs = runs[runs["depth"] >= LEAST_DEPTH]
    found = rate_table(runs, "best")
    errors = (1 - runs["test_accuracy"].astype("float64")).clip(lower=LEAST_ERROR)
    found = found.assign(error=at_found(runs, errors, found, "depth"))
    return found.loc[found["problem"] != "none", ["depth", "seed", "loss", "error"]]


@register
def loss_against_rate(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Transfer curves: late loss against the learning rate, a row per net, a curve per depth.

    Stars mark the interpolated optima (geometric means over seeds). Runs below the dotted line are
    stable.
    """
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
    """Raise ``NotRun``, which names the absent runs."""
    selection.runs_of()


def _draw_losses(axis: Axes, runs: pd.DataFrame) -> None:
    placed = runs.assign(learning_rate=drawn_rates(runs))
    finished = placed[runs["late_loss"].notna() & (runs["late_loss"] < runs["null_loss"])]
    depths = sorted(runs["depth"].unique())
    style.draw_by_depth(axis, finished, "learning_rate", "late_loss", depths)
    found = rate_table(runs, "best")
    inner = found[found["problem"] == ""]
    logs = inner[["learning_rate", "loss"]].transform("log")
    optima = logs.groupby(inner["depth"]).mean().transform("exp")
    null = float(runs["null_loss"].mean())
    optimum: dict[str, Any] = {
        "marker": "*",
        "s": 140,
        "color": "black",
        "zorder": 4,
        "label": "optimum",
    }
    axis.scatter(optima["learning_rate"], optima["loss"] * null, **optimum)
    axis.axhline(CUTOFF * null, color="0.4", linestyle=":", label="stable below")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    # In units of the edge, a net without curvature at initialization has an infinite rate.
    rates = placed.loc[np.isfinite(placed["learning_rate"]), "learning_rate"]
    axis.set_xlim(rates.min() / 1.2, rates.max() * 1.2)
    axis.set_xlabel("learning rate η")
    axis.set_ylabel("late training loss")
    axis.legend(title="depth", fontsize="x-small", title_fontsize="x-small")
