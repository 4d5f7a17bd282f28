"""The cosine of new and cumulative updates, by phase [v1], as interpreted here [operational]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided

#: Recorded steps that a seed needs in a phase for its mean to count.
LEAST_STEPS = 200


@register
def cosine_in_phase(
    selection: RunSelection, edge: Sequence[float | None], net: str | None = None
) -> Measurement:
    """Mean over steps of the cosine while η_tλ_t lies between the two values of ``edge``.

    A missing end is infinite, and the other end is then excluded; with two, both are included. All
    steps of a seed's runs without gradient scaling count alike, those before a divergence too;
    steps where λ_t was not measured are left out, never interpolated. A seed with fewer than
    ``LEAST_STEPS`` steps in the phase has no value.

    Args:
        selection: the runs and their steps.
        edge: ``[low, high]`` of η_tλ_t.
        net: one net; all nets if absent.

    Raises:
        Undecided: if no seed has enough steps in the phase.
    """
    means = {seed: phase.mean() for seed, (phase, _) in _by_seed(selection, edge, net).items()}
    return Measurement(pd.Series(means, dtype="float64"))


@register
def cosine_below_null(
    selection: RunSelection, edge: Sequence[float | None], net: str | None = None
) -> Measurement:
    """Mean cosine of a phase minus that under the shuffled null; arguments as ``cosine_in_phase``.

    The null hands the seed's cosines to its steps in random order, whatever their phase: how large
    they are is kept, when they come is lost. Its expected mean is the mean over all of the seed's
    steps, exactly, so nothing needs to be drawn. [derived]
    """
    found = _by_seed(selection, edge, net)
    gaps = {seed: phase.mean() - every.mean() for seed, (phase, every) in found.items()}
    return Measurement(pd.Series(gaps, dtype="float64"))


def _by_seed(
    selection: RunSelection, edge: Sequence[float | None], net: str | None
) -> dict[int, tuple[pd.Series[float], pd.Series[float]]]:
    """The cosines in the phase, and all of them, of each seed that has enough in the phase."""
    found, most = {}, 0
    for seed, runs in unscaled_runs(selection, net).groupby("seed"):
        steps = recorded_cosines(selection, runs)
        phase = steps_in_phase(steps, *edge)
        most = max(most, len(phase))
        if len(phase) >= LEAST_STEPS:
            found[int(str(seed))] = (phase["cosine"], steps["cosine"])
    if not found:
        raise Undecided(
            f"no seed has {LEAST_STEPS} recorded steps in this phase, the most are {most}"
        )
    return found


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
