"""Features of the last hidden layer and final λ, against the cosine and the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.cells import (
    cell_residuals,
    cosine_feature_correlation,
    cosine_runs,
)
from nup.claims.estimators.curvature import CURVATURES, final_curvature
from nup.claims.estimators.features import (
    RANKS,
    rank_curvature_correlations,
    rate_correlation,
    stable_runs,
    with_features,
)
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.figures import register
from nup.figures.nets import draw_band, net_style
from nup.figures.panels import Draw, drawn_rates, panels
from nup.figures.scaling import look_of, scalings_of

_QUANTITIES: dict[str, str] = {
    "soft_rank": "soft rank of layer l − 1",
    "cosine_rank": "cosine rank of layer l − 1",
    "gram_rank": "gram rank of layer l − 1",
    "stable_rank": "stable rank of layer l − 1",
    "alignment": "kernel alignment of layer l − 1",
    "sharpness": "final λ, without ξ",
    "hessian": "final λ of the Hessian, without ξ",
}


@register
def cosine_features(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Late cosine against the gain of each feature: ranks within cells of net, depth and rate."""
    recorded = [name for name in RANKS if _recorded(tables, name)] or [*RANKS[:1]]
    rows = {
        f"gain in {_QUANTITIES[name]}": _residual_panel(name) for name in (*recorded, "alignment")
    }
    note = "A mark for each stable run, {seeds}; ranks within cells of one net, depth and rate."
    return panels(tables, judged, claim, rows, size=(6.0, 3.0), note=note)


def _recorded(tables: Mapping[str, pd.DataFrame], column: str) -> bool:
    layers = tables.get("layers")
    return layers is not None and column in layers and bool(layers[column].notna().any())


def _residual_panel(feature: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        runs = cosine_runs(selection, feature)
        x, y = (cell_residuals(runs, column) for column in ("cosine", f"{feature}_gain"))
        if x.empty:
            raise Undecided("no cell has two stable runs")
        table = runs.loc[x.index].assign(x=x, y=y)
        rates = sorted(table["rate"].unique())
        sns.scatterplot(
            data=table,
            x="x",
            y="y",
            hue="rate",
            palette=dict(
                zip(rates, sns.color_palette("viridis", len(rates) + 1)[: len(rates)], strict=True)
            ),
            s=10,
            alpha=0.5,
            linewidth=0,
            legend="full" if len(rates) < 8 else "brief",
            ax=axis,
        )
        measured = cosine_feature_correlation(selection, feature)
        _write_mean(axis, measured, "size of the correlation")
        axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.axvline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set_xlim(-0.6, 0.6)
        axis.set_ylim(-0.6, 0.6)
        axis.set_xlabel("late cosine: rank within its cell")
        axis.set_ylabel("gain: rank within its cell")
        _name_rates(axis)

    return draw


def _name_rates(axis: Axes) -> None:
    """A legend whose entries say that they are rates."""
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles, [f"rate {label}" for label in labels])


def _write_mean(axis: Axes, measured: Measurement, what: str) -> None:
    remark = f"\n({measured.note})" if measured.note else ""
    text = f"{what}, mean over seeds: {measured.by_seed.mean():.2f}{remark}".replace("-", "−")
    axis.text(0.02, 0.98, text, transform=axis.transAxes, va="top", fontsize="small")


@register
def quantity_against_rate(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """The quantities of the claim against the LR.

    A row for each quantity with the first gradient scaling, and for the first quantity with each
    further one: all pairs would be too many to look at, and are among the criteria.
    """
    named = [c.arguments["quantity"] for reading in claim.readings for c in reading.criteria]
    quantities = [
        name
        for name in dict.fromkeys(named)
        if name in CURVATURES or _recorded(tables, name) or name == named[0]
    ]
    first, *further = scalings_of(tables, claim)
    pairs = [(quantity, first) for quantity in quantities]
    pairs += [(quantities[0], scaling) for scaling in further]
    rows = {
        f"{_QUANTITIES.get(quantity, quantity)}, with ξ ({scaling})": quantity_panel(
            quantity, scaling
        )
        for quantity, scaling in pairs
    }
    note = "Marks: mean, larger in deeper nets; bands: range over {seeds}."
    return panels(tables, judged, claim, rows, size=(6.0, 3.0), note=note)


@register
def rank_predictions(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Which soft rank predicts T₂/T₁²: rank correlations over the stable runs of each seed."""
    scalings = ["none", *scalings_of(tables, claim)]

    def draw(axis: Axes, selection: RunSelection) -> None:
        axis.axvline(0, color="0.4", linewidth=0.8)
        for place, scaling in enumerate(scalings):
            found = rank_curvature_correlations(selection, scaling)
            heights = [
                list(RANKS).index(name) + 0.14 * (place - (len(scalings) - 1) / 2)
                for name in found.index
            ]
            color, marker = look_of(scaling)
            axis.hlines(heights, found["low"], found["high"], color=color, linewidth=1.5)
            label = "without ξ" if scaling == "none" else f"with ξ ({scaling})"
            axis.plot(found["mean"], heights, marker, color=color, markersize=5, label=label)
        names = [_QUANTITIES[name].removesuffix(" of layer l − 1") for name in RANKS]
        axis.set_yticks(range(len(RANKS)), labels=names)
        axis.set_ylim(len(RANKS) - 0.5, -0.5)
        axis.set_xlim(-1, 1)
        axis.set_xlabel("rank correlation with T₂/T₁², mean over seeds, 95 % interval")
        axis.legend()

    title = "Which soft rank predicts T₂/T₁²? (exploratory)"
    return panels(tables, judged, claim, {"": draw}, size=(5.8, 2.6), title=title)


def quantity_panel(quantity: str, scaling: str) -> Draw:
    """Draws a quantity of the stable runs with this gradient scaling against the LR."""

    def draw(axis: Axes, selection: RunSelection) -> None:
        runs = stable_runs(selection, scaling)
        if quantity in CURVATURES:
            values, doubt = final_curvature(selection, runs, quantity)
            runs = runs.assign(**{quantity: values})
        else:
            runs, doubt = with_features(selection, runs, quantity), ""
        runs = runs[runs[quantity].notna()]
        if runs.empty:
            raise NotRun(f"no stable run has {_QUANTITIES[quantity]}")
        depths = sorted(runs["depth"].unique())
        sizes = dict(zip(depths, np.linspace(4, 9, len(depths)), strict=True))
        for (net, depth), group in runs.groupby(["net", "depth"]):
            look = net_style(selection, str(net))
            by_rate = group.groupby(drawn_rates(group))[quantity]
            mean = by_rate.mean()
            label = f"{look.label}, depth {depth}"
            draw_band(axis, mean, by_rate, look, 0.15, markersize=sizes[depth], label=label)
        _write_mean(axis, rate_correlation(selection, quantity, scaling), "rank correlation")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("learning rate η (stable runs)")
        axis.set_ylabel("final λ, with ξ" if doubt else _QUANTITIES.get(quantity, quantity))
        axis.legend()

    return draw
