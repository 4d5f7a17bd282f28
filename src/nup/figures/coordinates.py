"""Coordinate check: how far training moves each layer, against the width."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.evolution import final_evolution
from nup.claims.learning_rates import at_rate, constant_rate_runs, rate_table
from nup.claims.nets import ordered
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures import register, style
from nup.figures.depth import size_axis
from nup.figures.nets import styles_of
from nup.figures.panels import Draw, panels


@register
def coordinate_check(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Change of each hidden layer against the width, at one learning rate for all widths.

    A parameterization that keeps features moving has flat lines: layers of wide nets move as far as
    those of narrow ones.
    """
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    styles = styles_of(tables)
    nets = ordered(runs[runs["experiment"] == claim.experiment]) or claim.nets
    rows: dict[str, Draw] = {
        styles[net].label if net in styles else net: _panel(net) for net in nets
    }
    title = "Coordinate check: does training move a layer as far at every width?"
    note = (
        "At the best rate of the least width, for all widths. Marks: geometric mean; bands: range "
        "over {seeds} that have such a rate."
    )
    return panels(tables, judged, claim, rows, size=(5.6, 2.6), title=title, note=note)


def _panel(net: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        found = changes(selection, net)
        layers = sorted(found["layer"].unique())
        for layer, (color, marker) in style.depth_looks(layers).items():
            by_width = found[found["layer"] == layer].groupby("base_width")["value"]
            mean = by_width.apply(lambda values: np.exp(np.log(values).mean()))
            axis.fill_between(
                mean.index, by_width.min(), by_width.max(), color=color, alpha=0.12, linewidth=0
            )
            axis.plot(mean.index, mean, color=color, marker=marker, label=f"layer {layer}")
        size_axis(axis, sorted(found["base_width"].unique()), "base_width")
        axis.set_yscale("log", base=2)
        axis.set_ylabel("$e_k$ = ‖Δ$h_k$‖ / ‖$h_k$(0)‖")
        axis.legend()

    return draw


def changes(selection: RunSelection, net: str) -> pd.DataFrame:
    """Final e_k of every hidden layer, at each seed's best rate of the least width.

    Args:
        selection: runs and layers of one experiment on the width.
        net: its label.

    Returns:
        Columns ``base_width``, ``seed``, ``layer`` and ``value``, interpolated between the rates of
        each width; rows without a value are left out.

    Raises:
        NotRun: if no seed has a best rate at the least width.
    """
    runs = constant_rate_runs(selection.runs_of(net, "base_width"))
    least = runs[runs["base_width"] == runs["base_width"].min()]
    best = rate_table(least, "best", "base_width")
    rates = np.log(best[best["problem"] != "none"].set_index("seed")["learning_rate"])
    finished = runs[runs["status"] == "ok"]
    moved = pd.DataFrame(
        {
            index: final_evolution(selection, str(run["run_id"]), int(run["depth"]))
            for index, run in finished.iterrows()
        }
    ).T.reindex(runs.index)
    rows = [
        {
            "base_width": width,
            "seed": seed,
            "layer": layer,
            "value": at_rate(grid, moved.loc[grid.index, layer], float(rates[seed])),
        }
        for (width, seed), grid in runs.groupby(["base_width", "seed"])
        if seed in rates.index
        for layer in moved.columns
    ]
    found = pd.DataFrame(rows, columns=["base_width", "seed", "layer", "value"]).dropna()
    if found.empty:
        raise NotRun(f"no stable run of {net} at the least width")
    return found
