"""The cosine of new and cumulative updates against η_tλ_t."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators.phases import cosine_in_phase, recorded_cosines, unscaled_runs
from nup.claims.nets import ordered
from nup.claims.run_selection import RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import net_style
from nup.figures.panels import panels

_BIN = 0.1
_RIGHT = 4.0


@register
def cosine_against_edge(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Mean cosine in bins of η_tλ_t and over each phase, with the claim's ranges shaded."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        for criterion in _phases(claim):
            _shade(axis, criterion)
        for net in ordered(selection.runs_of()):
            look = net_style(selection, net)
            sns.lineplot(
                data=_binned(selection, net),
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
        for criterion in _phases(claim):
            _draw_phase_mean(axis, selection, criterion)
        axis.plot([], [], color="black", linewidth=2.5, label="mean over the phase, as judged")
        axis.axhline(0, color="0.5", linewidth=0.8)
        axis.fill_between([], [], [], color=style.SHADE, label="threshold of the claim")
        axis.set_xlim(0, _RIGHT)
        axis.set_ylim(-1, 1)
        axis.set_xlabel("$\\eta_t\\lambda_t$ (edge of stability at 2)")
        axis.set_ylabel("mean cosine")
        axis.legend(loc="upper right")

    return panels(tables, judged, claim, {r"cosine by $\eta_t\lambda_t$": draw}, size=(6.0, 4.2))


def _phases(claim: Claim) -> list[Criterion]:
    """The criteria on the mean cosine of a phase."""
    return [each for each in claim.criteria if each.estimator == "cosine_in_phase"]


def _bounds(criterion: Criterion) -> tuple[float, float]:
    left, right = criterion.arguments["edge"]
    return 0.0 if left is None else left, _RIGHT if right is None else right


def _shade(axis: Axes, criterion: Criterion) -> None:
    low, high = criterion.threshold.low, criterion.threshold.high
    bounds = _bounds(criterion)
    axis.fill_between(
        bounds, -1 if low is None else low, 1 if high is None else high, color=style.SHADE
    )
    axis.axvline(bounds[1], color="0.7", linewidth=0.8)


def _draw_phase_mean(axis: Axes, selection: RunSelection, criterion: Criterion) -> None:
    try:
        means = cosine_in_phase(selection, **criterion.arguments).by_seed
    except Undecided:  # no step in this phase: nothing to draw
        return
    axis.hlines(means.mean(), *_bounds(criterion), color="black", linewidth=2.5, zorder=3)


def _binned(selection: RunSelection, net: str) -> pd.DataFrame:
    """Mean cosine of each seed in each bin."""
    parts = []
    for seed, runs in unscaled_runs(selection, net).groupby("seed"):
        steps = recorded_cosines(selection, runs)
        middle = (np.floor(steps["edge"] / _BIN) + 0.5) * _BIN
        means = steps["cosine"].groupby(middle.rename("bin")).mean().reset_index()
        parts.append(means.assign(seed=seed))
    table = pd.concat(parts)
    return table[table["bin"] < _RIGHT]
