"""Depthwise gradient scaling ξ: largest stable learning rates and final losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.scaling import SCALED, best_losses, rate_ratios
from nup.claims.learning_rates import chosen_runs, grid_runs
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures import register, style
from nup.figures.depth import RING
from nup.figures.nets import net_style, styles_of
from nup.figures.panels import Draw, panels

#: Horizontal distance of marks of the same depth and seed.
_DODGE = 0.05

_LOOKS = {
    "none": ("without ξ", style.VERMILION, "s", "white"),
    SCALED: ("with ξ", style.BLUE, "o", style.BLUE),
}


@register
def beyond_edge(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Largest stable LR with ξ and without, seed by seed, and their ratio."""
    styles = styles_of(tables)
    least, _ = style.threshold_of(claim, "stable_rate_ratio")
    rows: dict[str, Draw] = {
        f"{styles[net].label if net in styles else net}: largest stable LR": _rate_panel(net)
        for net in claim.nets
    }
    rows["largest stable LR with ξ over without"] = ratio_panel(claim.nets, least)
    return panels(tables, judged, claim, rows, size=(6.0, 3.8))


@register
def quadratic_in_tandem(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """The ratio and the final loss at the best LR with ξ, for the nets of the claim."""
    rows = {
        "largest stable LR with ξ over without": ratio_panel(claim.nets),
        "with ξ: final training loss at the best LR": _loss_panel(claim.nets),
    }
    return panels(tables, judged, claim, rows, size=(6.0, 3.8))


def _rate_panel(net: str) -> Draw:
    return lambda axis, selection: _draw_rates(axis, selection, net)


def _draw_rates(axis: Axes, selection: RunSelection, net: str) -> None:
    depths: set[int] = set()
    for index, (scaling, (label, color, marker, face)) in enumerate(_LOOKS.items()):
        runs = grid_runs(selection, net, gradient_scaling=scaling, least_sizes=1)
        chosen = chosen_runs(runs, "largest stable")
        depths |= set(runs["depth"])
        place = _places(sorted(depths), chosen["depth"], chosen["seed"]) + _DODGE * index
        axis.plot(
            place,
            chosen["learning_rate"],
            color=color,
            marker=marker,
            markerfacecolor=face,
            linestyle="none",
            label=label,
        )
        at_edge = (chosen["at_edge"] != "").to_numpy()
        axis.scatter(place[at_edge], chosen.loc[at_edge, "learning_rate"], **RING)
    axis.scatter([], [], **RING, label="at the edge of the grid of rates")
    axis.set_yscale("log", base=2)
    axis.margins(y=0.15)
    _depth_ticks(axis, sorted(depths))
    axis.set_ylabel("largest stable learning rate")
    axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def _places(depths: Sequence[int], depth: pd.Series[int], seed: pd.Series[int]) -> np.ndarray:
    """Horizontal places: a group per depth, within it the seeds in order."""
    order = seed.rank(method="dense").to_numpy()
    shift = 0.5 * (order / (order.max() + 1) - 0.5) if len(order) else order
    return np.array([depths.index(each) for each in depth]) + shift


def _depth_ticks(axis: Axes, depths: Sequence[int]) -> None:
    axis.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axis.set_xlim(-0.5, len(depths) - 0.5)
    axis.set_xlabel("depth l (layers); within it, one place per seed")


def ratio_panel(nets: Sequence[str], least: float | None = None) -> Draw:
    """Draws the largest stable LR with ξ over that without; shaded from the threshold ``least``."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        values = {net: rate_ratios(selection, net)[0] for net in _present(selection, nets)}
        _draw_by_depth(axis, selection, values)
        axis.set_yscale("log", base=2)
        if least is not None:
            low, high = axis.get_ylim()
            top = 2 * max(high, least)
            axis.axhspan(
                least, 2.0**20, color=style.SHADE, label="threshold of the claim", zorder=0
            )
            axis.set_ylim(low, top)
        axis.axhline(1, color="0.5", linewidth=0.8)
        axis.set_ylabel("ratio of learning rates")
        axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    return draw


def _loss_panel(nets: Sequence[str]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        losses = {net: best_losses(selection, net)[0] for net in _present(selection, nets)}
        _draw_by_depth(axis, selection, {net: each.map(math.exp) for net, each in losses.items()})
        axis.set_yscale("log")
        axis.set_ylabel("final training loss")
        axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    return draw


def _present(selection: RunSelection, nets: Sequence[str]) -> list[str]:
    found = [net for net in nets if net in set(selection.runs["net"])]
    if not found:
        raise NotRun(f"no runs of {', '.join(nets)}")
    return found


def _draw_by_depth(
    axis: Axes, selection: RunSelection, values: Mapping[str, pd.Series[float]]
) -> None:
    """Every (depth, seed) of each net, and the mean over seeds as a bar."""
    depths = sorted({depth for each in values.values() for depth, _ in each.index})
    for index, (net, series) in enumerate(values.items()):
        look = net_style(selection, net)
        table = series.rename("value").reset_index()
        place = _places(depths, table["depth"], table["seed"]) + _DODGE * index
        axis.plot(
            place,
            table["value"],
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.face,
            linestyle="none",
            label=look.label,
        )
        for depth, mean in table.groupby("depth")["value"].mean().items():
            middle = depths.index(int(str(depth)))
            axis.hlines(mean, middle - 0.3, middle + 0.3, color=look.color, linestyle=look.dashes)
    _depth_ticks(axis, depths)
    axis.margins(y=0.15)
