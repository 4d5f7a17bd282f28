"""The tables of the tests of the cosine as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nup.analysis.cosine.correlations import BEYOND, DIFFERENCE, OUTCOMES, PREDICTORS
from nup.claims import markdown
from nup.claims.markdown import number as _number
from nup.claims.markdown import signed as _signed
from nup.claims.regimes import judged_names


def null_rows(found: pd.DataFrame) -> str:
    """Markdown of ``null_table``."""
    header = (
        "judged for",
        "run",
        "seeds",
        "D²/Σ‖Δ‖², 95 % interval",
        "random walk: z, p, outside",
        "shuffled: z, p, outside",
        "mean cosine",
        "1/mean cos²",
        "lag 1, lag 2",
        "slope",
        "explained",
    )
    return _table(header, [_null_cells(row) for row in _records(_named(found))])


def _null_cells(row: Mapping[str, Any]) -> list[str]:
    start = [row["name"], row["kind"]]
    if row["remark"]:
        return [*start, row["remark"]]
    nulls = [
        f"{_signed(row[f'z_{name}'])}, {_number(row[f'p_{name}'])}, "
        f"{int(row[f'outside_{name}'])} of {int(row['seeds'])}"
        for name in ("walk", "shuffled")
    ]
    return [
        *start,
        str(int(row["seeds"])),
        f"{_number(row['relative'])}, {_number(row['low'])} … {_number(row['high'])}",
        *nulls,
        _signed(row["cosine"]),
        _number(row["directions"]),
        f"{_signed(row['lag_1'])}, {_signed(row['lag_2'])}",
        _signed(row["slope"]),
        _number(row["explained"]),
    ]


def phase_rows(found: pd.DataFrame) -> str:
    """Markdown of ``phase_table``."""
    header = (
        "judged for",
        "phase",
        "mean cosine",
        "95 % interval over seeds",
        "seeds",
        "steps",
        "± between seeds",
        "± if steps were independent",
        "± of a random walk",
        "steps that count as one",
    )
    return _table(header, [_phase_cells(row) for row in _records(_named(found))])


def _phase_cells(row: Mapping[str, Any]) -> list[str]:
    start = [row["name"], row["phase"]]
    if row["remark"]:
        return [*start, row["remark"]]
    return [
        *start,
        _signed(row["cosine"]),
        f"{_signed(row['low'])} … {_signed(row['high'])}",
        str(int(row["seeds"])),
        str(int(row["steps"])),
        *(_number(row[name]) for name in ("between", "independent", "walk", "inflation")),
    ]


def correlation_rows(found: pd.DataFrame) -> str:
    """Markdown of ``correlations``: one row per outcome, one column per predictor."""
    header = (
        "judged for",
        "measure",
        *PREDICTORS.values(),
        "cosine, rivals held fixed too",
        "size: cosine − strongest rival",
    )
    rows = []
    for name, own in _named(found).groupby("name", sort=False):
        if remarks := [remark for remark in own["remark"] if remark]:
            rows.append([str(name), remarks[0]])
        for outcome, label in OUTCOMES.items():
            cells = {row["predictor"]: row for row in _records(own[own["outcome"] == outcome])}
            if cells:
                columns = (*PREDICTORS, BEYOND, DIFFERENCE)
                shown = [_correlation(cells[each]) if each in cells else "–" for each in columns]
                rows.append([str(name), label, *shown])
    return _table(header, rows)


def _correlation(row: Mapping[str, Any]) -> str:
    ends = f"{_signed(row['low'])} … {_signed(row['high'])}"
    rival = f" ({PREDICTORS[row['rival']]})" if row["rival"] else ""
    return f"{_signed(row['estimate'])}, {ends}{rival}"


def _named(found: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``name``: the activation, and the regime where there are several."""
    return found.assign(name=judged_names(found))


def _records(found: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in found.to_dict("records")]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "Not run: the tables hold no runs of the experiment."
    filled = pd.DataFrame(rows).reindex(columns=range(len(header)))
    return markdown.table(filled.set_axis(list(header), axis=1))
