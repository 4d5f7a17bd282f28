"""Features of the last hidden layer and final λ, against the cosine and the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.features import (
    LEAST_PARTIAL_RUNS,
    Feature,
    Quantity,
    cosine_feature_correlation,
    cosine_runs,
    held_fixed,
    rate_correlation,
    stable_runs,
    with_features,
)
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.claims.statistics import rank_residuals
from nup.figures import register
from nup.figures.nets import net_style
from nup.figures.panels import Draw, panels

_FEATURES: dict[Feature, str] = {"soft_rank": "soft rank", "alignment": "kernel alignment"}
SCALINGS = {"none": "without gradient scaling", "depthwise": "with depthwise gradient scaling"}
_QUANTITIES: dict[Quantity, str] = {
    "soft_rank": "soft rank of layer l − 1",
    "stable_rank": "stable rank of layer l − 1",
    "alignment": "kernel alignment of layer l − 1",
    "final_sharpness": "final λ",
}


@register
def cosine_features(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Late cosine against the gain of each feature: what of the ranks LR and depth leave."""
    rows = {f"gain in {label}": _residual_panel(name) for name, label in _FEATURES.items()}
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


def _residual_panel(feature: Feature) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        groups = cosine_runs(selection).groupby(["net", "seed"])
        parts = [
            group.assign(x=_residuals(group, "cosine"), y=_residuals(group, f"{feature}_gain"))
            for _, group in groups
            if len(group) >= LEAST_PARTIAL_RUNS
        ]
        if not parts:
            raise Undecided(f"no (seed, net) has {LEAST_PARTIAL_RUNS} stable runs")
        table = pd.concat(parts)
        depths = sorted(table["depth"].unique())
        sns.scatterplot(
            data=table,
            x="x",
            y="y",
            hue="depth",
            palette=dict(zip(depths, sns.color_palette("viridis", len(depths)), strict=True)),
            s=10,
            alpha=0.5,
            linewidth=0,
            legend="full",
            ax=axis,
        )
        measured = cosine_feature_correlation(selection, feature)
        _write_mean(axis, measured, "size of the correlation")
        axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set_xlim(-1, 1)
        axis.set_ylim(-1, 1)
        axis.set_xlabel("late cosine: rank beyond LR and depth")
        axis.set_ylabel(f"gain in {_FEATURES[feature]}:\nrank beyond LR and depth")
        axis.legend(title="depth", fontsize="x-small", title_fontsize="x-small", loc="lower right")

    return draw


def _residuals(group: pd.DataFrame, column: str) -> np.ndarray:
    """Rank residuals over the number of runs, so that groups of all sizes share an axis."""
    return rank_residuals(group[column], held_fixed(group)) / len(group)


def _write_mean(axis: Axes, measured: Measurement, what: str) -> None:
    remark = f"\n({measured.note})" if measured.note else ""
    text = f"{what}, mean over seeds: {measured.by_seed.mean():.2f}{remark}".replace("-", "−")
    axis.text(0.02, 0.98, text, transform=axis.transAxes, va="top", fontsize="small")


@register
def quantity_against_rate(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """The quantity of the claim against the LR: a row for each gradient scaling."""
    rows = {}
    for criterion in claim.criteria:
        quantity, scaling = (criterion.arguments[key] for key in ("quantity", "gradient_scaling"))
        rows[SCALINGS[scaling]] = quantity_panel(quantity, scaling)
    return panels(tables, judged, claim, rows, size=(6.0, 4.2))


def quantity_panel(quantity: Quantity, scaling: str) -> Draw:
    """Draws a quantity of the stable runs with this gradient scaling against the LR."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        runs = stable_runs(selection, scaling)
        if quantity != "final_sharpness":
            runs = with_features(selection, runs, quantity)
        runs = runs[runs[quantity].notna()]
        if runs.empty:
            raise NotRun(f"no stable run has {_QUANTITIES[quantity]}")
        depths = sorted(runs["depth"].unique())
        sizes = dict(zip(depths, np.linspace(4, 9, len(depths)), strict=True))
        for (net, depth), group in runs.groupby(["net", "depth"]):
            look = net_style(selection, str(net))
            by_rate = group.groupby("learning_rate")[quantity]
            mean = by_rate.mean()
            axis.fill_between(
                mean.index, by_rate.min(), by_rate.max(), color=look.color, alpha=0.15, linewidth=0
            )
            axis.plot(
                mean.index,
                mean,
                color=look.color,
                marker=look.marker,
                markerfacecolor=look.face,
                markersize=sizes[depth],
                linestyle=look.dashes,
                label=f"{look.label}, depth {depth}",
            )
        _write_mean(axis, rate_correlation(selection, quantity, scaling), "rank correlation")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("learning rate η (stable runs)")
        axis.set_ylabel(_QUANTITIES[quantity])
        axis.legend(fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)

    return draw
