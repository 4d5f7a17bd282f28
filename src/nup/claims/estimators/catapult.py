"""Estimators of the catapult phase: rises of the loss, and explosions [operational]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from nup.claims.estimators import register
from nup.claims.learning_rates import is_stable
from nup.claims.nets import option
from nup.claims.rises import loss_curve, quarter_rises
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided, remembered

#: Horizons are fractions of a run. The first steps of a run are those of a shorter run, number for
#: number, since no schedule here looks ahead: so one run holds all horizons.
WHOLE = 1.0


def catapult_runs(
    selection: RunSelection,
    schedule: str,
    net: str | None = None,
    c: float | None = None,
    least_initial_edge: float | None = None,
    gradient_scaling: str = "none",
) -> pd.DataFrame:
    """The runs of one schedule with one gradient scaling.

    Args:
        selection: the runs.
        schedule: name of the schedule.
        net: one net; all nets if absent.
        c: constant of the schedule; any if absent.
        least_initial_edge: keep the stable runs whose ηλ_0 is at least this.
        gradient_scaling: ``none``, or the scaling's label.

    Returns:
        Rows of ``runs``.

    Raises:
        NotRun: if no run matches.
        Undecided: if there are runs, and none of them passes ``least_initial_edge``.
    """
    runs = selection.runs_of(net)
    scaled = runs["gradient_scaling"] == gradient_scaling
    runs = runs[(runs["schedule_name"] == schedule) & scaled]
    if c is not None:
        runs = runs[np.isclose(option(runs, "schedule", "c"), c)]
        if len(kinds := sorted(runs["schedule"].unique())) > 1:
            raise NotRun(f"runs with c = {c:g} mix several schedules ({', '.join(kinds)}): pin one")
    if runs.empty:
        label = schedule if c is None else f"{schedule}(c={c:g})"
        label += "" if gradient_scaling == "none" else f"+{gradient_scaling}"
        raise NotRun(f"no runs of {net or 'any net'} with schedule {label}")
    if least_initial_edge is None:
        return runs
    if runs["initial_sharpness"].isna().all():
        raise NotRun("no run has its initial sharpness λ_0 (record.curvature)")
    edge = runs["learning_rate"] * runs["initial_sharpness"]
    runs = runs[is_stable(runs) & (edge >= least_initial_edge)]
    if runs.empty:
        raise Undecided(f"no stable run starts at ηλ_0 ≥ {least_initial_edge:g}")
    return runs


@register
def rise_ratio(
    selection: RunSelection,
    schedule: str,
    net: str | None = None,
    c: float | None = None,
    least_initial_edge: float | None = None,
    horizon: float = WHOLE,
    gradient_scaling: str = "none",
) -> Measurement:
    """Rise of the last quarter over that of the first, in ``horizon`` of the run.

    Args:
        selection: the runs and their steps.
        schedule: name of the schedule.
        net: one net; all nets if absent.
        c: constant of the schedule.
        least_initial_edge: see ``catapult_runs``.
        horizon: fraction of the run.
        gradient_scaling: its label.

    Returns:
        A seed's mean over its finished runs; runs that never rise in the first quarter are left
        out and counted in the note.
    """
    runs = catapult_runs(selection, schedule, net, c, least_initial_edge, gradient_scaling)

    def ratio(run: pd.Series) -> float:
        quarters = _quarters(selection, run, horizon)
        return float(quarters[3] / quarters[0]) if quarters[0] > 0 else np.nan

    return _mean_by_seed(runs, ratio)


@register
def late_rise(
    selection: RunSelection,
    schedule: str,
    net: str | None = None,
    c: float | None = None,
    least_initial_edge: float | None = None,
    horizon: float = WHOLE,
    gradient_scaling: str = "none",
) -> Measurement:
    """Rise of the last quarter, in ``horizon`` of the run; arguments as of ``rise_ratio``."""

    def late(run: pd.Series) -> float:
        return float(_quarters(selection, run, horizon)[3])

    runs = catapult_runs(selection, schedule, net, c, least_initial_edge, gradient_scaling)
    return _mean_by_seed(runs, late)


@register
def diverged_runs(
    selection: RunSelection,
    schedule: str,
    net: str | None = None,
    c: float | None = None,
    gradient_scaling: str = "none",
) -> Measurement:
    """Number of diverged runs."""
    runs = catapult_runs(selection, schedule, net, c, gradient_scaling=gradient_scaling)
    return Measurement((runs["status"] != "ok").astype("float64").groupby(runs["seed"]).sum())


@register
def largest_loss(
    selection: RunSelection,
    schedule: str,
    net: str | None = None,
    c: float | None = None,
    gradient_scaling: str = "none",
) -> Measurement:
    """Largest training loss over the initial one; the worst run of a seed.

    A run that diverged before any finite record counts as infinite.
    """
    runs = catapult_runs(selection, schedule, net, c, gradient_scaling=gradient_scaling)
    ratio = (runs["max_loss"] / runs["initial_loss"]).astype("float64")
    ratio = ratio.mask(ratio.isna() & (runs["status"] != "ok"), np.inf)
    return Measurement(ratio.groupby(runs["seed"]).max())


def _quarters(selection: RunSelection, run: pd.Series, horizon: float) -> np.ndarray:
    return _found_quarters(selection, str(run["run_id"]), int(run["steps"]), horizon)


@remembered
def _found_quarters(selection: RunSelection, run_id: str, steps: int, horizon: float) -> np.ndarray:
    losses = loss_curve(selection.steps_of(run_id), steps)
    return quarter_rises(losses[: round(horizon * steps)])


def _mean_by_seed(
    runs: pd.DataFrame,
    quantity: Callable[[pd.Series], float],
) -> Measurement:
    """Mean over a seed's finished runs; the seeds whose runs all diverged have no value."""
    finished = runs[runs["status"] == "ok"]
    n_diverged = len(runs) - len(finished)
    note = f"{n_diverged} of {len(runs)} runs diverged and are left out" if n_diverged else ""
    values = pd.Series([quantity(run) for _, run in finished.iterrows()], index=finished.index)
    found = values.astype("float64").dropna()
    if calm := len(values) - len(found):
        note = "; ".join(filter(None, (note, f"{calm} runs never rise in the first quarter")))
    return Measurement(found.groupby(finished["seed"].loc[found.index]).mean(), note=note)
