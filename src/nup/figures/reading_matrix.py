"""Verdicts by claim and reading, as a matrix of symbols and colors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from nup.claims.evaluation import OVERALL
from nup.claims.regimes import judged_names
from nup.figures import style


def reading_matrix(table: pd.DataFrame) -> Figure:
    """Verdicts on every reading: a line per claim and reading, a column per activation and regime.

    Readings without runs and claims with one reading are left out.

    Args:
        table: the table ``readings``.

    Returns:
        The figure; without lines if no claim has several readings with runs.
    """
    overall = table[(table["criterion"] == OVERALL) & (table["reading"].fillna("") != "")]
    overall = overall.assign(column=judged_names(overall))
    lines = []
    for (claim, reading), group in overall.groupby(["claim", "reading"], sort=False):
        if set(group["verdict"]) != {"not run"}:
            lines.append((str(claim), str(reading)))
    columns = list(dict.fromkeys(overall["column"])) or ["no runs"]
    with style.theme():
        figure = Figure(figsize=(6.0 + 1.3 * len(columns), 1.8 + 0.3 * max(1, len(lines))))
        figure.suptitle("Verdicts on every reading of the claims", fontweight="bold")
        axis = figure.subplots()
        _draw(axis, overall, lines, columns)
        handles = [
            Patch(facecolor=look.color, alpha=0.45, label=f"{look.symbol} {verdict}")
            for verdict, look in style.VERDICTS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw(
    axis: Axes, rows: pd.DataFrame, lines: Sequence[tuple[str, str]], columns: Sequence[str]
) -> None:
    for row in rows.itertuples():
        if (row.claim, row.reading) not in lines:
            continue
        line, column = lines.index((row.claim, row.reading)), columns.index(row.column)
        look = style.VERDICTS[str(row.verdict)]
        corner = (column + 0.03, line + 0.06)
        axis.add_patch(Rectangle(corner, 0.94, 0.88, facecolor=look.color, alpha=0.45))
        place = (column + 0.5, line + 0.5)
        axis.annotate(look.symbol, place, ha="center", va="center", fontweight="bold")
    labels = []
    for line, (claim, reading) in enumerate(lines):
        first = line == 0 or lines[line - 1][0] != claim
        labels.append(f"{claim}: {reading}" if first else reading)
        if first and line:
            axis.axhline(line, color="0.7", linewidth=0.8)
    axis.set_xlim(0, len(columns))
    axis.set_ylim(max(1, len(lines)), 0)
    axis.set_yticks(np.arange(len(lines)) + 0.5, labels)
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axis.tick_params(length=0, labelsize="small")
    axis.xaxis.tick_top()
    for spine in axis.spines.values():
        spine.set_visible(False)
