"""The cosine of new and cumulative updates against η_tλ_t."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.phases import recorded_cosines
from nup.claims.evidence import Evidence
from nup.plots import style

_BIN = 0.1
_RIGHT = 4.0


def cosine_against_edge(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Mean cosine in bins of η_tλ_t; shaded: where the claim says it lies, phase by phase."""

    def draw(axis: Axes, evidence: Evidence) -> None:
        for criterion in claim.criteria:
            _shade(axis, criterion.arguments["edge"], criterion.threshold)
        for net in sorted(set(evidence.runs_of()["net"])):
            look = style.net_style(net)
            sns.lineplot(
                data=_binned(evidence, net),
                x="bin",
                y="cosine",
                color=look.color,
                marker=look.marker,
                markerfacecolor=look.face,
                markeredgecolor=look.color,
                linestyle=look.dashes,
                errorbar=("pi", 100),
                label=look.label,
                ax=axis,
            )
        axis.axhline(0, color="0.5", linewidth=0.8)
        axis.fill_between([], [], [], color=style.SHADE, label="threshold of the claim")
        axis.set_xlim(0, _RIGHT)
        axis.set_ylim(-1, 1)
        axis.set_xlabel("$\\eta_t\\lambda_t$ (edge of stability at 2)")
        axis.set_ylabel("mean cosine")
        axis.legend(loc="upper right")

    return style.panels(
        tables, judged, claim, {r"cosine by $\eta_t\lambda_t$": draw}, size=(6.0, 4.2)
    )


def _shade(axis: Axes, edge: list[float | None], threshold: object) -> None:
    left = 0.0 if edge[0] is None else edge[0]
    right = _RIGHT if edge[1] is None else edge[1]
    low, high = getattr(threshold, "low", None), getattr(threshold, "high", None)
    axis.fill_between(
        [left, right], -1 if low is None else low, 1 if high is None else high, color=style.SHADE
    )
    axis.axvline(right, color="0.7", linewidth=0.8)


def _binned(evidence: Evidence, net: str) -> pd.DataFrame:
    """Mean cosine of each seed in each bin."""
    parts = []
    for seed, runs in evidence.runs_of(net).groupby("seed"):
        steps = recorded_cosines(evidence, runs)
        middle = (np.floor(steps["edge"] / _BIN) + 0.5) * _BIN
        means = steps["cosine"].groupby(middle.rename("bin")).mean().reset_index()
        parts.append(means.assign(seed=seed))
    table = pd.concat(parts)
    return table[table["bin"] < _RIGHT]
