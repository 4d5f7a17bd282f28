"""The squared displacement of a run as a sum of squares and cross terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nup.analysis.cosine.motion import Floats, parts
from nup.analysis.cosine.trajectories import first_run, motion_of, run_label
from nup.claims.catalogue import Claim
from nup.claims.run_selection import RunSelection, Undecided
from nup.figures import register, style
from nup.figures.kinds import kinds_run
from nup.figures.panels import Draw, panels

_SQUARES: dict[str, Any] = {"facecolor": "#b8e0da", "linewidth": 0}
_ADDED: dict[str, Any] = {"facecolor": style.ROSE, "linewidth": 0}
_TAKEN: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": style.WINE,
    "hatch": "////",
    "linewidth": 0,
}


@register
def displacement_identity(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Squared displacement as the sum of squared updates and of cross terms, stacked with sign.

    The unit is the run's Σ‖Δ‖², so that panels of different runs can share an axis.
    """
    shown, note = kinds_run(tables, claim)
    rows = {kind: _identity_panel(kind) for kind in shown}
    title = "Terms of the squared displacement"
    return panels(tables, judged, claim, rows, size=(5.6, 2.3), title=title, note=note)


def _identity_panel(kind: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        run = first_run(selection, kind)
        motion = motion_of(selection, run)
        diffusive, cross = parts(motion)
        unit = diffusive[-1]
        if unit == 0:
            raise Undecided(f"run {run['run_id']} never moves")
        steps = np.arange(len(diffusive))
        _stack(axis, diffusive / unit, cross / unit)
        axis.plot(steps, diffusive / unit, color=style.INDIGO, linewidth=1.2, linestyle="--")
        axis.plot(steps, motion.distances**2 / unit, color="black", linewidth=1.5)
        axis.set_xlabel(f"step t ({run_label(run)}, unit {unit:.3g})", fontsize="small")
        axis.set_ylabel("squared length")
        axis.set_xlim(0, steps[-1])
        axis.set_ylim(bottom=0)
        _legend(axis)

    return draw


def _stack(axis: Axes, diffusive: Floats, cross: Floats) -> None:
    """Fill the squared updates from 0, and the cross terms above them or, if negative, within."""
    steps, total = np.arange(len(diffusive)), diffusive + cross
    axis.fill_between(steps, 0, np.minimum(diffusive, total), **_SQUARES)
    between: dict[str, Any] = {"x": steps, "y1": diffusive, "y2": total, "interpolate": True}
    axis.fill_between(where=(cross >= 0).tolist(), **between, **_ADDED)
    axis.fill_between(where=(cross <= 0).tolist(), **between, **_TAKEN)


def _legend(axis: Axes) -> None:
    axis.legend(
        handles=[
            Line2D([], [], color="black", linewidth=1.5, label="displacement², measured"),
            Line2D([], [], color=style.INDIGO, linestyle="--", label="Σ‖Δ‖², all squares"),
            Patch(**_SQUARES, label="squares of updates"),
            Patch(**_ADDED, label="cross terms add"),
            Patch(**_TAKEN, label="cross terms take away"),
        ],
    )
