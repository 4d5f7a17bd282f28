"""Every interpretation of every claim: a cell with the symbol and color of its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from nup.claims.interpretations.report import overall_rows
from nup.claims.regimes import claim_regimes
from nup.figures import style

#: A claim, and the regime if it was judged in several.
_Column = tuple[str, str]

#: An aspect and one of its interpretations; the heading of an aspect has an empty one.
_Line = tuple[str, str]


def interpretation_matrix(table: pd.DataFrame) -> Figure:
    """Interpretations against claims: a panel per activation, a column per claim and regime.

    An empty cell is a claim that the interpretation leaves alone. The interpretation that the
    claims table evaluates is bold.
    """
    overall = overall_rows(table)
    names = list(dict.fromkeys(overall["activation"])) or ["no runs"]
    claims = [
        (claim, regime)
        for claim in dict.fromkeys(overall["claim"])
        for regime in claim_regimes(overall, claim)
    ]
    lines = _lines(overall)
    with style.theme():
        figure = Figure(figsize=(3.4 + 0.62 * len(claims) * len(names), 2.6 + 0.29 * len(lines)))
        figure.suptitle("Verdicts on every reading of the claims", fontweight="bold")
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            _draw(axis, overall[overall["activation"] == name], lines, claims)
            axis.set_title(name, fontweight="bold")
        _label_lines(
            axes[0],
            lines,
            set(
                overall.loc[overall["judged"], ["aspect", "reading"]].itertuples(
                    index=False, name=None
                )
            ),
        )
        for axis in axes[1:]:
            axis.set_yticks([])
        handles = [
            Patch(facecolor=look.color, alpha=0.45, label=f"{look.symbol} {verdict}")
            for verdict, look in style.VERDICTS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _lines(overall: pd.DataFrame) -> list[_Line]:
    """The heading of each aspect, followed by its interpretations."""
    lines: list[_Line] = []
    for aspect, group in overall.groupby("aspect", sort=False):
        lines.append((str(aspect), ""))
        lines += [(str(aspect), str(reading)) for reading in dict.fromkeys(group["reading"])]
    return lines


def _draw(
    axis: Axes, rows: pd.DataFrame, lines: Sequence[_Line], claims: Sequence[_Column]
) -> None:
    for row in rows.itertuples():
        line, column = (
            lines.index((row.aspect, row.reading)),
            claims.index((row.claim, row.setting)),
        )
        look = style.VERDICTS[str(row.verdict)]
        corner = (column + 0.04, line + 0.06)
        axis.add_patch(Rectangle(corner, 0.92, 0.88, facecolor=look.color, alpha=0.45))
        place = (column + 0.5, line + 0.5)
        axis.annotate(look.symbol, place, ha="center", va="center", fontweight="bold")
    for line, (_, name) in enumerate(lines):
        if not name and line:
            axis.axhline(line, color="0.7", linewidth=0.8)
    axis.set_xlim(0, max(1, len(claims)))
    axis.set_ylim(max(1, len(lines)), 0)
    several = Counter(claim for claim, _ in claims)
    labels = [f"{claim}\n{regime}" if several[claim] > 1 else claim for claim, regime in claims]
    places = np.arange(len(claims)) + 0.5
    axis.set_xticks(places, labels, rotation=60, ha="right", rotation_mode="anchor")
    axis.tick_params(length=0, labelsize="small")
    for spine in axis.spines.values():
        spine.set_visible(False)


def _label_lines(axis: Axes, lines: Sequence[_Line], judged: set[_Line]) -> None:
    labels = [name or aspect for aspect, name in lines]
    axis.set_yticks(np.arange(len(lines)) + 0.5, labels)
    for tick, line in zip(axis.get_yticklabels(), lines, strict=True):
        if line in judged:
            tick.set_fontweight("bold")
        if not line[1]:
            tick.set_fontstyle("italic")
            tick.set_color("0.35")
