"""What the readings of an aspect look like side by side: rates, evolutions, spikes, ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.amplitudes import loss_curve, spike_amplitudes
from nup.claims.catalogue import Claim
from nup.claims.estimators.catapult import catapult_runs
from nup.claims.estimators.features import Quantity
from nup.claims.interpretations.runs import with_further_runs
from nup.claims.learning_rates import Rate
from nup.claims.run_selection import RunSelection, NotRun, Undecided
from nup.figures import style
from nup.figures.depth import rate_panel
from nup.figures.evolution import largest_evolution_panel
from nup.figures.features import SCALINGS, quantity_panel
from nup.figures.scaling import ratio_panel

_MATCHED = " matched to nup(r=2)"
#: Width patterns with r = 0, 1, 2, 3, by what is equal.
_PATTERNS = {
    "equal base width": ("mup", "nup(r=1)", "nup(r=2)", "nup(r=3)"),
    "equal parameters": (
        f"mup{_MATCHED}",
        f"nup(r=1){_MATCHED}",
        "nup(r=2)",
        f"nup(r=3){_MATCHED}",
    ),
}
_RULES = ("nup(r=2)", "nup_last_width(r=2)", "nup_kernel_scale(r=2)")
_RATES: tuple[Rate, ...] = ("largest stable", "best")

#: Schedules with color and marker.
_SCHEDULES: dict[str, tuple[Any, str]] = {
    "constant": (style.VERMILION, "s"),
    "sharpness": (style.BLUE, "o"),
    "taylor": (style.GREEN, "^"),
}
#: Stretches of the run over which spike amplitudes are averaged.
_STRETCHES = 20
#: Constant rates are shown from this ηλ_0 on, as in the readings.
_LEAST_EDGE = 1.5


def width_patterns(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable and best LR against depth for r = 0, 1, 2, 3."""
    rows = {
        f"{rate} LR, {equal}": rate_panel(rate, nets)
        for rate in _RATES
        for equal, nets in _PATTERNS.items()
    }
    return _panels(tables, judged, claim, rows, r"Width patterns $m\cdot k^r$: learning rates")


def scaling_by_width_pattern(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable LR with ξ over that without, for r = 0, 1, 2, 3."""
    least, _ = style.threshold_of(claim, "stable_rate_ratio")
    rows = {
        f"largest stable LR with ξ over without, {equal}": ratio_panel(nets, least)
        for equal, nets in _PATTERNS.items()
    }
    return _panels(tables, judged, claim, rows, r"Width patterns $m\cdot k^r$: gradient scaling")


def update_rules(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Learning rates and largest evolution against depth under every update rule of νP."""
    rows = {f"{rate} LR": rate_panel(rate, _RULES) for rate in _RATES}
    rows["largest evolution over hidden layers"] = largest_evolution_panel(_RULES)
    return _panels(tables, judged, claim, rows, "Update rules of νP")


def ranks_against_rate(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Soft rank and stable rank of the last hidden layer against the LR."""
    names: dict[Quantity, str] = {"soft_rank": "soft rank", "stable_rank": "stable rank"}
    rows = {
        f"{name}, {where}": quantity_panel(quantity, scaling)
        for scaling, where in SCALINGS.items()
        for quantity, name in names.items()
    }
    title = "Soft rank and stable rank of the last hidden layer"
    return style.panels(tables, judged, claim, rows, size=(6.0, 3.9), title=title)


def spikes_by_schedule(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Spike amplitude over the run, for every schedule with gradient scaling and without."""
    least, _ = style.threshold_of(claim, "late_amplitude")

    def draw(axis: Axes, selection: RunSelection) -> None:
        silent = [
            _draw_spikes(axis, selection, schedule, scaling, claim)
            for schedule in _SCHEDULES
            for scaling in ("none", "depthwise")
        ]
        if all(silent):
            raise NotRun(silent[0])
        if least is not None:
            label = f"least late amplitude, {least:g} (threshold)"
            axis.axhline(least, color="0.4", linestyle=":", label=label)
        axis.set_ylim(bottom=0)
        axis.set_xlim(0, 1)
        axis.set_xlabel("fraction of the run")
        axis.set_ylabel("ln(max/min) over 20 steps")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)

    rows = {f"mean over seeds, and over c or rates with $\\eta\\lambda_0$ ≥ {_LEAST_EDGE:g}": draw}
    return _panels(tables, judged, claim, rows, "Spikes of the loss under every schedule")


def _draw_spikes(axis: Axes, selection: RunSelection, schedule: str, scaling: str, claim: Claim) -> str:
    """Draw the mean amplitude of one schedule; why it is not drawn, if it is not."""
    try:
        means = _mean_amplitudes(selection, schedule, scaling, claim)
    except (NotRun, Undecided) as outcome:
        return str(outcome)
    color, marker = _SCHEDULES[schedule]
    plain = scaling == "none"
    axis.plot(
        (np.arange(_STRETCHES) + 0.5) / _STRETCHES,
        means,
        color=color,
        marker=marker,
        markersize=5,
        markerfacecolor=color if plain else "white",
        linestyle="-" if plain else "--",
        label=schedule if plain else f"{schedule} with ξ",
    )
    return ""


def _mean_amplitudes(selection: RunSelection, schedule: str, scaling: str, claim: Claim) -> np.ndarray:
    """Mean over the finished runs of the median amplitude in each stretch, ``[stretches]``."""
    net = claim.criteria[0].arguments["net"]
    constants = {each.arguments["c"] for each in claim.criteria if "c" in each.arguments}
    edge = _LEAST_EDGE if schedule == "constant" else None
    runs = catapult_runs(selection, schedule, net, None, edge, scaling)
    if schedule != "constant":
        runs = runs[runs["schedule_c"].isin(constants)]
    finished = runs[runs["status"] == "ok"]
    if finished.empty:
        raise Undecided(f"no finished run under {schedule}")
    curves = []
    for _, run in finished.iterrows():
        amplitudes = spike_amplitudes(
            loss_curve(selection.steps_of(run["run_id"]), int(run["steps"]))
        )
        curves.append([np.median(part) for part in np.array_split(amplitudes, _STRETCHES)])
    return np.mean(curves, axis=0)


def _panels(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
    rows: Mapping[str, style.Draw],
    title: str,
) -> Figure:
    """Panels of the claim's experiment with the further runs of its readings."""
    joined = with_further_runs(tables, claim.experiment)
    return style.panels(joined, judged, claim, rows, size=(6.0, 4.2), title=title)
