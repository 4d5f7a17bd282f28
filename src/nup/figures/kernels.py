"""Neural tangent kernels at initialization: concentration, and the spectrum of the limit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.estimators.kernels import kernel_rows
from nup.claims.run_selection import RunSelection
from nup.figures import register, style
from nup.figures.nets import net_style
from nup.figures.panels import Draw, activations, panels

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
        _draw_errors(axis, selection.within(slope.arguments["experiment"]), "base_width", nets)
        points = np.array(
            sorted(selection.within(slope.arguments["experiment"]).init["base_width"])
        )
        middle = float(np.sqrt(axis.get_ylim()[0] * axis.get_ylim()[1]))
        center = float(np.sqrt(points[0] * points[-1]))
        line = middle * (points / center) ** -0.5
        axis.plot(points, line, color="0.5", linestyle=":", label="slope −½")
        axis.set_xlabel("base width m")
        axis.legend(fontsize="x-small")

    def depth(axis: Axes, selection: RunSelection) -> None:
        _draw_errors(axis, selection, "depth", nets)
        axis.set_xlabel("depth l")

    rows: dict[str, Draw] = {"against the width": width, "against the depth": depth}
    return panels(tables, judged, claim, rows, table="init")


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
    return panels(tables, judged, claim, rows, table="init")


def _draw_errors(axis: Axes, selection: RunSelection, column: str, nets: tuple[str, ...]) -> None:
    """Geometric mean over seeds with its 95 % interval, a line per net."""
    for net in nets:
        look = net_style(selection, net)
        rows = kernel_rows(selection, net, "ntk_error")
        if column == "base_width":
            rows = rows[rows["depth"] == rows["depth"].max()]
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
    axis.legend(fontsize="x-small")


def _once(axis: Axes) -> None:
    """One entry of the legend for each label."""
    handles, labels = axis.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    axis.legend(by_label.values(), by_label.keys(), fontsize="x-small")
