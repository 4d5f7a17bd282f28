"""Estimators of the evolution of preactivations [v1], as interpreted here [operational].

Hidden layers only: the output layer must move as far as the targets ask, whatever the depth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.depth import (
    at_found,
    complete_slopes,
    difference,
    require_same_depths,
)
from nup.claims.learning_rates import at_rate, grid_runs, problems, rate_table
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided, remembered
from nup.claims.statistics import slope

#: Layers that a slope in the layer index needs at least.
LEAST_LAYERS = 3


def final_evolution(selection: RunSelection, run_id: str, depth: int) -> pd.Series[float]:
    """e_k of the hidden layers k = 1 … l − 1 at the last recorded step, indexed by k.

    Raises:
        NotRun: if the run has no record of it.
    """
    last = last_evolutions(selection).get(run_id, pd.Series(dtype="float64"))
    hidden = last[last.index < depth]
    if hidden.empty:
        raise NotRun(f"run {run_id} has no recorded evolution of preactivations")
    return hidden


@remembered
def last_evolutions(selection: RunSelection) -> dict[str, pd.Series[float]]:
    """e_k of all layers at the last step at which a run recorded it, indexed by k; by run."""
    recorded = selection.layers[selection.layers["evolution"].notna()]
    ids = recorded["run_id"]
    last = recorded[recorded["step"] == recorded.groupby(ids)["step"].transform("max")]
    values: pd.Series[float] = last.set_index("layer")["evolution"].astype("float64")
    return {str(run_id): group for run_id, group in values.groupby(last["run_id"].to_numpy())}


def largest_evolutions(selection: RunSelection, runs: pd.DataFrame) -> pd.Series[float]:
    """max_k e_k of each finished run over its hidden layers; missing for runs that diverged.

    Raises:
        NotRun: if a finished run has no record of it.
    """
    values = [
        final_evolution(selection, run_id, depth).max() if status == "ok" else np.nan
        for run_id, depth, status in zip(runs["run_id"], runs["depth"], runs["status"], strict=True)
    ]
    return pd.Series(values, index=runs.index, dtype="float64")


@register
def evolution_layer_slope(selection: RunSelection, net: str, first_layer: int = 2) -> Measurement:
    """Slope of log e_k in log k over the hidden layers k ≥ ``first_layer`` of the deepest net.

    In each seed's run next to its best learning rate.

    Args:
        selection: the runs and their layers.
        net: label of the net.
        first_layer: the first layer that counts.
    """
    runs = grid_runs(selection, net)
    depth = int(runs["depth"].max())
    if depth - first_layer < LEAST_LAYERS:
        raise NotRun(
            f"{net}: a slope past k = {first_layer} needs depth {first_layer + LEAST_LAYERS} "
            f"or more, the deepest is {depth}"
        )
    found = rate_table(runs[runs["depth"] == depth], "best")
    reason = problems(net, found, "best")
    values = {}
    for row in found[found["problem"] != "none"].itertuples():
        evolution = final_evolution(selection, str(row.run_id), depth)
        past = evolution[evolution.index >= first_layer]
        values[row.seed] = slope(np.log(past.index.to_numpy(dtype=float)), np.log(past))
    if not values:
        raise Undecided(reason)
    return Measurement(pd.Series(values), undecided=reason, note=f"depth {depth}")


@register
def evolution_layer_slope_gain(
    selection: RunSelection, net: str, against: str, first_layer: int = 2
) -> Measurement:
    """``evolution_layer_slope`` of ``against`` minus that of ``net``, by seed: signs count."""
    require_same_depths(selection, net, against)
    own, other = (evolution_layer_slope(selection, each, first_layer) for each in (net, against))
    return difference(other, own, f"{net} and {against}")


@register
def evolution_depth_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 max_k e_k, interpolated to the best LR, against log2 depth, per seed.

    Args:
        selection: the runs and their layers.
        net: label of the net.
    """
    return _evolution_slope(selection, net)


@register
def evolution_depth_slope_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """``evolution_depth_slope`` of ``against`` minus that of ``net``, by seed: signs count."""
    require_same_depths(selection, net, against)
    own, other = (evolution_depth_slope(selection, each) for each in (net, against))
    return difference(other, own, f"{net} and {against}")


@remembered
def _evolution_slope(selection: RunSelection, net: str) -> Measurement:
    runs = grid_runs(selection, net)
    found = rate_table(runs, "best")
    reason = problems(net, found, "best")
    values = at_found(runs, largest_evolutions(selection, runs), found, "depth")
    return complete_slopes(net, found.assign(value=values), reason, "depth")


@register
def evolution_width_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 max_k e_k against log2 width at a fixed rate, per seed.

    The rate is the seed's best one at the least width; e_k is interpolated to it.

    Args:
        selection: the runs and their layers.
        net: label of the net.
    """
    runs = grid_runs(selection, net, "base_width")
    table, reason = evolutions_at_fixed_rate(selection, net, runs)
    return complete_slopes(net, table, reason, "base_width")


def evolutions_at_fixed_rate(
    selection: RunSelection, net: str, runs: pd.DataFrame
) -> tuple[pd.DataFrame, str]:
    """max_k e_k of every width and seed at the seed's best rate of the least width.

    Args:
        selection: the layers.
        net: label of the net, for messages.
        runs: its constant-rate runs.

    Returns:
        Columns ``base_width``, ``seed``, ``value``; and why they decide nothing.
    """
    evolutions = largest_evolutions(selection, runs)
    least = runs["base_width"].min()
    best = rate_table(runs[runs["base_width"] == least], "best", "base_width")
    reasons = [problems(net, best, "best", "base_width")]
    rates = np.log(best[best["problem"] != "none"].set_index("seed")["learning_rate"])
    rows = [
        {
            "base_width": size,
            "seed": seed,
            "value": at_rate(grid, evolutions.loc[grid.index], float(rates[seed])),
        }
        for (size, seed), grid in runs.groupby(["base_width", "seed"])
        if seed in rates.index
    ]
    table = pd.DataFrame(rows, columns=["base_width", "seed", "value"])
    if table["value"].isna().any():
        reasons.append(f"{net}: the best LR of width {least} is outside the grid of another width")
    return table, "; ".join(filter(None, reasons))
