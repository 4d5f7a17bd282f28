"""The edge of stability: η times the Hessian's top eigenvalue, late in training [operational]."""

from __future__ import annotations

import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided


def hessian_history(selection: RunSelection, run_id: str) -> pd.DataFrame:
    """The steps at which the Hessian of a run was measured and an update followed.

    Raises:
        NotRun: if there are none.
    """
    steps = selection.steps_of(run_id)
    measured = steps[steps["hessian_edge"].notna()]
    if measured.empty:
        raise NotRun(f"run {run_id} has no Hessian sharpness (record.hessian)")
    return measured


def edge_runs(
    selection: RunSelection, reached: float, schedule: str = "constant", net: str | None = None
) -> pd.DataFrame:
    """Stable full-batch runs that reached the edge: η_t λ_t(Hessian) ≥ ``reached`` at some time.

    "At some time" is at some recorded step, the first included: a run that crosses the edge between
    two records only is left out. [operational]

    Raises:
        NotRun: if no run matches, or the Hessian was not measured.
        Undecided: if no run reached the edge.
    """
    runs = catapult_runs(selection, schedule, net)
    runs = runs[runs["batch_size"].isna()]
    if runs.empty:
        raise NotRun(f"no full-batch runs of {net or 'any net'} with schedule {schedule}")
    stable = runs[runs["stable"].astype(bool)]
    highest = [hessian_history(selection, run)["hessian_edge"].max() for run in stable["run_id"]]
    there = stable[pd.Series(highest, index=stable.index, dtype="float64") >= reached]
    if there.empty:
        raise Undecided(f"no stable run reached ηλ ≥ {reached:g} of the Hessian")
    return there


@register
def late_hessian_edge(
    selection: RunSelection, reached: float, schedule: str = "constant", net: str | None = None
) -> Measurement:
    """Median of η_t λ_t(Hessian) over the last quarter's records; mean over a seed's runs there."""
    runs = edge_runs(selection, reached, schedule, net)
    values = pd.Series(
        [late_edge_of(selection, run) for _, run in runs.iterrows()], index=runs.index
    )
    rates = runs["learning_rate"].groupby(runs["seed"]).size()
    note = f"{rates.min()} to {rates.max()} runs a seed reached the edge"
    return Measurement(values.astype("float64").groupby(runs["seed"]).mean(), note=note)


def late_edge_of(selection: RunSelection, run: pd.Series) -> float:
    """Median of η_t λ_t(Hessian) over the records of the last quarter of one run."""
    history = hessian_history(selection, run["run_id"])
    late = history.loc[history["step"] >= 0.75 * run["steps"], "hessian_edge"]
    if late.empty:
        raise NotRun(f"run {run['run_id']}: no Hessian sharpness in its last quarter")
    return float(late.median())
