"""Gradient scalings ξ: largest stable learning rates and final losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.scaling import best_losses, stable_rates
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.depth import RING
from nup.figures.nets import net_style, styles_of
from nup.figures.panels import Draw, panels

#: Horizontal distance of marks of the same depth and seed.
_DODGE = 0.05

#: Color and marker of each gradient scaling.
_LOOKS: dict[str, tuple[Any, str]] = {
    "none": (style.VERMILION, "s"),
    "depthwise": (style.BLUE, "o"),
    "equal": (style.GREEN, "^"),
    "per_sample": (style.PURPLE, "D"),
    "gram": (style.ORANGE, "v"),
}


def scalings_of(tables: Mapping[str, pd.DataFrame], claim: Claim) -> list[str]:
    """Labels of the gradient scalings of the claim's experiment, ``none`` left out.

    Args:
        tables: the tidy tables.
        claim: names the experiment.

    Returns:
        The labels; ``depthwise`` alone if there are no runs.
    """
    if "runs" not in tables or tables["runs"].empty:
        return ["depthwise"]
    runs = tables["runs"]
    found = set(runs.loc[runs["experiment"] == claim.experiment, "gradient_scaling"]) - {"none"}
    known = [name for name in _LOOKS if name in found]
    return [*known, *sorted(found - set(known))] or ["depthwise"]


def look_of(scaling: str) -> tuple[Any, str]:
    """Color and marker of a gradient scaling."""
    return _LOOKS.get(scaling, (style.GRAY, "X"))


@register
def beyond_edge(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Largest stable LR with each ξ and without, for every seed, and their ratio."""
    styles = styles_of(tables)
    scalings = scalings_of(tables, claim)
    least, _ = style.threshold_of(claim, "stable_rate_ratio")
    rows: dict[str, Draw] = {
        f"{styles[net].label if net in styles else net}: largest stable LR": _rate_panel(
            net, ["none", *scalings]
        )
        for net in claim.nets
    }
    for scaling in scalings:
        rows[f"largest stable LR with ξ ({scaling}) over without"] = _ratio_panel(
            claim.nets, scaling, least
        )
    return panels(tables, judged, claim, rows, size=(6.0, 3.8))


@register
def quadratic_in_tandem(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable LR and final loss at the best LR with each ξ, for the nets of the claim."""
    rows: dict[str, Draw] = {}
    for scaling in scalings_of(tables, claim):
        rows[f"largest stable LR with ξ ({scaling})"] = _nets_panel(claim.nets, scaling)
        rows[f"with ξ ({scaling}): final training loss at the best LR"] = _loss_panel(
            claim.nets, scaling
        )
    return panels(tables, judged, claim, rows, size=(6.0, 3.8))


def _rate_panel(net: str, scalings: Sequence[str]) -> Draw:
    return lambda axis, selection: _draw_rates(axis, selection, net, scalings)


def _draw_rates(axis: Axes, selection: RunSelection, net: str, scalings: Sequence[str]) -> None:
    tables = {scaling: stable_rates(selection, net, scaling) for scaling in scalings}
    depths = sorted({depth for found in tables.values() for depth in found["depth"]})
    for index, (scaling, found) in enumerate(tables.items()):
        place = _places(depths, found["depth"], found["seed"]) + _DODGE * index
        color, marker = look_of(scaling)
        axis.plot(
            place,
            found["learning_rate"],
            color=color,
            marker=marker,
            markerfacecolor="white" if scaling == "none" else color,
            linestyle="none",
            label="without ξ" if scaling == "none" else f"with ξ ({scaling})",
        )
        at_edge = (found["problem"] != "").to_numpy()
        axis.scatter(place[at_edge], found.loc[at_edge, "learning_rate"], **RING)
    axis.scatter([], [], **RING, label="at the edge of the grid of rates")
    axis.set_yscale("log", base=2)
    axis.margins(y=0.15)
    _depth_ticks(axis, depths)
    axis.set_ylabel("largest stable learning rate")
    axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def _places(depths: Sequence[int], depth: pd.Series[int], seed: pd.Series[int]) -> np.ndarray:
    """Horizontal places: one group per depth, and the seeds in order within it."""
    order = seed.rank(method="dense").to_numpy()
    shift = 0.5 * (order / (order.max() + 1) - 0.5) if len(order) else order
    return np.array([depths.index(each) for each in depth]) + shift


def _depth_ticks(axis: Axes, depths: Sequence[int]) -> None:
    if not depths:
        raise Undecided("no seed has a stable rate")
    axis.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axis.set_xlim(-0.5, len(depths) - 0.5)
    axis.set_xlabel("depth l (layers); within it, one place per seed")


def _ratio_panel(nets: Sequence[str], scaling: str, least: float | None) -> Draw:
    """Panel of the largest stable LR with ξ over that without; shaded from ``least`` on."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        values = {
            net: _rates(selection, net, scaling) / _rates(selection, net, "none")
            for net in _present(selection, nets)
        }
        _draw_by_depth(axis, selection, {net: each.dropna() for net, each in values.items()})
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


def _rates(selection: RunSelection, net: str, scaling: str) -> pd.Series[float]:
    found = stable_rates(selection, net, scaling)
    usable = found[found["problem"] != "none"]
    return usable.set_index(["depth", "seed"])["learning_rate"]


def _nets_panel(nets: Sequence[str], scaling: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        values = {net: _rates(selection, net, scaling) for net in _present(selection, nets)}
        _draw_by_depth(axis, selection, values)
        axis.set_yscale("log", base=2)
        axis.set_ylabel("largest stable learning rate")
        axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    return draw


def _loss_panel(nets: Sequence[str], scaling: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        losses = {
            net: best_losses(selection, net, scaling)[0].dropna()
            for net in _present(selection, nets)
        }
        _draw_by_depth(axis, selection, losses)
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
    """Draw a mark per depth and seed of each net, and a bar at the mean over seeds."""
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
