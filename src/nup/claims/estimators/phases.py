"""The cosine of new and cumulative updates, by phase [v1], as interpreted here [operational]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided


@register
def cosine_in_phase(
    selection: RunSelection, edge: Sequence[float | None], net: str | None = None
) -> Measurement:
    """Mean over steps of the cosine while η_tλ_t lies between the two values of ``edge``.

    A missing end is infinite, and the other end is then excluded; with two, both are included. All
    steps of a seed's runs without gradient scaling count alike, those before a divergence too;
    steps where λ_t was not measured are left out, never interpolated.

    Args:
        selection: the runs and their steps.
        edge: ``[low, high]`` of η_tλ_t.
        net: one net; all nets if absent.
    """
    low, high = edge
    values = {}
    for seed, runs in unscaled_runs(selection, net).groupby("seed"):
        phase = steps_in_phase(recorded_cosines(selection, runs), low, high)
        if not phase.empty:
            values[seed] = float(phase["cosine"].mean())
    if not values:
        raise Undecided("no recorded step lies in this phase")
    return Measurement(pd.Series(values))


def unscaled_runs(selection: RunSelection, net: str | None = None) -> pd.DataFrame:
    """The runs without gradient scaling, of one net or of all."""
    runs = selection.runs_of(net)
    return runs[runs["gradient_scaling"] == "none"]


def recorded_cosines(selection: RunSelection, runs: pd.DataFrame) -> pd.DataFrame:
    """Columns ``edge`` and ``cosine`` of all steps of ``runs`` where both were measured.

    Raises:
        NotRun: if there is no such step.
    """
    steps = pd.concat([selection.steps_of(run_id) for run_id in runs["run_id"]])
    pairs = steps[["run_id", "step", "edge", "cosine"]].astype(
        {"edge": "float64", "cosine": "float64"}
    )
    pairs = pairs.replace([np.inf, -np.inf], np.nan).dropna()
    if pairs.empty:
        raise NotRun("no step has both η_tλ_t and the cosine (record.curvature, record.steps)")
    return pairs


def steps_in_phase(steps: pd.DataFrame, low: float | None, high: float | None) -> pd.DataFrame:
    """The steps whose ``edge`` lies between the ends, as ``cosine_in_phase`` counts them."""
    if low is None:
        return steps[steps["edge"] < high]
    if high is None:
        return steps[steps["edge"] > low]
    return steps[steps["edge"].between(low, high)]
