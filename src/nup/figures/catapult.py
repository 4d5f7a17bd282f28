"""The catapult phase: losses, spike amplitudes and η_tλ_t."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators.catapult import catapult_runs, rise_ratio
from nup.claims.nets import option
from nup.claims.rises import loss_curve, quarter_rises
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures import register, style
from nup.figures.nets import net_style
from nup.figures.panels import Draw, one_seed, panels, run_name


@register
def catapult_ends(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Losses, rises and η_tλ_t at constant rates with ηλ_0 at least the claim's bound."""
    bound = float(claim.criteria[0].arguments["least_initial_edge"])

    def selected(selection: RunSelection) -> pd.DataFrame:
        return catapult_runs(selection, "constant", least_initial_edge=bound)

    def losses(axis: Axes, selection: RunSelection) -> None:
        _draw_losses(axis, selection, one_seed(selected(selection)), "learning_rate", "η")

    def edges(axis: Axes, selection: RunSelection) -> None:
        axis.axhline(2, color="0.4", linestyle=":", label="edge of stability")
        runs = one_seed(selected(selection))
        for color, (_, run) in style.colored(runs, "learning_rate"):
            steps = selection.steps_of(run["run_id"]).dropna(subset=["edge"])
            axis.plot(steps["step"], steps["edge"], color=color, linewidth=0.8)
        axis.set_xlabel(f"step t ({run_name(selection, runs)})")
        axis.set_ylabel(r"$\eta_t\lambda_t$")
        axis.legend(loc="upper right")

    rows = {
        f"training loss from $\\eta\\lambda_0$ ≥ {bound:g}, one seed": losses,
        "rise of the loss by quarter, every run": lambda axis, selection: _draw_quarters(
            axis, selection, selected(selection)
        ),
        r"$\eta_t\lambda_t$, one seed": edges,
    }
    return panels(tables, judged, claim, rows)


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
            _draw_losses(axis, selection, runs, "c", "c")
            bound = (loss_bound or np.nan) * runs["initial_loss"].median()
            axis.axhline(bound, color="black", linestyle=":", label=f"{loss_bound:g} × initial")
            axis.set_ylim(top=30 * bound)
            axis.legend(loc="upper right", ncols=3, fontsize="x-small")

        return draw

    rows: dict[str, Draw] = {
        f"training loss under {schedule}(c), one seed": losses(schedule) for schedule in schedules
    }
    rows["rise, last quarter over first"] = lambda axis, selection: _draw_ratios(
        axis, selection, claim
    )
    return panels(tables, judged, claim, rows)


def _criteria(claim: Claim) -> list[Criterion]:
    """The criteria of all readings."""
    return [criterion for reading in claim.readings for criterion in reading.criteria]


def _draw_losses(
    axis: Axes, selection: RunSelection, runs: pd.DataFrame, column: str, symbol: str
) -> None:
    for color, (_, run) in style.colored(runs, column):
        steps = selection.steps_of(run["run_id"])
        label = f"{symbol} = {run[column]:.3g}" + ("" if run["status"] == "ok" else ", diverged")
        axis.plot(steps["step"], steps["loss"], color=color, linewidth=0.6, alpha=0.8, label=label)
    axis.set_yscale("log")
    axis.set_xlabel(f"step t ({run_name(selection, runs)})")
    axis.set_ylabel("training loss")
    axis.legend(loc="upper right", ncols=3, fontsize="x-small")


def _draw_quarters(axis: Axes, selection: RunSelection, runs: pd.DataFrame) -> None:
    quarters = [1, 2, 3, 4]
    labelled = set()
    for _, run in runs.iterrows():
        losses = loss_curve(selection.steps_of(run["run_id"]), int(run["steps"]))
        look = net_style(selection, run["net"])
        label = None if run["net"] in labelled else look.label
        labelled.add(run["net"])
        axis.plot(
            quarters,
            quarter_rises(losses),
            color=look.color,
            marker=look.marker,
            markerfacecolor=look.face,
            linestyle=look.dashes,
            linewidth=0.8,
            alpha=0.6,
            label=label,
        )
    axis.set_xticks(quarters)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("quarter of the run")
    axis.set_ylabel("rise over 20 steps")
    axis.legend(loc="upper right")


def _draw_ratios(axis: Axes, selection: RunSelection, claim: Claim) -> None:
    criteria = [each for each in _criteria(claim) if each.estimator == "rise_ratio"]
    rows, silent = [], []
    for criterion in criteria:
        try:
            ratios = rise_ratio(selection, **criterion.arguments).by_seed
        except (NotRun, Undecided) as outcome:
            silent.append(str(outcome))
            continue
        label = "{schedule}({c:g})".format(**criterion.arguments)
        horizon = f"{criterion.arguments['horizon']:g}"
        rows += [{"schedule": label, "horizon": horizon, "ratio": value} for value in ratios]
    if not rows:
        raise NotRun(silent[0])
    least, _ = style.threshold_of(claim, "rise_ratio")
    table = pd.DataFrame(rows)
    labels = list(dict.fromkeys(table["schedule"]))
    sns.pointplot(
        data=table,
        x="horizon",
        y="ratio",
        hue="schedule",
        palette=sns.color_palette("colorblind", len(labels)),
        markers=list(itertools.islice(itertools.cycle("os^DvPX*d"), len(labels))),
        dodge=0.4,
        errorbar=("pi", 100),
        linestyle="none",
        ax=axis,
    )
    top = max(1.5, 1.6 * float(table["ratio"].max()))
    axis.axhspan(
        least or 0.0, 10 * top, color=style.SHADE, label="threshold of the claim", zorder=0
    )
    axis.set_ylim(0, top)
    axis.set_xlabel("horizon (fraction of the run)")
    axis.set_ylabel("ratio of rises")
    axis.legend(ncols=3, fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
