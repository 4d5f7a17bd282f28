"""Estimators of the evolution of preactivations [v1], as interpreted here [operational].

Hidden layers only: the output layer must move as far as the targets ask, whatever the depth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.depth import require_same_depths, shrinkage, slopes_by_seed
from nup.claims.learning_rates import chosen_runs, grid_runs, undecided
from nup.claims.run_selection import Axis, Measurement, NotRun, RunSelection, Undecided, remembered
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


@register
def evolution_layer_slope(selection: RunSelection, net: str, first_layer: int = 2) -> Measurement:
    """Slope of ln e_k in k over the hidden layers k ≥ ``first_layer`` of the deepest net.

    Each seed's run at its best learning rate.
    """
    runs = grid_runs(selection, net)
    depth = int(runs["depth"].max())
    if depth - first_layer < LEAST_LAYERS:
        raise NotRun(
            f"{net}: a slope past k = {first_layer} needs depth {first_layer + LEAST_LAYERS} "
            f"or more, the deepest is {depth}"
        )
    deepest = runs[runs["depth"] == depth]
    chosen = chosen_runs(deepest, "best")
    reason = undecided(deepest, chosen, "best")
    values = {}
    for run_id, seed in zip(chosen["run_id"], chosen["seed"], strict=True):
        evolution = final_evolution(selection, run_id, depth)
        past = evolution[evolution.index >= first_layer]
        values[seed] = slope(past.index, np.log(past))
    if not values:
        raise Undecided(reason)
    return Measurement(pd.Series(values), undecided=reason, note=f"depth {depth}")


@register
def evolution_depth_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 max_k e_k against log2 depth, each seed and depth at its best learning rate."""
    return _evolution_slope(selection, net, "depth")


@register
def evolution_width_slope(selection: RunSelection, net: str) -> Measurement:
    """Slope of log2 max_k e_k against log2 width, each seed and width at its best learning rate."""
    return _evolution_slope(selection, net, "base_width")


@register
def evolution_depth_slope_gain(selection: RunSelection, net: str, against: str) -> Measurement:
    """|slope of ``against``| − |slope of ``net``| of ``evolution_depth_slope``, paired by seed."""
    require_same_depths(selection, net, against)
    own, other = (evolution_depth_slope(selection, each) for each in (net, against))
    return shrinkage(own, other, f"{net} and {against}")


@remembered
def _evolution_slope(selection: RunSelection, net: str, axis: Axis) -> Measurement:
    runs = grid_runs(selection, net, axis)
    chosen = chosen_runs(runs, "best", axis)
    reason = undecided(runs, chosen, "best", axis)
    largest = [
        final_evolution(selection, run_id, depth).max()
        for run_id, depth in zip(chosen["run_id"], chosen["depth"], strict=True)
    ]
    values = pd.Series(largest, index=chosen.index, dtype="float64")
    slopes = slopes_by_seed(chosen, values, runs[axis].nunique(), axis)
    if slopes.empty:
        raise Undecided(reason)
    return Measurement(slopes, undecided=reason)
