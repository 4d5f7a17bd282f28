"""The edge of stability: η times the Hessian's top eigenvalue, late in training [operational]."""

from __future__ import annotations

import pandas as pd

from nup.claims.estimators import register
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.learning_rates import is_stable
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided

#: η_tλ_t at the edge of stability [lit].
EDGE = 2.0

#: Records of the last quarter that a median needs at least.
LEAST_RECORDS = 10


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
    selection: RunSelection, schedule: str = "constant", net: str | None = None
) -> pd.DataFrame:
    """Stable full-batch runs whose rate is below 2/λ_0, with what the Hessian did.

    Args:
        selection: the runs and their steps.
        schedule: name of the schedule.
        net: one net; all nets if absent.

    Returns:
        Rows of ``runs`` with ``rate``, its name (c = ηλ_0 where that was asked for, else η);
        ``highest``, the largest recorded η_tλ_t of the Hessian; and ``late``, its median over the
        last quarter, see ``late_edge_of``.

    Raises:
        NotRun: if no run matches, or the Hessian was not measured as it must be.
        Undecided: if no stable run starts below the edge.
    """
    runs = catapult_runs(selection, schedule, net)
    runs = runs[runs["batch_size"].isna()]
    if runs.empty:
        raise NotRun(f"no full-batch runs of {net or 'any net'} with schedule {schedule}")
    if runs["initial_sharpness"].isna().all():
        raise NotRun("no run has its initial sharpness λ_0 (record.curvature)")
    below = runs["learning_rate"] * runs["initial_sharpness"] < EDGE
    runs = runs[is_stable(runs) & below]
    if runs.empty:
        raise Undecided("no stable run starts at ηλ_0 < 2")
    histories = [hessian_history(selection, run) for run in runs["run_id"]]
    return runs.assign(
        rate=_rate_names(runs),
        highest=[history["hessian_edge"].max() for history in histories],
        late=[late_edge_of(selection, run) for _, run in runs.iterrows()],
    )


@register
def late_hessian_edge(
    selection: RunSelection, schedule: str = "constant", net: str | None = None
) -> dict[str, Measurement]:
    """Median of η_t λ_t(Hessian) over the last quarter's records, one part a rate that reaches 2.

    A rate reaches 2 if most of its seeds' runs do at some recorded step; then all of its stable
    runs count, those that stay below too. [operational]

    Args:
        selection: the runs and their steps.
        schedule: name of the schedule.
        net: one net; all nets if absent.

    Raises:
        Undecided: if no rate reaches the edge.
    """
    runs = edge_runs(selection, schedule, net)
    parts = {}
    for rate, group in sorted(
        runs.groupby("rate"), key=lambda pair: pair[1]["learning_rate"].mean()
    ):
        there = group["highest"] >= EDGE
        if there.mean() > 0.5:
            note = f"{there.sum()} of {len(group)} runs reached it"
            late = group["late"].astype("float64").groupby(group["seed"]).mean()
            parts[str(rate)] = Measurement(late, note=note)
    if not parts:
        raise Undecided("no rate below 2/λ_0 reaches ηλ ≥ 2 of the Hessian")
    return parts


def _rate_names(runs: pd.DataFrame) -> list[str]:
    edges = runs["edge"] if "edge" in runs else pd.Series(None, index=runs.index)
    return [
        f"c = {edge:.3g}" if pd.notna(edge) else f"η = {rate:.3g}"
        for edge, rate in zip(edges, runs["learning_rate"], strict=True)
    ]


def late_edge_of(selection: RunSelection, run: pd.Series) -> float:
    """Median of η_t λ_t(Hessian) over the records of the last quarter of one run.

    Raises:
        NotRun: if there are fewer than ``LEAST_RECORDS``, or their spacing is even: an even cadence
            sees one side only of a motion that alternates from step to step.
    """
    history = hessian_history(selection, run["run_id"])
    late = history[history["step"] >= 0.75 * run["steps"]]
    if len(late) < LEAST_RECORDS:
        raise NotRun(
            f"run {run['run_id']}: {len(late)} records of the Hessian in its last quarter, "
            f"at least {LEAST_RECORDS} are needed (record.hessian)"
        )
    spacing = late["step"].diff().dropna()
    if (spacing % 2 == 0).all():
        raise NotRun(
            f"run {run['run_id']}: the Hessian is recorded every {spacing.iloc[0]:g} steps, an odd "
            "number is needed (record.hessian)"
        )
    return float(late["hessian_edge"].median())
