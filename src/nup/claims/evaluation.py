"""Evaluation of the claims: the table ``claims`` is computed from the tables of a study.

A claim has a row ``overall`` and a row for each criterion, for every activation and regime in which
its experiment was run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nup.claims import verdicts
from nup.claims.catalogue import Catalogue, Claim, Criterion, IntervalOptions
from nup.claims.estimators import ESTIMATORS
from nup.claims.run_selection import (
    Measurement,
    NotRun,
    RunSelection,
    Undecided,
    by_regime,
)
from nup.claims.statistics import Interval, bootstrap_mean, worst
from nup.tables import schema

OVERALL = "overall"

#: Number of deciding criteria that the overall row names.
_NAMED = 6


def evaluate(tables: Mapping[str, pd.DataFrame], catalogue: Catalogue) -> pd.DataFrame:
    """Evaluate every claim for every activation and regime of its experiment.

    A claim whose experiment is absent is *not run* for all activations of the tables, and its
    column ``setting`` is empty.

    Args:
        tables: frames ``runs``, ``steps``, ``layers``, ``init`` of ``nup.tables.schema``; an absent
            or empty one leads to the verdict ``not run`` where it is needed.
        catalogue: the claims with their thresholds.

    Returns:
        The table ``claims`` with the columns of ``nup.tables.schema.CLAIMS``.
    """
    rows = [
        row
        for claim in catalogue.claims
        for activation in _activations(tables, claim.experiment) or _activations(tables)
        for selection in by_regime(tables, claim.experiment, activation, claim.select)
        for row in _claim_rows(selection, claim, catalogue.intervals)
    ]
    frame = pd.DataFrame(rows, columns=list(schema.CLAIMS))
    numbers = dict.fromkeys(("estimate", "low", "high"), "float64")
    return frame.astype({**numbers, "n_seeds": "int64"})


def _activations(tables: Mapping[str, pd.DataFrame], experiment: str = "") -> list[str]:
    """Activations of one experiment, or of all.

    Those of ``runs`` first, then those met only at initialization, each in sorted order.
    """
    found: list[str] = []
    for name in ("runs", "init"):
        if name in tables and not tables[name].empty:
            rows = tables[name]
            if experiment:
                rows = rows[rows["experiment"] == experiment]
            found += sorted(set(rows["activation"].dropna()) - set(found))
    return found


def _claim_rows(
    selection: RunSelection, claim: Claim, options: IntervalOptions
) -> list[dict[str, Any]]:
    shared = {
        "claim": claim.id,
        "activation": selection.activation,
        "setting": selection.regime_label,
        "provenance": claim.provenance,
        "figure": claim.figure,
        "notebook": claim.notebook,
    }
    rows = [
        {**shared, **_criterion_row(selection, criterion, claim.min_seeds, options)}
        for criterion in claim.criteria
    ]
    return [_overall_row(rows, claim.provenance), *rows]


def _criterion_row(
    selection: RunSelection, criterion: Criterion, min_seeds: int, options: IntervalOptions
) -> dict[str, Any]:
    row: dict[str, Any] = {"criterion": criterion.name, "threshold": str(criterion.threshold)}
    if criterion.provenance is not None:
        row["provenance"] = criterion.provenance
    try:
        measurement = ESTIMATORS[criterion.estimator].function(selection, **criterion.arguments)
        interval = _interval(measurement, criterion, options)
    except (NotRun, Undecided) as outcome:
        label = verdicts.NOT_RUN if isinstance(outcome, NotRun) else verdicts.INCONCLUSIVE
        nothing = {"estimate": np.nan, "low": np.nan, "high": np.nan, "n_seeds": 0}
        return {**row, **nothing, "verdict": label, "reason": str(outcome)}
    undecided = measurement.undecided
    if interval.n < min_seeds:
        few = f"{interval.n} seeds, at least {min_seeds} are needed"
        undecided = f"{few}; {undecided}" if undecided else few
    label = verdicts.INCONCLUSIVE if undecided else verdicts.verdict(interval, criterion.threshold)
    if label == verdicts.INCONCLUSIVE and not undecided:
        undecided = f"the interval crosses an end of {criterion.threshold}"
    numbers = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    reason = "; ".join(filter(None, (undecided, measurement.note)))
    return {**row, **numbers, "n_seeds": interval.n, "verdict": label, "reason": reason}


def _interval(measurement: Measurement, criterion: Criterion, options: IntervalOptions) -> Interval:
    values = measurement.by_seed.to_numpy(dtype=float)
    if values.size == 0:
        raise Undecided(measurement.undecided or measurement.note or "no seed gave a value")
    if np.isnan(values).any():
        raise Undecided("a seed has no value")
    if criterion.universal:
        return worst(values, largest=criterion.threshold.high is not None)
    if np.isinf(values).any():
        raise Undecided("a seed's value is infinite")
    return bootstrap_mean(values, options.confidence, options.resamples, options.seed)


def _overall_row(rows: list[dict[str, Any]], provenance: str) -> dict[str, Any]:
    """The claim as a whole, with the numbers of the first criterion that has its verdict."""
    label = verdicts.overall([row["verdict"] for row in rows])
    deciding = [row for row in rows if row["verdict"] == label]
    names = "; ".join(row["criterion"] for row in deciding[:_NAMED])
    if len(deciding) > _NAMED:
        names = f"{names}; and {len(deciding) - _NAMED} more"
    count = f"{len(deciding)} of {len(rows)} criteria {label}"
    reason = count if label == verdicts.SUPPORTED else f"{count}: {names}"
    own = {"criterion": OVERALL, "provenance": provenance, "verdict": label, "reason": reason}
    return {**deciding[0], **own}
