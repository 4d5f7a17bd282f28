"""Gradient scalings ξ: largest stable learning rates and final losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.scaling import best_losses, stable_rates
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.depth import RING
from nup.figures.nets import net_style
from nup.figures.panels import Draw, panels

#: Color and marker of each gradient scaling.
_LOOKS: dict[str, tuple[Any, str]] = {
    "none": (style.INK, "s"),
    "depthwise": (style.INDIGO, "o"),
    "equal": (style.ROSE, "^"),
    "per_sample": (style.OLIVE, "D"),
    "gram": (style.TEAL, "v"),
}
_NOTE = "A mark for each depth and seed, larger in deeper nets; bars: mean over {seeds} and depths."


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
    scalings = scalings_of(tables, claim)
    least, _ = style.threshold_of(claim, "stable_rate_ratio")

    def ratios(axis: Axes, selection: RunSelection) -> None:
        _draw_groups(axis, selection, claim.nets, scalings, _ratios)
        axis.set_yscale("log", base=2)
        low, high = axis.get_ylim()
        top = 1.5 * max(high, least or 0)
        if least is not None:
            axis.axhspan(least, 2.0**20, color=style.SHADE, label="claim's range", zorder=0)
        axis.set_ylim(low, top)
        axis.axhline(1, color="0.5", linewidth=0.8)
        axis.set_ylabel("ratio of learning rates")
        axis.legend()

    rows: dict[str, Draw] = {
        "largest stable LR": _rates_panel(claim.nets, ["none", *scalings]),
        "largest stable LR with ξ over that without": ratios,
    }
    return panels(tables, judged, claim, rows, size=(6.0, 3.2), note=_NOTE)


@register
def quadratic_in_tandem(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable LR and final loss at the best LR with each ξ, for the nets of the claim."""
    scalings = scalings_of(tables, claim)

    def losses(axis: Axes, selection: RunSelection) -> None:
        _draw_groups(axis, selection, claim.nets, scalings, _losses)
        axis.set_yscale("log")
        axis.set_ylabel("final training loss")
        axis.legend()

    rows: dict[str, Draw] = {
        "largest stable LR": _rates_panel(claim.nets, scalings),
        "final training loss at the best LR": losses,
    }
    return panels(tables, judged, claim, rows, size=(6.0, 3.2), note=_NOTE)


#: Quantity of a net with a gradient scaling: values by depth and seed, and which are doubtful.
Quantity = Callable[[RunSelection, str, str], "tuple[pd.Series[float], pd.Series[bool]]"]


def _rates_panel(nets: Sequence[str], scalings: Sequence[str]) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        _draw_groups(axis, selection, nets, scalings, _rates)
        axis.scatter([], [], **RING, label="at the edge of the grid of rates")
        axis.set_yscale("log", base=2)
        axis.set_ylabel("largest stable LR η")
        axis.legend()

    return draw


def _rates(
    selection: RunSelection, net: str, scaling: str
) -> tuple[pd.Series[float], pd.Series[bool]]:
    found = stable_rates(selection, net, scaling).set_index(["depth", "seed"])
    usable = found[found["problem"] != "none"]
    return usable["learning_rate"], usable["problem"] != ""


def _ratios(
    selection: RunSelection, net: str, scaling: str
) -> tuple[pd.Series[float], pd.Series[bool]]:
    ratios = _rates(selection, net, scaling)[0] / _rates(selection, net, "none")[0]
    found = ratios.dropna()
    return found, pd.Series(False, index=found.index)


def _losses(
    selection: RunSelection, net: str, scaling: str
) -> tuple[pd.Series[float], pd.Series[bool]]:
    found = best_losses(selection, net, scaling)[0].dropna()
    return found, pd.Series(False, index=found.index)


def _draw_groups(
    axis: Axes,
    selection: RunSelection,
    nets: Sequence[str],
    scalings: Sequence[str],
    quantity: Quantity,
) -> None:
    """Draw a group for each gradient scaling, and in it a column of marks for each net."""
    present = [net for net in nets if net in set(selection.runs["net"])]
    if not present:
        raise NotRun(f"no runs of {', '.join(nets)}")
    drawn = False
    for place, scaling in enumerate(scalings):
        for index, net in enumerate(present):
            values, doubtful = quantity(selection, net, scaling)
            if values.empty:
                continue
            middle = place + 0.8 * ((index + 0.5) / len(present) - 0.5)
            _draw_column(axis, middle, 0.3 / len(present), values, doubtful, selection, net)
            drawn = True
    if not drawn:
        raise Undecided("no seed has a stable rate")
    names = ["without ξ" if name == "none" else name.replace("_", " ") for name in scalings]
    axis.set_xticks(range(len(scalings)), names)
    axis.set_xlim(-0.5, len(scalings) - 0.5)
    axis.set_xlabel("gradient scaling ξ")
    axis.margins(y=0.12)


def _draw_column(
    axis: Axes,
    middle: float,
    half: float,
    values: pd.Series[float],
    doubtful: pd.Series[bool],
    selection: RunSelection,
    net: str,
) -> None:
    look = net_style(selection, net)
    depths = values.index.get_level_values("depth")
    seeds = pd.Series(values.index.get_level_values("seed")).rank(method="dense").to_numpy()
    place = middle + half * (2 * seeds / (seeds.max() + 1) - 1)
    order = {depth: rank for rank, depth in enumerate(sorted(set(depths)))}
    for depth, rank in order.items():
        own = depths == depth
        axis.plot(
            place[own],
            values[own],
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.face,
            markersize=4 + 2 * rank,
            linestyle="none",
            alpha=0.8,
            label=look.label if rank == 0 else None,
        )
    mean = values.mean()
    axis.hlines(mean, middle - 1.2 * half, middle + 1.2 * half, color="black", linewidth=2)
    axis.scatter(place[doubtful], values[doubtful], **RING)
