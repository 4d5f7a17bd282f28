"""Neural tangent kernels at initialization: concentration, spectrum, and λ_0 against depth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from nup.claims.catalogue import Claim
from nup.claims.estimators.kernels import kernel_rows
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures import register, style
from nup.figures.depth import Fit, show_range
from nup.figures.nets import net_style
from nup.figures.panels import Draw, activations, panels

#: Experiments on λ_0 against depth: of nets, and of infinite width.
_EDGES = ("edge-nets", "edge-limit")

#: Octaves of depth between the marks of two nets.
_ASIDE = 0.12

_GEOMETRIC = {"estimator": lambda values: np.exp(np.log(values).mean()), "errorbar": ("ci", 95)}


@register
def kernel_concentration(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Relative error of finite networks' kernels against the width and against the depth."""
    slope = next(each for each in claim.criteria if each.estimator == "concentration_width_slope")
    growth = next(
        each for each in claim.criteria if each.estimator == "concentration_depth_slope_gain"
    )
    nets = (growth.arguments["against"], growth.arguments["net"])

    def width(axis: Axes, selection: RunSelection) -> None:
        there = selection.within(slope.arguments["experiment"])
        _draw_errors(axis, there, "base_width", nets)
        judging = slope.arguments["net"]
        rows = _of_deepest(kernel_rows(there, judging, "ntk_error"))
        x, y = (np.log2(rows[name].to_numpy(dtype=float)) for name in ("base_width", "ntk_error"))
        fit = Fit(math.nan, float(x.mean()), float(y.mean()))
        widths = sorted(rows["base_width"].unique())
        show_range(axis, widths, fit, slope.threshold, net_style(there, judging).label)
        axis.set_xlabel("base width m")
        axis.legend()

    def depth(axis: Axes, selection: RunSelection) -> None:
        _draw_errors(axis, selection, "depth", nets)
        axis.set_xlabel("depth l")

    rows: dict[str, Draw] = {"against the width": width, "against the depth": depth}
    note = "Marks: geometric mean over {seeds}; bands: 95 % interval."
    return panels(tables, judged, claim, rows, table="init", size=(5.0, 2.8), note=note)


@register
def kernel_spectrum(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Error of the inverse distances and excess of the condition number, against the depth.

    Every column draws its own activation in color and the others in grey.
    """
    net = claim.criteria[0].arguments["net"]
    names = activations(tables, "init", claim.experiment)

    def draw(axis: Axes, selection: RunSelection, column: str, label: str) -> None:
        kernel_rows(selection, net)  # absent ones are said, whatever the others have
        for name in sorted(names, key=lambda name: name == selection.activation):
            rows = kernel_rows(selection.within(activation=name), net)
            own = name == selection.activation
            sns.lineplot(
                data=rows,
                x="depth",
                y=column,
                errorbar=("pi", 100),
                color=style.BLUE if own else "0.7",
                marker="o" if own else None,
                label=f"{name}, Δ = {rows['delta_phi'].iloc[0]:g}" if own else "other activations",
                ax=axis,
            )
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("depth l")
        axis.set_ylabel(label)
        _once(axis)

    rows: dict[str, Draw] = {
        "NTK against inverse distance": lambda axis, selection: draw(
            axis, selection, "ntk_distance_error", "relative error"
        ),
        "condition number against its limit": lambda axis, selection: draw(
            axis, selection, "condition_gap", r"$\kappa/(1+n/3) - 1$"
        ),
    }
    note = "Marks: mean; bands: range over {seeds}."
    return panels(tables, judged, claim, rows, table="init", size=(5.0, 2.8), note=note)


@register
def edge_against_depth(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """λ_0 of nets and of infinite width against the depth, under each normalization."""
    title = "λ₀ against depth"
    if "init" in tables:
        rows_of = tables["init"]["experiment"].isin(_EDGES)
        tables = {**tables, "init": tables["init"][rows_of]} if rows_of.any() else tables
        claim = claim.model_copy(update={"experiment": _EDGES[0]}) if rows_of.any() else claim
    rows: dict[str, Draw] = {"top eigenvalue of K/n at initialization": _draw_edges}
    note = "Marks: geometric mean; bars: range over {seeds}."
    return panels(
        tables, judged, claim, rows, table="init", size=(5.2, 3.4), title=title, note=note
    )


def _draw_edges(axis: Axes, selection: RunSelection) -> None:
    nets, limits = (
        _measured(selection, experiment, column)
        for experiment, column in zip(_EDGES, ("ntk_top", "ntk_top_limit"), strict=True)
    )
    nets = nets[nets["ntk_top"] > 0]  # narrow ReLU nets may be dead
    if nets.empty and limits.empty:
        raise NotRun("no experiment `edge-nets` or `edge-limit` with kernels")
    names = sorted({*nets["net"], *limits["net"]})
    for place, net in enumerate(names):
        look = net_style(selection, str(net))
        aside = 2 ** (_ASIDE * (place - (len(names) - 1) / 2))  # or bars would hide each other
        by_depth = nets[nets["net"] == net].groupby("depth")["ntk_top"]
        mean = by_depth.agg(lambda values: np.exp(np.log(values).mean()))
        depths = mean.index * aside
        axis.vlines(depths, by_depth.min(), by_depth.max(), color=look.color)
        axis.plot(depths, mean, look.marker, color=look.color, mfc=look.face, label=look.label)
        limit = limits[limits["net"] == net].groupby("depth")["ntk_top_limit"].mean()
        axis.plot(limit.index, limit, color=look.color, linestyle=":", linewidth=2)
    axis.plot([], [], color="0.3", linestyle=":", linewidth=2, label="infinite width")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_xlabel("depth l")
    axis.set_ylabel("λ₀: top eigenvalue of K/n")
    axis.legend()


def _measured(selection: RunSelection, experiment: str, column: str) -> pd.DataFrame:
    """The rows of another experiment that have this column."""
    rows = selection.within(experiment=experiment).init
    return rows[rows[column].notna()] if column in rows else rows.iloc[:0]


def _draw_errors(axis: Axes, selection: RunSelection, column: str, nets: tuple[str, ...]) -> None:
    """Geometric mean over seeds with its 95 % interval, a line per net."""
    for net in nets:
        look = net_style(selection, net)
        rows = kernel_rows(selection, net, "ntk_error")
        if column == "base_width":
            rows = _of_deepest(rows)
        sns.lineplot(
            data=rows,
            x=column,
            y="ntk_error",
            color=look.color,
            marker=look.marker,
            label=look.label,
            seed=0,
            ax=axis,
            **_GEOMETRIC,
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_ylabel(r"$\|K - K_\infty\| / \|K_\infty\|$")
    axis.legend()


def _of_deepest(rows: pd.DataFrame) -> pd.DataFrame:
    deepest: pd.DataFrame = rows[rows["depth"] == rows["depth"].max()]
    return deepest


def _once(axis: Axes) -> None:
    """One entry of the legend for each label."""
    handles, labels = axis.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    axis.legend(by_label.values(), by_label.keys())
