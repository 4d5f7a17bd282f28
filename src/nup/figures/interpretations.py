"""Interpretations side by side: learning rates, evolutions, spikes and ranks of features."""

from __future__ import annotations

import itertools
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
from nup.claims.nets import comparable, nets_in, option
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.depth import rate_panel
from nup.figures.evolution import largest_evolution_panel
from nup.figures.features import SCALINGS, quantity_panel
from nup.figures.panels import Draw, panels
from nup.figures.scaling import ratio_panel

_RATES: tuple[Rate, ...] = ("largest stable", "best")

#: Colors and markers of the known schedules, and of further ones in their order.
_SCHEDULES: dict[str, tuple[Any, str]] = {
    "constant": (style.VERMILION, "s"),
    "sharpness": (style.BLUE, "o"),
    "taylor": (style.GREEN, "^"),
}
_FURTHER = list(
    zip((style.ORANGE, style.PURPLE, style.PINK, style.SKY, style.GRAY), "DvPX*", strict=True)
)
#: Segments of the run over which spike amplitudes are averaged.
_SEGMENTS = 20
#: Constant rates are shown from this ηλ_0 on, as the interpretations count them.
_LEAST_EDGE = 1.5


@register
def width_patterns(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable and best LR against depth for every exponent of the claim's rules."""
    rows = {
        f"{rate} LR, {equal}": rate_panel(rate, nets)
        for rate in _RATES
        for equal, nets in _patterns(tables, claim).items()
    }
    return _panels(tables, judged, claim, rows, r"Width patterns $m\cdot k^r$: learning rates")


@register
def scaling_by_width_pattern(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Largest stable LR with ξ over that without, for every exponent of the claim's rules."""
    least, _ = style.threshold_of(claim, "stable_rate_ratio")
    rows = {
        f"largest stable LR with ξ over without, {equal}": ratio_panel(nets, least)
        for equal, nets in _patterns(tables, claim).items()
    }
    return _panels(tables, judged, claim, rows, r"Width patterns $m\cdot k^r$: gradient scaling")


@register
def update_rules(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Rates and evolution against depth for all rules with the widths of the claim's first net."""
    nets = _experiment_nets(tables, claim)
    first = nets[nets["net"] == claim.nets[0]]
    alike = nets["width_exponent"].isin(first["width_exponent"]) & (nets["matched_to"] == "")
    chosen = list(nets.loc[alike, "net"]) or claim.nets[:1]
    rows = {f"{rate} LR": rate_panel(rate, chosen) for rate in _RATES}
    rows["largest evolution over hidden layers"] = largest_evolution_panel(chosen)
    return _panels(tables, judged, claim, rows, "Update rules of nets with the same widths")


def _patterns(tables: Mapping[str, pd.DataFrame], claim: Claim) -> dict[str, list[str]]:
    """Nets that differ in their width pattern alone, grouped by what is equal.

    They are μP, which has r = 0, and the nets with the same rules as those that the claim names.
    """
    nets = _experiment_nets(tables, claim)
    named = set(nets.loc[nets["net"].isin(claim.nets), "parameterization"]) | {"mup"}
    chosen = list(nets.loc[nets["parameterization"].isin(named), "net"])
    return comparable(nets, chosen) or {"all nets": claim.nets}


def _experiment_nets(tables: Mapping[str, pd.DataFrame], claim: Claim) -> pd.DataFrame:
    """Nets of the claim's experiment and of its further runs, as ``nets_in`` gives them."""
    runs = with_further_runs(tables, claim.experiment).get("runs")
    return nets_in() if runs is None else nets_in(runs[runs["experiment"] == claim.experiment])


@register
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
    return panels(tables, judged, claim, rows, size=(6.0, 3.9), title=title)


@register
def spikes_by_schedule(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Spike amplitude over the run, for every schedule with gradient scaling and without."""
    least, _ = style.threshold_of(claim, "late_amplitude")

    def draw(axis: Axes, selection: RunSelection) -> None:
        looks = _schedule_looks(selection)
        silent = [
            _draw_spikes(axis, selection, schedule, look, scaling, claim)
            for schedule, look in looks.items()
            for scaling in ("none", "depthwise")
        ]
        if not looks:
            selection.runs_of()  # raises NotRun
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


def _schedule_looks(selection: RunSelection) -> dict[str, tuple[Any, str]]:
    """Color and marker of every schedule of the selection, the known ones first."""
    present = set(selection.runs.get("schedule_name", []))
    others = sorted(present - set(_SCHEDULES))
    looks = {name: look for name, look in _SCHEDULES.items() if name in present}
    return looks | dict(zip(others, itertools.cycle(_FURTHER), strict=False))


def _draw_spikes(
    axis: Axes,
    selection: RunSelection,
    schedule: str,
    look: tuple[Any, str],
    scaling: str,
    claim: Claim,
) -> str:
    """Draw the mean amplitude of one schedule; the reason if it cannot be drawn."""
    try:
        means = _mean_amplitudes(selection, schedule, scaling, claim)
    except (NotRun, Undecided) as outcome:
        return str(outcome)
    color, marker = look
    plain = scaling == "none"
    axis.plot(
        (np.arange(_SEGMENTS) + 0.5) / _SEGMENTS,
        means,
        color=color,
        marker=marker,
        markersize=5,
        markerfacecolor=color if plain else "white",
        linestyle="-" if plain else "--",
        label=schedule if plain else f"{schedule} with ξ",
    )
    return ""


def _mean_amplitudes(
    selection: RunSelection, schedule: str, scaling: str, claim: Claim
) -> np.ndarray:
    """Mean over the finished runs of the median amplitude in each segment, ``[segments]``."""
    net = claim.criteria[0].arguments["net"]
    constants = {each.arguments["c"] for each in claim.criteria if "c" in each.arguments}
    edge = _LEAST_EDGE if schedule == "constant" else None
    runs = catapult_runs(selection, schedule, net, None, edge, scaling)
    if schedule != "constant":
        runs = runs[option(runs, "schedule", "c").isin(constants)]
    finished = runs[runs["status"] == "ok"]
    if finished.empty:
        raise Undecided(f"no finished run under {schedule}")
    curves = []
    for _, run in finished.iterrows():
        amplitudes = spike_amplitudes(
            loss_curve(selection.steps_of(run["run_id"]), int(run["steps"]))
        )
        curves.append([np.median(part) for part in np.array_split(amplitudes, _SEGMENTS)])
    return np.mean(curves, axis=0)


def _panels(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
    rows: Mapping[str, Draw],
    title: str,
) -> Figure:
    """Panels of the claim's experiment with the further runs of its interpretations."""
    joined = with_further_runs(tables, claim.experiment)
    return panels(joined, judged, claim, rows, size=(6.0, 4.2), title=title)
