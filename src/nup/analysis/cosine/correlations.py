"""Correlation of the cosine, and of simpler measures, with feature learning [operational].

Rank correlations are those of the claim ``cosine-features``: within cells of fixed net, depth and
rate, pooled over cells, with one jackknife value per seed. This module adds outcomes and rivals of
the cosine. No verdict depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nup.analysis.cosine.trajectories import judged_for, selections_of
from nup.claims.catalogue import Claim
from nup.claims.estimators.cells import cosine_runs, pooled_values
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.claims.statistics import mean_interval

#: Predictors of feature learning: column → name. The first is the claim's.
PREDICTORS: dict[str, str] = {
    "cosine": "late cosine",
    "displacement": "displacement",
    "path_length": "path length",
    "final_loss": "final loss",
}
RIVALS = tuple(PREDICTORS)[1:]
#: The predictor cosine, with its rivals held fixed as well.
BEYOND = "beyond rivals"
#: Size of the cosine's correlation minus that of the strongest rival's, paired by seed. A size is
#: the correlation times the sign of its mean. The strongest of three rivals is chosen on the same
#: data, which favours it.
DIFFERENCE = "cosine minus strongest rival"

#: Measures of feature learning, the last hidden layer's unless named otherwise: column → name.
FEATURES: dict[str, str] = {
    "soft_rank_gain": "soft rank, gain",
    "stable_rank_gain": "stable rank, gain",
    "alignment_gain": "alignment, gain",
    "ntk_alignment_gain": "NTK alignment, gain",
    "movement_frobenius": "movement, Frobenius",
    "movement_spectral": "movement, spectral",
    "evolution": "evolution",
}
#: Further outcomes with which the cosine is correlated.
COMPARISONS: dict[str, str] = {
    "final_sharpness": "final λ",
    "test_accuracy": "test accuracy",
}
OUTCOMES: dict[str, str] = {**FEATURES, **COMPARISONS}


def correlated_runs(selection: RunSelection) -> pd.DataFrame:
    """The runs of the claim with the columns of ``PREDICTORS`` and ``OUTCOMES``, nan where absent.

    ``displacement`` is ‖θ_T − θ_0‖; ``path_length`` is T times the mean recorded ‖Δ_t‖, an estimate
    of Σ‖Δ_t‖ unless every step is recorded. Movement and evolution are those of the final state.

    Raises:
        NotRun: if ``cosine_runs`` raises it.
        Undecided: if no run is stable.
    """
    runs = cosine_runs(selection, "soft_rank", "alignment").set_index("run_id")
    final = runs["steps"].rename("final")
    layers = selection.layers.merge(runs["depth"], left_on="run_id", right_index=True)
    hidden = _numbers(layers[layers["layer"] == layers["depth"] - 1])
    steps = _numbers(selection.steps.merge(final, left_on="run_id", right_index=True))
    first, last = _at(hidden, 0), _at(hidden, final)
    runs["stable_rank_gain"] = last["stable_rank"] - first["stable_rank"]
    for column in ("movement_frobenius", "movement_spectral", "evolution"):
        runs[column] = last[column]
    runs["ntk_alignment_gain"] = _at(steps, final)["ntk_alignment"] - _at(steps, 0)["ntk_alignment"]
    runs["displacement"] = _at(steps, final)["displacement"]
    runs["path_length"] = final * steps.groupby("run_id")["update_norm"].mean()
    return runs.reset_index()


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Convert measured columns to double precision, with missing values as nan."""
    measured = table.columns.difference(["run_id", "step", "layer", "depth", "final"])
    return table.astype(dict.fromkeys(measured, "float64"))


def _at(table: pd.DataFrame, step: int | pd.Series[Any]) -> pd.DataFrame:
    """The rows at one step, or at a step of each run's own, indexed by run."""
    wanted = step if isinstance(step, int) else table["run_id"].map(step)
    return table[table["step"] == wanted].set_index("run_id")


def correlations(tables: Mapping[str, pd.DataFrame], claim: Claim) -> pd.DataFrame:
    """One row per activation, regime, predictor and outcome: the correlation with its interval.

    Args:
        tables: the tidy tables.
        claim: the claim on the cosine and features.

    Returns:
        Columns ``activation``; ``setting``, the label of the regime; ``predictor``, one of
        ``PREDICTORS``, ``BEYOND`` or ``DIFFERENCE``; ``outcome``; ``estimate``, ``low`` and
        ``high`` over ``seeds``; ``rival`` of a ``DIFFERENCE``; ``remark``, the reason why an
        activation and regime have no correlations. What was not recorded has no row.
    """
    rows: list[dict[str, Any]] = []
    for selection in selections_of(tables, claim):
        try:
            runs = correlated_runs(selection)
            found = [row for outcome in OUTCOMES for row in _of_outcome(runs, outcome)]
            if not found:
                raise Undecided("no cell has enough stable runs that differ")
        except (NotRun, Undecided) as outcome_of_all:
            found = [{"remark": f"not run: {outcome_of_all}"}]
        rows += [{**judged_for(selection), "rival": "", "remark": "", **row} for row in found]
    columns = ["activation", "setting", "predictor", "outcome", "estimate", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=[*columns, "rival", "remark"])


def _of_outcome(runs: pd.DataFrame, outcome: str) -> Iterator[dict[str, Any]]:
    found = {name: _by_seed(runs, name, outcome) for name in (*PREDICTORS, BEYOND)}
    found = {name: by_seed for name, by_seed in found.items() if not by_seed.empty}
    for name, by_seed in found.items():
        yield {"predictor": name, "outcome": outcome, **_row(by_seed)}
    rivals = [name for name in RIVALS if name in found]
    if rivals and "cosine" in found:
        rival = max(rivals, key=lambda name: abs(found[name].mean()))
        sizes = (_size(found["cosine"]) - _size(found[rival])).dropna()
        if not sizes.empty:
            yield {"predictor": DIFFERENCE, "outcome": outcome, "rival": rival, **_row(sizes)}


def _by_seed(runs: pd.DataFrame, predictor: str, outcome: str) -> pd.Series[float]:
    """Jackknife values of the pooled correlation by seed; empty if it cannot be taken."""
    name, held = ("cosine", RIVALS) if predictor == BEYOND else (predictor, ())
    try:
        return pooled_values(runs.dropna(subset=[name, outcome, *held]), name, outcome, held)
    except Undecided:
        return pd.Series(np.empty(0))


def _size(by_seed: pd.Series[float]) -> pd.Series[float]:
    """The correlations times the sign of their mean."""
    return by_seed if by_seed.mean() >= 0 else -by_seed


def _row(by_seed: pd.Series[float]) -> dict[str, float]:
    interval = mean_interval(by_seed)
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "seeds": interval.n,
    }
