"""Norms against the layer at initialization, on and off the Edge of Chaos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nup.claims.catalogue import Claim
from nup.claims.run_selection import RunSelection
from nup.figures import register, style
from nup.figures.panels import panels

_LABELS = {
    "forward": "ln RMS of preactivations",
    "backward": "ln ‖∂L/∂$h_k$‖ / ‖∂L/∂$h_l$‖",
}


@register
def norms_at_initialization(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Forward and backward log-norms of the deepest net against the layer index."""
    net = claim.criteria[0].arguments["net"]
    _, half_width = style.threshold_of(claim, "log_norm_slope")

    def draw(axis: Axes, selection: RunSelection, direction: str) -> None:
        rows = selection.init_of(net)
        rows = rows[rows["depth"] == rows["depth"].max()]
        _draw(axis, rows, direction, half_width or 0.0)

    return panels(
        tables,
        judged,
        claim,
        {
            "forward": lambda axis, selection: draw(axis, selection, "forward"),
            "backward": lambda axis, selection: draw(axis, selection, "backward"),
        },
        table="init",
        note="Solid: mean; bands: range over {seeds}.",
    )


def _draw(axis: Axes, rows: pd.DataFrame, direction: str, half_width: float) -> None:
    depth = int(rows["depth"].max())
    layer = np.arange(1, depth + 1)
    distance = layer if direction == "forward" else depth - layer
    axis.fill_between(
        layer,
        -half_width * distance,
        half_width * distance,
        color=style.SHADE,
        label=f"slopes in the claim's range at σ² = 1, ±{half_width:g}",
    )
    variances = sorted(rows["weight_variance"].unique())
    colors = dict(zip(variances, [style.INDIGO, "black", style.ROSE], strict=False))
    for variance, group in rows.groupby("weight_variance"):
        color = colors.get(variance, style.GRAY)
        sns.lineplot(
            data=group,
            x="layer",
            y=f"{direction}_log_norm",
            errorbar=("pi", 100),
            color=color,
            label=f"σ² = {variance:g}",
            ax=axis,
        )
        theory = group.groupby("layer")[f"{direction}_theory"].mean()
        axis.plot(theory.index, theory, color=color, linestyle=":", linewidth=2)
    axis.plot([], [], color="0.3", linestyle=":", linewidth=2, label="infinite width")
    axis.set_xlabel("layer k")
    axis.set_ylabel(_LABELS[direction])
    axis.legend()
