"""The nets of a study as they are built: the width of every layer, and the factor of its update."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.nets import ordered
from nup.figures import register, style
from nup.figures.legends import place_legend
from nup.figures.nets import styles_of
from nup.figures.panels import say_absent, wrapped
from nup.networks.parameterization import Parameterization, parameterization

#: Sizes of the data in the drawing, those of digits.
_INPUTS, _OUTPUTS = 64, 10
_COLUMNS = 3
#: A deeper net has no room for the numbers of its layers.
_DEEPEST = 6


@register
def net_shapes(tables: Mapping[str, pd.DataFrame], _: pd.DataFrame, claim: Claim) -> Figure:
    """A net of each kind in the claim's experiment, drawn layer by layer, with widths and c_k."""
    runs = tables["runs"] if "runs" in tables else pd.DataFrame({"experiment": []})
    runs = runs[runs["experiment"] == claim.experiment]
    runs = runs[runs["depth"] <= max(_DEEPEST, runs["depth"].min())] if len(runs) else runs
    nets = ordered(runs)
    columns = min(_COLUMNS, max(1, len(nets)))
    lines = -(-max(1, len(nets)) // columns)
    with style.theme():
        size = (max(5.0, 3.9 * columns), 2.2 * lines + 0.6)
        figure = Figure(figsize=size)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        title = "How wide the layers of each net are, and how far its updates go"
        figure.suptitle(wrapped(title, size[0]), fontweight="bold")
        for axis in axes[len(nets) :]:
            axis.set_axis_off()
        if not nets:
            say_absent(axes[0], f"not run: experiment `{claim.experiment}`")
            return figure
        shapes = {net: shape_of(runs[runs["net"] == net]) for net in nets}
        widest = max(max(shape.widths) for shape in shapes.values())
        for axis, (net, shape) in zip(axes, shapes.items(), strict=False):
            look = styles_of(tables)[net]
            _draw_shape(axis, shape, look.color, widest)
            axis.set_title(textwrap.fill(look.label, 40), fontsize="small")
        note = (
            f"Bars: layers with their number of units, of {_INPUTS} inputs and {_OUTPUTS} outputs. "
            "Below each: the factor of η in the update of the weights that lead to it."
        )
        place_legend(figure, [], [], note)
    return figure


def shape_of(runs: pd.DataFrame) -> Parameterization:
    """The deepest net among runs of one net, at their least base width."""
    deep = runs[runs["depth"] == runs["depth"].max()]
    row = deep.sort_values("base_width").iloc[0]
    return parameterization(
        str(row["parameterization"]),
        depth=int(row["depth"]),
        width=int(row["width"]),
        base_width=int(row["base_width"]),
        d_in=_INPUTS,
        d_out=_OUTPUTS,
        **json.loads(row["net_options"]),
    )


def _draw_shape(axis: Axes, shape: Parameterization, color: object, widest: int) -> None:
    """Draw layers as bars about a common middle, joined where weights lead from one to the next."""
    heights = np.sqrt(np.array(shape.widths) / widest)
    for place, height in enumerate(heights[1:], start=1):
        corners = [heights[place - 1], height, -height, -heights[place - 1]]
        axis.fill([place - 0.9, place - 0.1, place - 0.1, place - 0.9], corners, color="0.92")
        if shape.skip[place - 1]:
            axis.plot([place - 0.9, place - 0.1], [0, 0], color=style.INK, linewidth=1.5)
    places = np.arange(len(heights))
    axis.bar(places, 2 * heights, width=0.2, bottom=-heights, color=color)
    for place, (height, width) in enumerate(zip(heights, shape.widths, strict=True)):
        axis.annotate(
            str(width),
            (place, height),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize="x-small",
        )
    factors = [_fraction(factor) for factor in shape.lr_factors]
    names = ["input", *(f"$c_{k}$\n{text}" for k, text in enumerate(factors, start=1))]
    axis.set_xticks(places, names, fontsize="x-small")
    axis.set_yticks([])
    axis.set_ylim(-1.1, 1.25)
    axis.tick_params(length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _fraction(value: float) -> str:
    """A factor as a fraction of small numbers where it is one, else with three digits."""
    found = Fraction(value).limit_denominator(20_000)
    return str(found) if abs(float(found) - value) < 1e-12 else f"{value:.3g}"
