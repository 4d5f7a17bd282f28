"""The catapult phase: losses, spike amplitudes and η_tλ_t."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators.catapult import catapult_runs, rise_ratio
from nup.claims.nets import option
from nup.claims.rises import loss_curve, quarter_rises
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import net_style
from nup.figures.panels import Draw, one_seed, panels, run_name
from nup.figures.schedules import schedule_look


@register
def catapult_ends(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Losses, rises and η_tλ_t at constant rates with ηλ_0 at least the claim's bound."""
    bound = float(claim.criteria[0].arguments["least_initial_edge"])

    def selected(selection: RunSelection) -> pd.DataFrame:
        return catapult_runs(selection, "constant", least_initial_edge=bound)

    rows: dict[str, Draw] = {
        f"training loss from $\\eta\\lambda_0$ ≥ {bound:g}, one seed": lambda axis, selection: (
            _draw_losses(axis, selection, one_seed(with_edge(selected(selection))), "edge_0")
        ),
        r"$\eta_t\lambda_t$, the same runs": lambda axis, selection: _draw_edges(
            axis, selection, one_seed(with_edge(selected(selection)))
        ),
        "rise of the loss by quarter, every run": lambda axis, selection: _draw_quarters(
            axis, selection, selected(selection)
        ),
    }
    note = "Below: thin lines are runs of {seeds}, the thick one is their median."
    return panels(tables, judged, claim, rows, size=(5.6, 2.6), note=note)


