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
from nup.claims.run_selection import RunSelection, NotRun
from nup.figures import style
from nup.figures.depth import RING

#: Horizontal distance of marks of the same depth and seed.
_DODGE = 0.05

_NET = "nup(r=2)"
_NETS = (_NET, "mup matched to nup(r=2)")
_LOOKS = {
    "none": ("without ξ", style.VERMILION, "s", "white"),
    SCALED: ("with ξ", style.BLUE, "o", style.BLUE),
}


def beyond_edge(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Largest stable LR of νP with ξ and without, seed by seed, and their ratio."""
    least, _ = style.threshold_of(claim, "stable_rate_ratio")
    rows = {
        f"{style.net_style(_NET).label}: largest stable LR": _draw_rates,
        "largest stable LR with ξ over without": ratio_panel([_NET], least),
    }
    return style.panels(tables, judged, claim, rows, size=(6.0, 3.8))


def quadratic_in_tandem(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """The ratio and the final loss at the best LR with ξ, for νP and for r = 0."""
    rows = {
        "largest stable LR with ξ over without": ratio_panel(_NETS),
        "with ξ: final training loss at the best LR": _draw_losses,
    }
    return style.panels(tables, judged, claim, rows, size=(6.0, 3.8))


def _draw_rates(axis: Axes, selection: RunSelection) -> None:
    depths: set[int] = set()
    for index, (scaling, (label, color, marker, face)) in enumerate(_LOOKS.items()):
        runs = grid_runs(selection, _NET, gradient_scaling=scaling, least_sizes=1)
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
    """Horizontal places: a group a depth, within it the seeds in order."""
    order = seed.rank(method="dense").to_numpy()
    shift = 0.5 * (order / (order.max() + 1) - 0.5) if len(order) else order
    return np.array([depths.index(each) for each in depth]) + shift


def _depth_ticks(axis: Axes, depths: Sequence[int]) -> None:
    axis.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axis.set_xlim(-0.5, len(depths) - 0.5)
    axis.set_xlabel("depth l (layers); within it, one place a seed")


def ratio_panel(nets: Sequence[str], least: float | None = None) -> style.Draw:
    """Draws the largest stable LR with ξ over that without; shaded from the threshold ``least``."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        values = {net: rate_ratios(selection, net)[0] for net in _present(selection, nets)}
        _draw_by_depth(axis, values)
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


def _draw_losses(axis: Axes, selection: RunSelection) -> None:
    nets = _present(selection, _NETS)
    _draw_by_depth(axis, {net: best_losses(selection, net)[0].map(math.exp) for net in nets})
    axis.set_yscale("log")
    axis.set_ylabel("final training loss")
    axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def _present(selection: RunSelection, nets: Sequence[str]) -> list[str]:
    found = [net for net in nets if net in set(selection.runs["net"])]
    if not found:
        raise NotRun(f"no runs of {', '.join(nets)}")
    return found


def _draw_by_depth(axis: Axes, values: Mapping[str, pd.Series[float]]) -> None:
    """Every (depth, seed) of each net, and the mean over seeds as a bar."""
    depths = sorted({depth for each in values.values() for depth, _ in each.index})
    for index, (net, series) in enumerate(values.items()):
        look = style.net_style(net)
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
