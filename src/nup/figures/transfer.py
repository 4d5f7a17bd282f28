"""Transfer curves: late loss against the learning rate, a curve for each depth."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, PercentFormatter

from nup.claims.catalogue import Claim
from nup.claims.learning_rates import (
    CUTOFF,
    LEAST_DEPTH,
    constant_rate_runs,
    rate_table,
    relative_losses,
)
from nup.claims.nets import nets_of_study, ordered
from nup.claims.run_selection import NotRun, RunSelection, of_grid
from nup.claims.statistics import slope
from nup.figures import register, style
from nup.figures.depth import with_runs
from nup.figures.legends import one_legend
from nup.figures.nets import NetStyle, styles_of
from nup.figures.panels import drawn_rates, regime_selections, say_absent, wrapped

_COLUMNS = 4
#: Letters in a line of a panel's title.
_LETTERS = 34
_NOTE = (
    "Curves: geometric mean over seeds, a run that diverged counts as 100 %; bands: range over "
    "seeds; stars: mean over seeds of the best rate, as judged."
)


@register
def transfer_curves(tables: Mapping[str, pd.DataFrame], _: pd.DataFrame, claim: Claim) -> Figure:
    """Transfer curves of νP beside its controls, for the first reading that has runs."""
    present = set(nets_of_study(tables)["net"])
    reading = with_runs(claim, present)[0]
    chosen = [each.bound.get(key) for each in reading.criteria for key in ("net", "against")]
    nets = list(dict.fromkeys(str(net) for net in chosen if net in present))
    title = "Does one learning rate serve all depths? νP and its controls"
    return _curves(tables, claim, nets, title)


@register
def loss_against_rate(tables: Mapping[str, pd.DataFrame], _: pd.DataFrame, claim: Claim) -> Figure:
    """Transfer curves of all nets of the experiment, in small panels with common axes."""
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    nets = ordered(runs[runs["experiment"] == claim.experiment])
    return _curves(tables, claim, nets, "Transfer curves of every net")


def _curves(
    tables: Mapping[str, pd.DataFrame], claim: Claim, nets: Sequence[str], title: str
) -> Figure:
    """Panels of nets in rows of ``_COLUMNS``, repeated for each activation and regime."""
    selections = regime_selections(tables, claim) or [
        RunSelection(tables, claim.experiment, "no runs", claim.select)
    ]
    columns = max(1, min(_COLUMNS, len(nets)))
    lines = -(-max(1, len(nets)) // columns)
    with style.theme():
        size = (max(5.0, 3.1 * columns), 2.3 * lines * len(selections) + 1.2)
        figure = Figure(figsize=size)
        grid = figure.subplots(lines * len(selections), columns, squeeze=False)
        figure.suptitle(wrapped(title, size[0]), fontweight="bold")
        seeds: set[int] = set()
        several = len({each.regime_label for each in selections}) > 1
        for number, selection in enumerate(selections):
            block = grid[number * lines : (number + 1) * lines].ravel()
            where = f"{selection.activation}, {selection.regime_label}"
            head = where if several else selection.activation
            _draw_block(block, columns, selection, nets, styles_of(tables), head)
            if nets:
                seeds |= set(selection.runs["seed"])
        one_legend(figure, f"{_NOTE} {len(seeds)} seeds." if seeds else "")
    return figure


def _draw_block(
    axes: np.ndarray,
    columns: int,
    selection: RunSelection,
    nets: Sequence[str],
    styles: Mapping[str, NetStyle],
    head: str,
) -> None:
    """Draw the nets of one activation; panels share their axes and label the outer ones."""
    drawn = []
    for axis, net in zip(axes, nets or [""], strict=False):
        try:
            runs = constant_rate_runs(selection.runs_of(net or None, trials=True))
            found = draw_curves(axis, runs)
        except NotRun as outcome:
            say_absent(axis, f"not run: {outcome}")
            continue
        label = textwrap.fill(f"{head}: {styles[net].label}", _LETTERS)
        axis.set_title(f"{label}\n{found}", fontsize="small")
        drawn.append(axis)
    for axis in axes[max(1, len(nets)) :]:
        axis.set_axis_off()
    if not drawn:
        return
    horizontal = [axis.get_xlim() for axis in drawn]
    vertical = [axis.get_ylim() for axis in drawn]
    for place, axis in enumerate(drawn):
        axis.set_xlim(min(low for low, _ in horizontal), max(high for _, high in horizontal))
        axis.set_ylim(min(low for low, _ in vertical), 1.2)
        if place % columns:
            axis.tick_params(axis="y", which="both", labelleft=False)
        else:
            axis.set_ylabel("late loss,\n% of null loss")
        if place + columns >= len(drawn):
            axis.set_xlabel("learning rate η")


def draw_curves(axis: Axes, runs: pd.DataFrame) -> str:
    """Draw the curves of one net, and say how its best rate moves with depth.

    Args:
        axis: the panel.
        runs: at constant rates, of one net; of trials the best rate is told, and no curve.

    Returns:
        ``best η ∝ depth^−0.47``; empty if there are too few depths with an optimum.

    Raises:
        NotRun: if there are no runs.
    """
    if runs.empty:
        raise NotRun("no runs at constant rates")
    grid = of_grid(runs)
    placed = grid.assign(rate=drawn_rates(grid), relative=relative_losses(grid))
    placed = placed[np.isfinite(placed["rate"])]  # without curvature, the edge is at infinity
    best = rate_table(runs, "best")
    best = best[best["problem"] == ""]
    for depth, (color, marker) in style.depth_looks(sorted(runs["depth"].unique())).items():
        by_rate = placed[placed["depth"] == depth].groupby("rate")["relative"]
        mean = by_rate.apply(lambda values: np.exp(np.log(values).mean()))
        axis.fill_between(mean.index, by_rate.min(), by_rate.max(), color=color, alpha=0.1, lw=0)
        look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.3}
        axis.plot(mean.index, mean, **look, label=f"depth {depth}")
        rates = np.log(best.loc[best["depth"] == depth, "learning_rate"])
        if len(rates) and len(mean) > 1:
            x = float(rates.mean())
            y = np.exp(np.interp(x, np.log(mean.index.to_numpy()), np.log(mean)))
            star: dict[str, Any] = {"s": 130, "color": color, "edgecolors": "black", "zorder": 4}
            axis.scatter(np.exp(x), y, marker="*", **star)
    axis.scatter([], [], marker="*", s=130, color="0.6", edgecolors="black", label="best rate")
    axis.axhline(CUTOFF, color="0.4", linestyle=":", label=f"stable below {CUTOFF:.0%}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(LogLocator(base=2, numticks=6))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=None))
    axis.legend()
    deep = best[best["depth"] >= LEAST_DEPTH]
    if deep["depth"].nunique() < 2:
        return ""
    exponent = slope(np.log2(deep["depth"]), np.log2(deep["learning_rate"]))
    return f"best η ∝ depth$^{{{exponent:+.2f}}}$".replace("-", "−")
