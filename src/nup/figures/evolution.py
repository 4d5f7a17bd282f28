"""Relative evolution of the preactivations, by layer and by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nup.claims.catalogue import Claim, Threshold
from nup.claims.estimators.evolution import evolutions_at_fixed_rate, final_evolution
from nup.claims.learning_rates import LEAST_DEPTH, constant_rate_runs, rate_table
from nup.claims.nets import nets_of_study
from nup.claims.run_selection import Axis, NotRun, RunSelection, remembered
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.depth import Fit, show_range, signed, size_axis, with_runs
from nup.figures.legends import end_label
from nup.figures.nets import NetStyle, draw_band, net_style, styles_of
from nup.figures.panels import Draw, panels

#: The estimator whose threshold is drawn as a line.
_BY_LAYER = "evolution_layer_slope"
_NOTE = (
    "Marks: mean (below: geometric mean); bands: range over {seeds}; numbers: slopes in log-log "
    "coordinates."
)


@register
def preactivation_evolution(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """e_k against the hidden layer for each net of the claim, and its maximum against depth."""
    _, steepest = style.threshold_of(claim, _BY_LAYER)
    first = with_runs(claim, set(nets_of_study(tables)["net"]))[0]
    wedges = {
        each.arguments["net"]: each.threshold
        for each in first.criteria
        if each.estimator == "evolution_depth_slope"
    }
    bounded = {
        each.arguments["net"]
        for reading in claim.readings
        for each in reading.criteria
        if each.estimator == _BY_LAYER
    }
    styles = styles_of(tables)
    rows = {
        f"{styles[net].label if net in styles else net}: evolution at the best LR": _by_layer(
            net, steepest if net in bounded else None
        )
        for net in _with_runs(tables, claim)
    }
    rows["largest evolution over hidden layers"] = largest_evolution_panel(claim.nets, wedges)
    return panels(tables, judged, claim, rows, size=(6.0, 2.7), note=_NOTE)


def _with_runs(tables: Mapping[str, pd.DataFrame], claim: Claim) -> list[str]:
    """The nets of the claim that were run; those of its first reading if none was."""
    present = set(nets_of_study(tables)["net"])
    first = [each.bound.get(key) for each in claim.criteria for key in ("net", "against")]
    return [net for net in claim.nets if net in present] or list(dict.fromkeys(filter(None, first)))


def _by_layer(net: str, threshold: float | None) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        table = best_evolutions(selection, net)
        depths = sorted(table["depth"].unique())
        style.draw_by_depth(axis, table, "layer", "evolution", depths)
        if threshold is not None:
            _show_bound(axis, table, threshold)
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("hidden layer k")
        axis.set_ylabel("$e_k$ = ‖Δ$h_k$‖ / ‖$h_k$(0)‖")
        axis.legend()

    return draw


def _show_bound(axis: Axes, table: pd.DataFrame, steepest: float) -> None:
    """Draw the steepest growth in log k that is allowed, from the deepest net's mean at k = 2."""
    deepest = table[table["depth"] == table["depth"].max()]
    means = deepest.groupby("layer")["evolution"].mean()
    past = means.index[means.index >= 2].to_numpy(dtype=float)
    if len(past) < 2:
        return
    line = float(means[past[0]]) * (past / past[0]) ** steepest
    label = f"end of the claim's range of slopes in log k, ≤ {steepest:g}, from k = 2 on"
    axis.plot(past, line, color=style.INK, linestyle=":", linewidth=1.5, label=label)


def largest_evolution_panel(
    nets: Sequence[str],
    wedges: Mapping[str, Threshold] | None = None,
    axis_name: Axis = "depth",
) -> Draw:
    """Panel of max_k e_k of ``nets`` against their size.

    Args:
        nets: labels of the nets.
        wedges: net → range of slopes, which is shaded through the middle of the net's fit.
        axis_name: the size on the horizontal axis. Over depth, e_k is that at the best LR of each
            depth; over width, that at one LR for all widths, the best of the least width.

    Returns:
        The function that draws the panel. It raises ``NotRun`` if there are no (stable) runs.
    """

    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        fits = {}
        for net in present:
            by_depth = axis_name == "depth"
            found = (best_evolutions if by_depth else _fixed_rate_evolutions)(selection, net)
            fits[net] = _draw_maxima(axis, found, net_style(selection, net))
        deep = selection.runs[selection.runs["depth"] >= LEAST_DEPTH]
        sizes = [int(size) for size in sorted(deep[axis_name].unique())]
        size_axis(axis, sizes, axis_name)
        axis.set_yscale("log", base=2)
        for net, threshold in (wedges or {}).items():
            if (fit := fits.get(net)) is not None:
                show_range(axis, sizes, fit, threshold, net_style(selection, net).label)
        axis.set_ylabel("max over k of $e_k$")
        axis.legend()

    return draw


def _draw_maxima(axis: Axes, table: pd.DataFrame, net: NetStyle) -> Fit | None:
    maxima = table.groupby(["size", "seed"], as_index=False)["evolution"].max()
    by_size = maxima.groupby("size")["evolution"]
    mean = np.exp2(np.log2(maxima["evolution"]).groupby(maxima["size"]).mean())
    draw_band(axis, mean, by_size, net)
    if len(mean) < 2:
        return None
    logs = np.log2(maxima[["size", "evolution"]])
    steepness = slope(logs["size"], logs["evolution"])
    end_label(axis, mean.index[-1], mean.iloc[-1], signed(steepness), net.color)
    x, y = (float(np.log2(each.to_numpy(dtype=float)).mean()) for each in (mean.index, mean))
    return Fit(steepness, x, y)


@remembered
def best_evolutions(selection: RunSelection, net: str) -> pd.DataFrame:
    """Final evolution of the hidden layers in the runs nearest to the best LR.

    Args:
        selection: the runs and their layers.
        net: label of the net.

    Returns:
        Columns ``size`` (the depth), ``depth``, ``seed``, ``layer`` and ``evolution``.

    Raises:
        NotRun: if the net has no stable run.
    """
    runs = constant_rate_runs(selection.runs_of(net, trials=True))
    found = rate_table(runs[runs["depth"] >= LEAST_DEPTH], "best")
    parts = []
    for row in found[found["problem"] != "none"].itertuples():
        depth = int(str(row.depth))
        values = final_evolution(selection, str(row.run_id), depth).rename("evolution")
        seed = int(str(row.seed))
        parts.append(values.reset_index().assign(depth=depth, size=depth, seed=seed))
    if not parts:
        raise NotRun(f"no stable run of {net}")
    return pd.concat(parts).astype({"layer": "int64"})


def _fixed_rate_evolutions(selection: RunSelection, net: str) -> pd.DataFrame:
    """Largest evolution at the best LR of the least width; columns size, seed, evolution."""
    runs = constant_rate_runs(selection.runs_of(net, "base_width"))
    table, _ = evolutions_at_fixed_rate(selection, net, runs)
    named = table.rename(columns={"base_width": "size", "value": "evolution"}).dropna()
    if named.empty:
        raise NotRun(f"no stable run of {net} at the least width")
    return named
