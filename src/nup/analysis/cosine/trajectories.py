"""Runs that represent the phases of training, and their motion, from the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from nup.analysis.cosine.motion import Motion
from nup.claims.catalogue import Claim
from nup.claims.nets import option, ordered
from nup.claims.run_selection import NotRun, RunSelection, Undecided, by_regime

#: η_tλ_t at the edge of stability [lit].
EDGE = 2.0

#: Chooses one run of one kind among a seed's runs, see ``representative_runs``.
_Choice = Callable[[pd.DataFrame], pd.DataFrame]


def _lowest(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.nsmallest(1, "learning_rate")


def _largest(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.nlargest(1, "learning_rate")


def _nearest_to_edge(runs: pd.DataFrame) -> pd.DataFrame:
    edges = runs["learning_rate"] * runs["initial_sharpness"]
    return runs.loc[(edges - EDGE).abs().sort_values(kind="stable").index[:1]]


_CONSTANT: dict[str, _Choice] = {
    "lowest constant rate": _lowest,
    "constant rate, ηλ₀ nearest to 2": _nearest_to_edge,
    "largest stable constant rate": _largest,
}
_SHARPNESS = {"sharpness(1.5)": 1.5, "sharpness(2.5)": 2.5}

#: The kinds of runs, from below the edge to beyond it [operational].
KINDS: tuple[str, ...] = (*_CONSTANT, *_SHARPNESS)


def selections_of(tables: Mapping[str, pd.DataFrame], claim: Claim) -> list[RunSelection]:
    """The selection for each activation and regime of the claim's experiment; none without runs."""
    if "runs" not in tables:
        return []
    runs = tables["runs"]
    names = sorted(runs.loc[runs["experiment"] == claim.experiment, "activation"].unique())
    return [
        selection
        for name in names
        for selection in by_regime(tables, claim.experiment, name, claim.select)
    ]


def judged_for(selection: RunSelection) -> dict[str, str]:
    """The columns ``activation`` and ``setting`` (label of the regime) of rows on the selection."""
    return {"activation": selection.activation, "setting": selection.regime_label}


def representative_runs(selection: RunSelection, kind: str) -> pd.DataFrame:
    """One stable run per seed, of the first net in the order of ``nup.claims.nets``, without ξ.

    A run at a constant rate is that at the lowest rate, at the largest, or at the one whose ηλ_0 is
    nearest to 2, among the seed's stable runs. A run under ``sharpness(c)`` is the one with this c.
    One run may be of several kinds.

    Args:
        selection: the runs of one activation and regime.
        kind: one of ``KINDS``.

    Returns:
        Rows of ``runs``, in the order of seeds.

    Raises:
        NotRun: if there are no runs of the kind, or λ_0 is needed and was not recorded.
        Undecided: if none of them is stable.
    """
    runs = selection.runs_of()
    name = "constant" if kind in _CONSTANT else "sharpness"
    runs = runs[(runs["schedule_name"] == name) & (runs["gradient_scaling"] == "none")]
    if kind in _SHARPNESS:
        runs = runs[np.isclose(option(runs, "schedule", "c"), _SHARPNESS[kind])]
    runs = runs[runs["net"].isin(ordered(runs)[:1])]
    if runs.empty:
        raise NotRun(f"experiment `{selection.experiment}` has no runs of the kind {kind}")
    stable = runs[runs["stable"].astype(bool)].sort_values(["seed", "learning_rate"])
    if stable.empty:
        raise Undecided(f"no run of the kind {kind} is stable")
    if kind in _CONSTANT:
        if "nearest" in kind and stable["initial_sharpness"].isna().any():
            raise NotRun("runs lack their initial sharpness λ_0 (record.curvature)")
        stable = pd.concat([_CONSTANT[kind](group) for _, group in stable.groupby("seed")])
    return stable


def first_run(selection: RunSelection, kind: str) -> pd.Series:
    """The run of this kind at the lowest seed that has one; raises as ``representative_runs``."""
    return representative_runs(selection, kind).iloc[0]


def run_label(run: pd.Series) -> str:
    """Rate and seed of a run in a few words, for a panel."""
    rate = ""
    if pd.notna(run["learning_rate"]):
        rate = f"η = {run['learning_rate']:.3g}, "
        if pd.notna(run["initial_sharpness"]):
            edge = run["learning_rate"] * run["initial_sharpness"]
            rate += f"ηλ₀ = {edge:.2f}, "
    return f"{rate}seed {run['seed']}"


def motion_of(selection: RunSelection, run: pd.Series) -> Motion:
    """Lengths, cosines and distances of every step.

    Raises:
        NotRun: if some step is not recorded, or lacks its length or distance. The identity does not
            hold for sums over some of the steps.
    """
    steps = selection.steps_of(run["run_id"])
    columns = steps[["update_norm", "displacement", "cosine"]].astype("float64").to_numpy()
    total = int(run["steps"])
    cadence = recorded_every(steps["step"])
    if not np.array_equal(steps["step"], np.arange(total + 1)):
        raise NotRun(
            f"steps of run {run['run_id']} are recorded every {cadence:g}: the sums need every one "
            "(record.steps: 1)"
        )
    lengths, distances, cosines = columns[:-1, 0], columns[:, 1], columns[:-1, 2]
    if not (np.isfinite(lengths).all() and np.isfinite(distances).all()):
        raise NotRun(f"run {run['run_id']} lacks update_norm or displacement (record.steps)")
    return Motion(lengths, cosines, distances)


def recorded_every(steps: pd.Series) -> float:
    """Median distance between recorded steps, in steps; nan for fewer than two."""
    return float(np.median(np.diff(steps))) if len(steps) > 1 else float("nan")


def edges_of(selection: RunSelection, run: pd.Series) -> pd.DataFrame:
    """Columns ``step``, ``cosine`` and ``edge`` = η_{t−1}λ_t where measured, from step 1 on.

    At a constant rate η_{t−1}λ_t is η_tλ_t. A schedule that sets η_t = c/λ_t makes η_tλ_t equal to
    c at every step, so λ_t is compared with the rate of the step before.

    Raises:
        NotRun: if no step has all three.
    """
    steps = selection.steps_of(run["run_id"]).sort_values("step")
    follows = steps["step"].diff() == 1
    rates = steps["learning_rate"].astype("float64").shift().where(follows)
    edges = rates * steps["sharpness"].astype("float64")
    found = pd.DataFrame(
        {"step": steps["step"], "edge": edges, "cosine": steps["cosine"].astype("float64")}
    ).dropna()
    if found.empty:
        raise NotRun("no step has λ_t, η_{t−1} and the cosine (record.curvature, record.steps: 1)")
    return found
