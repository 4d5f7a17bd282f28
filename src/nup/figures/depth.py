"""Best and largest stable learning rates against depth and width."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from nup.claims.catalogue import Claim, Criterion, ReadClaim, Threshold
from nup.claims.learning_rates import (
    AXIS_NAMES,
    LEAST_DEPTH,
    Rate,
    constant_rate_runs,
    rate_table,
)
from nup.claims.nets import nets_of_study
from nup.claims.ranges import readable
from nup.claims.run_selection import Axis, NotRun, RunSelection, Undecided, remembered
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.legends import end_label
from nup.figures.nets import NetStyle, net_style
from nup.figures.panels import Draw, panels

#: Marks of rates at the edge of the grid.
RING: dict[str, Any] = {"s": 130, "facecolors": "none", "edgecolors": "black", "linewidths": 0.9}

#: Marks of means that lack seeds.
CROSS: dict[str, Any] = {"marker": "x", "s": 45, "color": "black", "linewidths": 0.9, "zorder": 5}

#: What the marks of rates are.
MARKS = (
    "Marks: geometric mean; bars: range over {seeds}; lines: least squares in log-log coordinates, "
    "with their slopes at the right end."
)

#: Factor in size between the markers of neighbouring nets.
_DODGE = 1.025


@register
def rates_against_depth(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
) -> Figure:
    """Learning rates against depth with fitted slopes, a row for each reading that has runs.

    The claim's criteria name the rates and the nets. The wedge holds the slopes within the range
    of the ``depth_slope`` criterion, through the middle of the fit of the net that it judges.
    """
    present = set(nets_of_study(tables)["net"])
    rows = {}
    for reading in with_runs(claim, present):
        nets = list(dict.fromkeys(net for each in reading.criteria for net in _nets_of(each)))
        judges = [each for each in reading.criteria if each.estimator == "depth_slope"]
        wedges = {each.arguments["net"]: each.threshold for each in judges}
        for rate in dict.fromkeys(each.arguments["rate"] for each in reading.criteria):
            where = f": {reading.label}" if len(claim.readings) > 1 else ""
            rows[f"{rate} LR{where}"] = rate_panel(rate, nets, wedges)
    return panels(tables, judged, claim, rows, size=(6.0, 3.0), note=MARKS)


def with_runs(claim: Claim, present: Collection[str]) -> list[ReadClaim]:
    """The readings of a claim whose nets were run; the first one if there are none."""
    found = [
        reading
        for reading in claim.readings
        if all(set(_nets_of(each)) <= set(present) for each in reading.criteria)
    ]
    return found or list(claim.readings[:1])


def _nets_of(criterion: Criterion) -> list[str]:
    return [criterion.arguments[key] for key in ("net", "against") if key in criterion.arguments]


def rate_panel(
    rate: Rate,
    nets: Sequence[str],
    wedges: Mapping[str, Threshold] | None = None,
    axis_name: Axis = "depth",
) -> Draw:
    """Panel of the rates of ``nets`` against their size, with fitted slopes at their ends.

    Args:
        rate: which learning rate of each size and seed.
        nets: labels of the nets.
        wedges: net → range of slopes, which is shaded through the middle of the net's fit.
        axis_name: the size on the horizontal axis.

    Returns:
        The function that draws the panel. It raises ``NotRun`` if the nets have no runs, and
        ``Undecided`` if none of them has such a rate.
    """

    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        fits = {}
        for index, net in enumerate(present):
            shift = _DODGE ** (index - (len(present) - 1) / 2)
            found = _rates_of(selection, net, rate, axis_name)
            sized = found[found["problem"] != "none"].rename(columns={axis_name: "size"})
            if not sized.empty:
                seeds = found["seed"].nunique()
                fits[net] = _draw_net(axis, sized, net_style(selection, net), shift, seeds)
        if not fits:
            raise Undecided(f"no net has a {rate} learning rate")
        axis.scatter([], [], **RING, label="in some seeds at the edge of the grid of rates")
        axis.scatter([], [], **CROSS, label="of fewer seeds: the others have no such rate")
        runs = selection.runs
        sizes = sorted(runs.loc[runs["depth"] >= LEAST_DEPTH, axis_name].unique())
        if not sizes:
            raise NotRun(f"no runs of depth {LEAST_DEPTH} or more")
        size_axis(axis, sizes, axis_name)
        axis.set_yscale("log", base=2)
        axis.margins(y=0.12)
        for net, threshold in (wedges or {}).items():
            if (fit := fits.get(net)) is not None:
                show_range(axis, sizes, fit, threshold, net_style(selection, net).label)
        axis.set_ylabel(f"{rate} LR η")
        axis.legend()

    return draw


@remembered
def _rates_of(selection: RunSelection, net: str, rate: Rate, axis: Axis) -> pd.DataFrame:
    """The rates of each size and seed of a net, which several readings may share."""
    runs = constant_rate_runs(selection.runs_of(net, axis, trials=True))
    return rate_table(runs[runs["depth"] >= LEAST_DEPTH], rate, axis)


class Fit(NamedTuple):
    """A line in log2-log2 coordinates: its slope, and the middle of its points."""

    slope: float
    x: float
    y: float


def _draw_net(
    axis: Axes, chosen: pd.DataFrame, net: NetStyle, shift: float, seeds: int
) -> Fit | None:
    """Draw geometric means and ranges over seeds, and the fitted line with its slope at its end.

    A ring marks a mean over seeds of which one has its rate at the edge of the grid, a cross one
    that lacks some of the ``seeds``. Sizes are drawn multiplied by ``shift``, so that nets with
    equal rates stay apart.
    """
    rates = chosen.groupby("size")["learning_rate"]
    mean = np.exp2(np.log2(chosen["learning_rate"]).groupby(chosen["size"]).mean())
    errors = np.array([mean - rates.min(), rates.max() - mean])
    axis.errorbar(
        mean.index * shift,
        mean,
        yerr=np.maximum(errors, 0),
        color=net.color,
        marker=net.marker,
        markerfacecolor=net.face,
        linestyle="none",
        capsize=3,
        label=net.label,
    )
    edge = sorted(set(chosen.loc[chosen["problem"] != "", "size"]))
    axis.scatter(np.array(edge) * shift, mean[edge], **RING)
    few = mean[rates.size() < seeds]
    axis.scatter(few.index * shift, few, **CROSS)
    if len(mean) < 2:
        return None
    steepness = slope(np.log2(chosen["size"]), np.log2(chosen["learning_rate"]))
    sizes = mean.index.to_numpy(dtype=float)
    fit = Fit(steepness, float(np.log2(sizes).mean()), float(np.log2(mean).mean()))
    line = np.exp2(fit.y + steepness * (np.log2(sizes) - fit.x))
    axis.plot(sizes, line, color=net.color, linestyle=net.dashes, linewidth=1.5)
    # Right of the marks of all nets, wherever the own one stands.
    end_label(axis, sizes[-1] * _DODGE**2, line[-1], signed(steepness), net.color)
    return fit


def signed(value: float) -> str:
    """A slope with its sign, as ``−0.35``."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


