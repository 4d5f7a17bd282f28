"""Relative evolution of the preactivations, by layer and by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nup.claims.catalogue import Claim
from nup.claims.estimators.evolution import evolutions_at_fixed_rate, final_evolution
from nup.claims.learning_rates import LEAST_DEPTH, constant_rate_runs, rate_table
from nup.claims.nets import nets_of_study
from nup.claims.run_selection import Axis, NotRun, RunSelection
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.depth import size_axis
from nup.figures.nets import NetStyle, net_style, styles_of
from nup.figures.panels import Draw, panels

#: The estimator whose threshold is drawn as a cone.
_BY_LAYER = "evolution_layer_slope"


@register
def preactivation_evolution(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """e_k against the hidden layer for each net of the claim, and its maximum against depth."""
    _, steepest = style.threshold_of(claim, _BY_LAYER)
    _, fastest = style.threshold_of(claim, "evolution_depth_slope")
    cones = {each.arguments["net"] for each in claim.criteria if each.estimator == _BY_LAYER}
    styles = styles_of(tables)
    rows = {
        f"{styles[net].label if net in styles else net}: evolution at the best LR": _by_layer(
            net, steepest if net in cones else None
        )
        for net in _with_runs(tables, claim)
    }
    rows["largest evolution over hidden layers"] = largest_evolution_panel(
        claim.nets, fastest or 0.0
    )
    return panels(tables, judged, claim, rows)


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
            _shade(axis, table, threshold)
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("hidden layer k")
        axis.set_ylabel("$e_k$ = ‖Δ$h_k$‖ / ‖$h_k$(0)‖")
        axis.legend(title="depth", ncols=2, fontsize="x-small", title_fontsize="x-small")

    return draw


def _shade(axis: Axes, table: pd.DataFrame, threshold: float) -> None:
    """Shade the slopes within the threshold, from the deepest net's mean at k = 2 on."""
    deepest = table[table["depth"] == table["depth"].max()]
    means = deepest.groupby("layer")["evolution"].mean()
    past = means.index[means.index >= 2]
    if len(past) < 2:
        return
    widening = np.exp(threshold * (past.to_numpy() - past[0]))
    start = float(means[past[0]])
    axis.fill_between(past, start / widening, start * widening, color=style.SHADE, zorder=0)


def largest_evolution_panel(
    nets: Sequence[str], threshold: float | None = None, axis_name: Axis = "depth"
) -> Draw:
    """Panel of max_k e_k of ``nets`` against their size.

    Args:
        nets: labels of the nets.
        threshold: slope of a dotted line; none if None.
        axis_name: the size on the horizontal axis. Over depth, e_k is that at the best LR of each
            depth; over width, that at one LR for all widths, the best of the least width.

    Returns:
        The function that draws the panel. It raises ``NotRun`` if there are no (stable) runs.
    """

    def draw(axis: Axes, selection: RunSelection) -> None:
        present = [net for net in nets if net in set(selection.runs["net"])]
        if not present:
            raise NotRun(f"no runs of {', '.join(nets)}")
        for net in present:
            by_depth = axis_name == "depth"
            found = (best_evolutions if by_depth else _fixed_rate_evolutions)(selection, net)
            _draw_maxima(axis, found, net_style(selection, net))
        deep = selection.runs[selection.runs["depth"] >= LEAST_DEPTH]
        sizes = np.array(sorted(deep[axis_name].unique()), dtype=float)
        axis.set_yscale("log", base=2)
        if threshold is not None:
            axis.plot(
                sizes,
                axis.get_ylim()[0] * (sizes / sizes[0]) ** threshold,
                color="0.4",
                linestyle=":",
                label=f"slope {threshold:g} (threshold)",
            )
        size_axis(axis, [int(size) for size in sizes], axis_name)
        axis.set_ylabel("max over k of $e_k$")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))

    return draw


def _draw_maxima(axis: Axes, table: pd.DataFrame, net: NetStyle) -> None:
    maxima = table.groupby(["size", "seed"], as_index=False)["evolution"].max()
    label = net.label
    if len(set(maxima["size"])) > 1:
        steepness = slope(np.log2(maxima["size"]), np.log2(maxima["evolution"]))
        label = f"{net.label}: slope {steepness:+.2f}".replace("-", "−")
    sns.lineplot(
        data=maxima,
        x="size",
        y="evolution",
        color=net.color,
        marker=net.marker,
        markerfacecolor=net.face,
        markeredgecolor=net.color,
        linestyle=net.dashes,
        errorbar=("pi", 100),
        label=label,
        ax=axis,
    )


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
    runs = constant_rate_runs(selection.runs_of(net))
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
