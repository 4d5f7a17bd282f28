"""The cosine of new and cumulative updates against η_tλ_t."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators.phases import cosine_in_phase, recorded_cosines, unscaled_runs
from nup.claims.nets import ordered
from nup.claims.run_selection import RunSelection, Undecided
from nup.claims.statistics import mean_interval
from nup.figures import register, style
from nup.figures.nets import net_style
from nup.figures.panels import panels

_BIN = 0.1
#: Cosines up to which the scale of phases is linear.
_LINEAR = 0.02
_RIGHT = 4.0


@register
def cosine_against_edge(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Mean cosine in bins of η_tλ_t and over each phase, with the claim's ranges shaded."""
    rows = {
        r"cosine by $\eta_t\lambda_t$": lambda axis, selection: _draw_bins(axis, selection),
        "mean over each phase, as judged": lambda axis, selection: _draw_phases(
            axis, selection, _phases(claim)
        ),
    }
    note = (
        "Above: mean in each bin, band: range over {seeds}. Below: mean over {seeds} with its 95 % "
        "interval, small marks: seeds; the scale is linear to ±0.02 and logarithmic beyond."
    )
    return panels(tables, judged, claim, rows, size=(6.0, 3.0), note=note)


def _phases(claim: Claim) -> list[Criterion]:
    """The criteria on the mean cosine of a phase."""
    return [each for each in claim.criteria if each.estimator == "cosine_in_phase"]


def _draw_bins(axis: Axes, selection: RunSelection) -> None:
    for net in ordered(selection.runs_of()):
        look = net_style(selection, net)
        by_bin = _binned(selection, net).groupby("bin")["cosine"]
        mean = by_bin.mean()
        axis.fill_between(
            mean.index, by_bin.min(), by_bin.max(), color=look.color, alpha=0.15, linewidth=0
        )
        axis.plot(
            mean.index,
            mean,
            color=look.color,
            marker=look.marker,
            markersize=5,
            markerfacecolor=look.face,
            linestyle=look.dashes,
            label=look.label,
        )
    axis.axhline(0, color="0.5", linewidth=0.8)
    axis.axvline(2, color=style.INK, linewidth=0.8, linestyle=":", label="edge of stability")
    axis.set_xlim(0, _RIGHT)
    axis.set_ylim(-0.5, 1)
    axis.set_xlabel("$\\eta_t\\lambda_t$")
    axis.set_ylabel("mean cosine")
    axis.legend()


def _draw_phases(axis: Axes, selection: RunSelection, criteria: Sequence[Criterion]) -> None:
    """Draw the mean of each phase against its range, on a scale that shows small cosines."""
    selection.runs_of()  # raises NotRun
    axis.set_yscale("symlog", linthresh=_LINEAR, linscale=1)
    axis.set_ylim(-1, 1)
    for place, criterion in enumerate(criteria):
        low, high = criterion.threshold.low, criterion.threshold.high
        axis.fill_between(
            (place - 0.4, place + 0.4),
            -1 if low is None else low,
            1 if high is None else high,
            color=style.SHADE,
            linewidth=0,
            label="claim's range" if place == 0 else None,
        )
        try:
            seeds = cosine_in_phase(selection, **criterion.arguments).by_seed
        except Undecided as outcome:
            text = textwrap.fill(f"undecided: {outcome}", 24)
            axis.text(place, -0.1, text, ha="center", va="center", fontsize="x-small")
            continue
        found = mean_interval(seeds)
        axis.plot(np.full(len(seeds), place - 0.2), seeds, "o", color="0.55", markersize=3)
        if np.isfinite(found.low):
            axis.vlines(place, found.low, found.high, color="black", linewidth=2)
        axis.plot(place, found.estimate, "D", color="black", markersize=6)
        text = f"{found.estimate:+.3f}".replace("-", "−")
        axis.annotate(text, (place + 0.08, found.estimate), va="center", fontsize="small")
    axis.axhline(0, color="0.5", linewidth=0.8)
    ticks = [-1, -0.1, -_LINEAR, 0, _LINEAR, 0.1, 1]
    axis.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axis.yaxis.set_minor_locator(NullLocator())
    names = [f"{each.name}\n{_interval(each)}" for each in criteria]
    axis.set_xticks(range(len(criteria)), names)
    axis.set_xlim(-0.5, len(criteria) - 0.5)
    axis.set_xlabel("phase of training")
    axis.set_ylabel("mean cosine")
    axis.legend()


def _interval(criterion: Criterion) -> str:
    """The values of η_tλ_t that belong to a phase."""
    left, right = criterion.arguments["edge"]
    symbol = "$\\eta_t\\lambda_t$"
    if left is None:
        return f"{symbol} < {right:g}"
    return f"{symbol} > {left:g}" if right is None else f"{left:g} ≤ {symbol} ≤ {right:g}"


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