def show_range(axis: Axes, sizes: Sequence[int], fit: Fit, threshold: Threshold, name: str) -> None:
    """Show the slopes in a range as lines through the middle of a fit.

    A range with two ends is a shaded wedge. One with an open end is the line at its other end:
    a wedge as steep as the panel is high would say less.

    Args:
        axis: logarithmic in both directions.
        sizes: the least and the largest are the ends of the lines.
        fit: gives the middle.
        threshold: of the slope.
        name: of the net that the range is for.
    """
    x = np.array([np.log2(sizes[0]), fit.x, np.log2(sizes[-1])])
    ends = [
        np.exp2(fit.y + slope * (x - fit.x))
        for slope in (threshold.low, threshold.high)
        if slope is not None
    ]
    if len(ends) == 2:
        label = f"slopes in the claim's range {readable(threshold)}"
        shade: dict[str, Any] = {"color": style.SHADE, "linewidth": 0, "zorder": 0, "label": label}
        axis.fill_between(np.exp2(x), np.minimum(*ends), np.maximum(*ends), **shade)
        return
    label = f"end of the claim's range of slopes, {readable(threshold)}, for {name}"
    axis.plot(np.exp2(x), ends[0], color=style.INK, linestyle=":", linewidth=1.5, label=label)


def size_axis(axis: Axes, sizes: Sequence[int], name: Axis = "depth") -> None:
    """Make the horizontal axis logarithmic, with a tick at every depth or base width."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("depth l (layers)" if name == "depth" else f"{AXIS_NAMES[name]} m (units)")