def with_edge(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with ηλ_0 as ``edge_0``; where the study asked for it, what it asked for."""
    measured = runs["learning_rate"] * runs["initial_sharpness"]
    return runs.assign(edge_0=runs["edge"].astype("float64").fillna(measured.astype("float64")))


@register
def catapult_prolonged(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Losses under the geometry-aware schedules, and the ratio of rises at every horizon."""
    schedules = list(dict.fromkeys(each.arguments["schedule"] for each in _criteria(claim)))
    _, loss_bound = style.threshold_of(claim, "largest_loss")

    def losses(schedule: str) -> Draw:
        def draw(axis: Axes, selection: RunSelection) -> None:
            runs = catapult_runs(selection, schedule, claim.criteria[0].arguments["net"])
            runs = one_seed(runs.assign(c=option(runs, "schedule", "c")))
            _draw_losses(axis, selection, runs, "c")
            bound = (loss_bound or np.nan) * runs["initial_loss"].median()
            axis.axhline(
                bound, color="black", linestyle=":", label=f"{loss_bound:g} × initial loss"
            )
            axis.set_xlim(-0.02 * runs["steps"].max(), 1.02 * runs["steps"].max())
            axis.set_ylim(top=4 * bound)
            axis.legend()

        return draw

    rows: dict[str, Draw] = {
        f"training loss under {schedule}(c), one seed": losses(schedule) for schedule in schedules
    }
    rows["rise of the last quarter over that of the first"] = lambda axis, selection: _draw_ratios(
        axis, selection, claim
    )
    note = "Below: mean and range over {seeds}, marks of a schedule from c = 2.25 on the left."
    least = min(each.arguments["c"] for each in _criteria(claim) if "c" in each.arguments)
    return panels(
        tables, judged, claim, rows, size=(5.6, 2.4), note=note.replace("2.25", f"{least:g}")
    )


def _criteria(claim: Claim) -> list[Criterion]:
    """The criteria of all readings."""
    return [criterion for reading in claim.readings for criterion in reading.criteria]


def _draw_losses(axis: Axes, selection: RunSelection, runs: pd.DataFrame, column: str) -> None:
    """Draw the loss of each run; a cross marks where one diverged."""
    symbol = r"$\eta\lambda_0$" if column == "edge_0" else "c"
    for color, (_, run) in style.colored(runs, column):
        steps = selection.steps_of(run["run_id"])
        label = f"{symbol} = {run[column]:.3g}"
        axis.plot(steps["step"], steps["loss"], color=color, linewidth=0.8, label=label)
        finite = steps[np.isfinite(steps["loss"].astype("float64"))]
        if run["status"] != "ok" and len(finite):
            last = finite.iloc[-1]
            axis.plot(last["step"], last["loss"], "X", color=color, markeredgecolor="black")
    if (runs["status"] != "ok").any():
        axis.plot([], [], "X", color="0.6", markeredgecolor="black", label="diverged")
    axis.set_yscale("log")
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel("training loss")
    axis.legend()


def _draw_edges(axis: Axes, selection: RunSelection, runs: pd.DataFrame) -> None:
    axis.axhline(2, color="black", linewidth=1, linestyle=":", label="edge of stability")
    for color, (_, run) in style.colored(runs, "edge_0"):
        steps = selection.steps_of(run["run_id"]).dropna(subset=["edge"])
        axis.plot(steps["step"], steps["edge"], color=color, linewidth=0.8)
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel(r"$\eta_t\lambda_t$")
    axis.legend()


def _draw_quarters(axis: Axes, selection: RunSelection, runs: pd.DataFrame) -> None:
    quarters = [1, 2, 3, 4]
    for net, own in runs.groupby("net"):
        look = net_style(selection, str(net))
        curves = [
            quarter_rises(loss_curve(selection.steps_of(run["run_id"]), int(run["steps"])))
            for _, run in own.iterrows()
        ]
        axis.plot(quarters, np.transpose(curves), color=look.color, linewidth=0.6, alpha=0.45)
        axis.plot(
            quarters,
            np.median(curves, axis=0),
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.face,
            linestyle=look.dashes,
            linewidth=2.5,
            label=look.label,
        )
    axis.set_xticks(quarters)
    axis.set_ylim(bottom=0)
    axis.set_xlabel(f"quarter of the run ({len(runs)} runs)")
    axis.set_ylabel("rise over 20 steps")
    axis.legend()


def _draw_ratios(axis: Axes, selection: RunSelection, claim: Claim) -> None:
    """Draw the ratio of every schedule and c at every horizon, on a logarithmic scale."""
    criteria = [each for each in _criteria(claim) if each.estimator == "rise_ratio"]
    horizons = sorted({each.arguments["horizon"] for each in criteria})
    kinds = list(dict.fromkeys((c.arguments["schedule"], c.arguments["c"]) for c in criteria))
    silent = []
    drawn: set[str] = set()
    for criterion in criteria:
        schedule, c = criterion.arguments["schedule"], criterion.arguments["c"]
        try:
            ratios = rise_ratio(selection, **criterion.arguments).by_seed
        except (NotRun, Undecided) as outcome:
            silent.append(str(outcome))
            continue
        if ratios.empty:
            silent.append(f"no finished run under {schedule}")
            continue
        color, marker = schedule_look(schedule)
        aside = 0.8 * ((kinds.index((schedule, c)) + 0.5) / len(kinds) - 0.5)
        x = horizons.index(criterion.arguments["horizon"]) + aside
        axis.vlines(x, ratios.min(), ratios.max(), color=color, linewidth=1.5)
        label = None if schedule in drawn else schedule
        axis.plot(x, ratios.mean(), marker, color=color, markersize=5, label=label)
        drawn.add(schedule)
    if not drawn:
        raise NotRun(silent[0])
    least, _ = style.threshold_of(claim, "rise_ratio")
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.axhspan(least or low, 1e3 * high, color=style.SHADE, label="claim's range", zorder=0)
    axis.axhline(1, color="0.5", linewidth=0.8)
    axis.set_ylim(min(low, 0.5 * (least or low)), high)
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xticks(range(len(horizons)), [f"{horizon:.0%}" for horizon in horizons])
    axis.set_xlabel("part of the run that is looked at")
    axis.set_ylabel("ratio of rises")
    axis.legend()
