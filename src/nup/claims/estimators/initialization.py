"""Norms at initialization against the layer index [v1]; thresholds and choices [operational]."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import Measurement, NotRun, RunSelection
from nup.claims.statistics import slope

Direction = Literal["forward", "backward"]


@register
def log_norm_slope(
    selection: RunSelection, direction: Direction, weight_variance: float, net: str
) -> Measurement:
    """Least-squares slope of the log norm in the layer index, at the deepest net measured.

    ``forward``: ln RMS of h_k; ``backward``: ln ‖∂L/∂h_k‖; k = 1 … l. [operational]
    """
    rows = selection.init_of(net)
    rows = rows[np.isclose(rows["weight_variance"], weight_variance)]
    if rows.empty:
        raise NotRun(f"{net}: no initialization with σ² = {weight_variance:g}")
    depth = int(rows["depth"].max())
    column = f"{direction}_log_norm"
    deepest = rows.loc[rows["depth"] == depth, ["seed", "layer", column]]
    values = {seed: slope(group["layer"], group[column]) for seed, group in deepest.groupby("seed")}
    return Measurement(pd.Series(values), note=f"depth {depth}")


@register
def log_norm_slope_ratio(
    selection: RunSelection, direction: Direction, weight_variance: float, net: str
) -> Measurement:
    """``log_norm_slope`` over its infinite-width value, ½ ln σ² or backward −½ ln σ² [derived]."""
    measured = log_norm_slope(selection, direction, weight_variance, net)
    sign = 1 if direction == "forward" else -1
    theory = sign * 0.5 * np.log(weight_variance)
    return Measurement(measured.by_seed / theory, note=f"{measured.note}, theory {theory:+.4f}")
