"""Forest plot of the correlations of the cosine and its rivals with feature learning."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.analysis.cosine.correlations import (
    BEYOND,
    FEATURES,
    OUTCOMES,
    PREDICTORS,
    correlations,
)
from nup.claims.catalogue import Claim
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures import register, style
from nup.figures.panels import panels

_LOOKS = {
    "cosine": (style.INDIGO, "o", style.INDIGO),
    BEYOND: (style.INDIGO, "o", "white"),
    "displacement": (style.ROSE, "s", style.ROSE),
    "path_length": (style.TEAL, "^", style.TEAL),
    "final_loss": (style.OLIVE, "D", style.OLIVE),
}
_LABELS = {**PREDICTORS, BEYOND: "late cosine, rivals held fixed too"}


@register
def correlation_forest(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
    found: pd.DataFrame | None = None,
) -> Figure:
    """Rank correlations of outcomes with predictors within cells, with intervals over seeds.

    Args:
        tables: the tidy tables.
        judged: the claims table.
        claim: the claim on the cosine and features.
        found: the table that ``nup.analysis.cosine.correlations.correlations`` returned for
            them; computed if None.
    """
    table = correlations(tables, claim) if found is None else found

    def draw(axis: Axes, selection: RunSelection) -> None:
        own = table[table["activation"] == selection.activation]
        own = own[own["setting"] == selection.regime_label]
        remarks = [remark for remark in own["remark"] if remark]
        if own.empty or remarks:
            raise NotRun(remarks[0].removeprefix("not run: ") if remarks else "no correlations")
        _draw_forest(axis, own)

    rows = {"rank correlation within cells of fixed net, depth and rate": draw}
    title = "Feature learning: the cosine and its rivals (exploratory)"
    return panels(tables, judged, claim, rows, size=(5.8, 6.6), title=title)


def _draw_forest(axis: Axes, found: pd.DataFrame) -> None:
    names = list(OUTCOMES)
    offsets = {name: 0.16 * (place - 2) for place, name in enumerate(_LOOKS)}
    axis.axvline(0, color="0.4", linewidth=0.8)
    axis.axhspan(len(FEATURES) - 0.5, len(names) - 0.5, color="0.94", zorder=0)
    for predictor, (color, marker, face) in _LOOKS.items():
        rows = found[found["predictor"] == predictor]
        heights = [names.index(outcome) + offsets[predictor] for outcome in rows["outcome"]]
        axis.hlines(heights, rows["low"], rows["high"], color=color, linewidth=1.5)
        axis.plot(
            rows["estimate"],
            heights,
            linestyle="none",
            color=color,
            marker=marker,
            markerfacecolor=face,
            markersize=5,
            label=_LABELS[predictor],
        )
    for name in set(names) - set(found["outcome"]):
        axis.text(0, names.index(name), "no correlation", ha="center", fontsize="x-small")
    axis.set_yticks(range(len(names)), labels=list(OUTCOMES.values()))
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(-1, 1)
    axis.set_xticks([-1, -0.5, 0, 0.5, 1])
    seeds = int(found["seeds"].max())
    axis.set_xlabel(f"correlation over {seeds} seeds, 95 % interval")
    axis.legend()
