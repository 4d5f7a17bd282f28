"""Evaluation of the claims: the tables ``claims`` and ``readings`` from the tables of a study.

A claim is judged for every activation and regime in which its experiment was run, and in each of
them under every reading. ``readings`` has a row ``overall`` and a row for each criterion of every
reading. ``claims`` has a row ``overall`` for the claim, which names the reading that decides, and
the criteria of that reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nup.claims import verdicts
from nup.claims.catalogue import Catalogue, Claim, Criterion, ReadClaim
from nup.claims.estimators import ESTIMATORS
from nup.claims.run_selection import (
    Measurement,
    NotRun,
    RunSelection,
    Undecided,
    by_regime,
)
from nup.claims.verdicts import LEVEL, Part
from nup.specs.identity import canonical_json
from nup.tables import schema

OVERALL = "overall"

#: Number of deciding criteria that an overall row names.
_NAMED = 6


class Evaluation(NamedTuple):
    """The tables ``claims`` and ``readings``, with the columns of ``nup.tables.schema``."""

    claims: pd.DataFrame
    readings: pd.DataFrame


def evaluate(tables: Mapping[str, pd.DataFrame], catalogue: Catalogue) -> Evaluation:
    """Evaluate every claim for every activation and regime of its experiment.

    A claim whose experiment is absent is *not run* for all activations of the tables, and its
    column ``setting`` is empty.

    Args:
        tables: frames ``runs``, ``steps``, ``layers``, ``init`` of ``nup.tables.schema``; an absent
            or empty one leads to the verdict ``not run`` where it is needed.
        catalogue: the claims with their thresholds and readings.

    Returns:
        Both tables.
    """
    # Claims on the same runs share a selection, and so what was found of it.
    found: dict[str, list[RunSelection]] = {}

    def selections(claim: Claim, activation: str) -> list[RunSelection]:
        key = canonical_json([claim.experiment, activation, claim.select])
        if key not in found:
            found[key] = by_regime(tables, claim.experiment, activation, claim.select)
        return found[key]

    judged = [
        _judged(selection, claim, catalogue)
        for claim in catalogue.claims
        for activation in _activations(tables, claim.experiment) or _activations(tables)
        for selection in selections(claim, activation)
    ]
    return Evaluation(
        _frame([row for rows, _ in judged for row in rows], schema.CLAIMS),
        _frame([row for _, rows in judged for row in rows], schema.READINGS),
    )


def _frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
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


_Rows = list[dict[str, Any]]


def _judged(selection: RunSelection, claim: Claim, catalogue: Catalogue) -> tuple[_Rows, _Rows]:
    """The rows of ``claims`` and of ``readings`` for one claim on one selection."""
    needed = claim.min_seeds or catalogue.seeds.needed(selection.dataset)
    measured = [
        [part for criterion in reading.criteria for part in _parts(selection, criterion, needed)]
        for reading in claim.readings
    ]
    shared = {
        "claim": claim.id,
        "activation": selection.activation,
        "setting": selection.regime_label,
        "figure": claim.figure,
        "notebook": claim.notebook,
    }
    by_reading = [
        [{**shared, **row} for row in _reading_rows(claim, reading, parts)]
        for reading, parts in zip(claim.readings, measured, strict=True)
    ]
    verdict, deciding = verdicts.of_claim(measured)
    rows = by_reading[deciding]
    overall = {**rows[0], "verdict": verdict, "reason": _claim_reason(by_reading, verdict)}
    return [overall, *rows[1:]], [row for each in by_reading for row in each]


def _parts(selection: RunSelection, criterion: Criterion, needed: int) -> list[Part]:
    """The criterion with its numbers; several parts where the estimator tells the runs apart."""
    plain = Part(
        criterion.name,
        criterion.threshold,
        universal=criterion.universal,
        log=criterion.log,
        provenance=criterion.provenance or "",
    )
    try:
        found = ESTIMATORS[criterion.estimator].function(selection, **criterion.arguments)
    except NotRun as outcome:
        return [replace(plain, absent=str(outcome))]
    except Undecided as outcome:
        return [replace(plain, undecided=str(outcome))]
    if isinstance(found, Measurement):
        return [_part(plain, found, needed)]
    return [
        _part(replace(plain, name=f"{criterion.name}, {label}"), each, needed)
        for label, each in found.items()
    ]


def _part(plain: Part, measurement: Measurement, needed: int) -> Part:
    values = np.asarray(measurement.by_seed, dtype=float)
    reasons = []
    if values.size == 0:
        reasons.append(measurement.undecided or measurement.note or "no seed gave a value")
        return replace(plain, undecided=reasons[0])
    if values.size < needed:
        reasons.append(f"{values.size} seeds, at least {needed} are needed")
    if pd.isna(values).any():
        reasons.append("a seed has no value")
    elif not plain.universal and not math.isfinite(values.sum()):
        reasons.append("a seed's value is infinite")
    reasons.append(measurement.undecided)
    undecided = "; ".join(filter(None, reasons))
    return replace(plain, values=values, undecided=undecided, note=measurement.note)


def _reading_rows(claim: Claim, reading: ReadClaim, parts: Sequence[Part]) -> _Rows:
    """The reading as a whole, with the numbers of the first criterion that has its verdict."""
    rows = [
        {
            "reading": reading.label,
            "criterion": part.name,
            "provenance": part.provenance or claim.provenance,
            **_numbers(part),
        }
        for part in parts
    ]
    verdict = verdicts.of_reading(parts)
    names = _deciding(parts, verdict)
    deciding = next(row for row in rows if row["criterion"] in names)
    reason = _reading_reason(verdict, names, len(parts))
    if why := next((part.undecided for part in parts if part.name in names), ""):
        reason = f"{reason} ({why})"
    own = {"criterion": OVERALL, "provenance": claim.provenance, "verdict": verdict}
    return [{**deciding, **own, "reason": reason}, *rows]


def _deciding(parts: Sequence[Part], verdict: str) -> list[str]:
    """Names of the criteria that give a reading its verdict.

    Of an open reading they are those that are not supported: one that is contradicted alone may be
    among them, though not clearly enough among so many.
    """
    if verdict == verdicts.INCONCLUSIVE:
        return [part.name for part in parts if part.verdict() != verdicts.SUPPORTED]
    level = LEVEL / len(parts) if verdict == verdicts.CONTRADICTED else LEVEL
    return [part.name for part in parts if part.verdict(level) == verdict]


def _numbers(part: Part) -> dict[str, Any]:
    interval = part.interval()
    verdict = part.verdict()
    undecided = part.absent or part.undecided
    if verdict == verdicts.INCONCLUSIVE and not undecided:
        undecided = f"the interval crosses an end of {part.threshold}"
    return {
        "threshold": str(part.threshold),
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "n_seeds": interval.n,
        "verdict": verdict,
        "reason": "; ".join(filter(None, (undecided, part.note))),
    }


def _reading_reason(verdict: str, names: Sequence[str], total: int) -> str:
    listed = "; ".join(names[:_NAMED])
    if len(names) > _NAMED:
        listed = f"{listed}; and {len(names) - _NAMED} more"
    if verdict == verdicts.SUPPORTED:
        return f"{total} of {total} criteria supported"
    word = "not supported" if verdict == verdicts.INCONCLUSIVE else verdict
    return f"{len(names)} of {total} criteria {word}: {listed}"


def _claim_reason(by_reading: Sequence[_Rows], verdict: str) -> str:
    """The reason of the deciding reading; with several, how many have which verdict."""
    if len(by_reading) == 1:
        return str(by_reading[0][0]["reason"])
    if verdict == verdicts.NOT_RUN:
        first = by_reading[0][0]
        return f"none of {len(by_reading)} readings was run; {first['reading']}: {first['reason']}"
    found: dict[str, list[str]] = {}
    for rows in by_reading:
        found.setdefault(rows[0]["verdict"], []).append(rows[0]["reading"])
    counts = [f"{each}: {', '.join(labels)}" for each, labels in found.items()]
    alone = verdict == verdicts.INCONCLUSIVE and verdicts.SUPPORTED in found
    level = "; supported alone, not at 5 %/number of readings" if alone else ""
    return f"of {len(by_reading)} readings, {'; '.join(counts)}{level}"
