"""Measured motion against null models, and the uncertainty of mean cosines [operational]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nup.analysis.cosine import nulls
from nup.analysis.cosine.motion import Floats, Motion, autocorrelation, reversal
from nup.analysis.cosine.trajectories import (
    KINDS,
    judged_for,
    motion_of,
    representative_runs,
    selections_of,
)
from nup.claims.catalogue import Claim
from nup.claims.estimators.phases import recorded_cosines, steps_in_phase
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.claims.statistics import mean_interval

#: Simulated motions of each null model.
SIMULATIONS = 200
#: Half width of a 95 % interval in standard deviations.
_NORMAL = 1.96


class Simulated(NamedTuple):
    """Squared distances under two null models, each ``[simulations, T + 1]``."""

    walk: Floats
    shuffled: Floats


def simulate(run: pd.Series, motion: Motion, simulations: int, seed: int) -> Simulated:
    """Motions with the run's own step lengths: independent directions, and shuffled cosines.

    Args:
        run: row of ``runs``; its number of weights is the dimension.
        motion: the run's motion.
        simulations: number of motions of each kind.
        seed: seeds the random generator, together with the run's own seed.

    Raises:
        NotRun: if the number of weights is not recorded.
    """
    if pd.isna(run["n_parameters"]):
        raise NotRun(f"run {run['run_id']} lacks n_parameters")
    rng = np.random.default_rng([seed, int(run["seed"])])
    walk = nulls.random_walks(motion.lengths, int(run["n_parameters"]), simulations, rng)
    return Simulated(walk, nulls.shuffled(motion.lengths, motion.cosines, simulations, rng))


def null_table(
    tables: Mapping[str, pd.DataFrame], claim: Claim, simulations: int = SIMULATIONS, seed: int = 0
) -> pd.DataFrame:
    """One row per activation, regime and kind of run: the runs of all seeds against the nulls.

    Args:
        tables: the tidy tables.
        claim: gives experiment and selection.
        simulations: number of simulated motions of each null.
        seed: as for ``simulate``.

    Returns:
        ``relative`` is D_T²/Σ‖Δ‖², which is 1 on average for a random walk: the mean over ``seeds``
        with its 95 % interval, ``low`` to ``high``. For each null ``z_…`` is the median over seeds
        of the z-score of D_T², ``p_…`` the median rank p-value, and ``outside_…`` the number of
        seeds with p < 0.05. The other columns are means over seeds: ``cosine``, the mean over
        steps; ``directions``, 1/mean cos², the dimension in which the cosines of a random walk are
        as widely spread; the autocorrelations ``lag_1`` and ``lag_2``; ``slope`` and ``explained``
        of ``motion.reversal``. ``remark`` says why a row is empty.
    """
    rows: list[dict[str, Any]] = []
    for selection in selections_of(tables, claim):
        for kind in KINDS:
            row = {**judged_for(selection), "kind": kind}
            try:
                runs = representative_runs(selection, kind)
                found = [
                    _against_nulls(selection, run, simulations, seed) for _, run in runs.iterrows()
                ]
                rows.append(row | _over_seeds(pd.DataFrame(found)))
            except (NotRun, Undecided) as outcome:
                rows.append(row | {"remark": f"not run: {outcome}"})
    columns = ["activation", "setting", "kind", "seeds", "relative", "low", "high"]
    columns += [f"{what}_{null}" for null in _NULLS for what in ("z", "p", "outside")]
    return pd.DataFrame(rows, columns=[*columns, *_MEANS, "remark"])


_NULLS = ("walk", "shuffled")
_MEANS = ["cosine", "directions", "lag_1", "lag_2", "slope", "explained"]
#: Below this p-value a seed lies outside the 95 % band of a null.
_LEVEL = 0.05


def _against_nulls(
    selection: RunSelection, run: pd.Series, simulations: int, seed: int
) -> dict[str, float]:
    motion = motion_of(selection, run)
    simulated = simulate(run, motion, simulations, seed)
    reached = float(motion.distances[-1] ** 2)
    walk = nulls.random_walk_moments(motion.lengths, int(run["n_parameters"]))
    lags = autocorrelation(motion.cosines, 2)
    return {
        "relative": reached / walk.mean,
        "z_walk": nulls.z_score(reached, walk),
        "p_walk": nulls.rank_p_value(reached, simulated.walk[:, -1]),
        "z_shuffled": nulls.z_score(reached, nulls.moments_of(simulated.shuffled[:, -1])),
        "p_shuffled": nulls.rank_p_value(reached, simulated.shuffled[:, -1]),
        "cosine": float(np.nanmean(motion.cosines)),
        "directions": 1 / float(np.nanmean(motion.cosines**2)),
        "lag_1": lags[0],
        "lag_2": lags[1],
        **reversal(motion)._asdict(),
    }


def _over_seeds(found: pd.DataFrame) -> dict[str, Any]:
    interval = mean_interval(found["relative"])
    row: dict[str, Any] = {
        "seeds": interval.n,
        "relative": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        **{name: found[name].mean() for name in _MEANS},
        "remark": "",
    }
    for null in _NULLS:
        row[f"z_{null}"] = found[f"z_{null}"].median()
        row[f"p_{null}"] = found[f"p_{null}"].median()
        row[f"outside_{null}"] = int((found[f"p_{null}"] < _LEVEL).sum())
    return row


def phase_table(tables: Mapping[str, pd.DataFrame], claim: Claim) -> pd.DataFrame:
    """Uncertainty of the mean cosine of each phase, given that steps of a run are not independent.

    Returns:
        One row per activation, regime and criterion of the claim, over the steps that the criterion
        counts. ``cosine`` is the mean over seeds with its 95 % interval; ``steps`` the number of
        steps in all seeds. Three columns are half widths of 95 % intervals: ``walk`` for a random
        walk (cosines of variance 1/N), ``independent`` for measured cosines that are independent,
        and ``between`` from the spread between seeds, which are independent. ``inflation``, the
        squared ratio of ``between`` to ``independent``, is the number of steps that count as one.
    """
    rows: list[dict[str, Any]] = []
    for selection in selections_of(tables, claim):
        for criterion in claim.criteria:
            if criterion.estimator != "cosine_in_phase":
                continue
            row = {**judged_for(selection), "phase": criterion.name}
            try:
                rows.append(row | _phase_row(selection, *criterion.arguments["edge"]))
            except (NotRun, Undecided) as outcome:
                rows.append(row | {"remark": f"not run: {outcome}"})
    columns = ["seeds", "cosine", "low", "high", "steps", "walk", "independent", "between"]
    return pd.DataFrame(
        rows, columns=["activation", "setting", "phase", *columns, "inflation", "remark"]
    )


def _phase_row(selection: RunSelection, low: float | None, high: float | None) -> dict[str, Any]:
    means, own, walk, steps = [], [], [], 0
    for _, runs in selection.runs_of().groupby("seed"):
        phase = steps_in_phase(recorded_cosines(selection, runs), low, high)
        if phase.empty:
            continue
        weights = phase["run_id"].map(runs.set_index("run_id")["n_parameters"]).astype("float64")
        means.append(float(phase["cosine"].mean()))
        own.append(float(phase["cosine"].var(ddof=0)) / len(phase))
        walk.append(float((1 / weights).mean()) / len(phase))
        steps += len(phase)
    if not means:
        raise Undecided("no recorded step lies in this phase")
    interval = mean_interval(means)
    seeds = len(means)
    between = float(np.var(means, ddof=1)) / seeds if seeds > 1 else float("nan")
    # Variance of the mean over seeds: that of one seed's mean, on average, divided by their number.
    expected, smallest = float(np.mean(own)) / seeds, float(np.mean(walk)) / seeds
    return {
        "seeds": seeds,
        "cosine": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "steps": steps,
        "walk": _NORMAL * smallest**0.5,
        "independent": _NORMAL * expected**0.5,
        "between": _NORMAL * between**0.5,
        "inflation": between / expected if expected else float("nan"),
        "remark": "",
    }
