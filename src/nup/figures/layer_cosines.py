"""The cosine of every layer over time, and phase portraits of edge and cosine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure

from nup.analysis.cosine.motion import Floats
from nup.analysis.cosine.nulls import valley_cosines
from nup.analysis.cosine.trajectories import (
    EDGE,
    edges_of,
    first_run,
    recorded_every,
    run_label,
)
from nup.claims.catalogue import Claim
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures import register, style
from nup.figures.kinds import kinds_run
from nup.figures.panels import Draw, panels

#: A diverging map that color-blind readers can tell apart: orange below 0, purple above.
_DIVERGING = "PuOr"
_RIGHT = 4.0
_VALLEY = "mean along one direction of a quadratic"


@register
def layer_cosines(tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim) -> Figure:
    """Maps of the cosine over step and layer, one run per panel."""
    shown, note = kinds_run(tables, claim)
    rows = {kind: _map_panel(kind) for kind in shown}
    title = "Cosine of every layer"
    return panels(tables, judged, claim, rows, size=(6.0, 1.7), title=title, note=note)


def _map_panel(kind: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        run = first_run(selection, kind)
        layers = selection.layers_of(run["run_id"])
        grid = layers.pivot(index="layer", columns="step", values="cosine").astype("float64")
        grid = grid.loc[:, grid.notna().any()]
        if grid.empty:
            raise NotRun("no step has the cosine of its layers (record.layers)")
        steps = grid.columns.to_numpy(dtype=float)
        cadence = recorded_every(pd.Series(steps)) if len(steps) > 1 else 1.0
        edges = np.append(steps, steps[-1] + cadence)
        axis.set_facecolor(style.SHADE)
        mesh = axis.pcolormesh(
            edges,
            np.arange(0.5, len(grid) + 1),
            grid.to_numpy(),
            cmap=_DIVERGING,
            norm=FuncNorm((_root, _square), vmin=-1, vmax=1),
            rasterized=True,
        )
        bar = axis.figure.colorbar(mesh, ax=axis, pad=0.01, ticks=[-1, -0.25, 0, 0.25, 1])
        bar.set_label("cosine", fontsize="x-small")
        bar.ax.tick_params(labelsize="x-small")
        axis.set_yticks(grid.index.to_numpy())
        axis.set_xlim(0, int(run["steps"]))
        axis.set_xlabel(f"step t, recorded every {cadence:g} ({run_label(run)})", fontsize="small")
        axis.set_ylabel("layer k")

    return draw


def _root(cosine: Floats) -> Floats:
    """Signed root, so that small cosines, as near the edge, keep a visible color."""
    return np.sign(cosine) * np.sqrt(np.abs(cosine))


def _square(color: Floats) -> Floats:
    return np.sign(color) * np.square(color)


@register
def phase_portraits(
    tables: Mapping[str, pd.DataFrame], judged: pd.DataFrame, claim: Claim
) -> Figure:
    """Cosine against η_{t−1}λ_t, colored by time, one run per panel.

    Kinds of run that no activation has are left out; the note names them.
    """
    shown, note = kinds_run(tables, claim)
    rows = {kind: _portrait_panel(kind) for kind in shown}
    title = "Where training goes in the plane of the edge of stability and the cosine"
    figure = panels(tables, judged, claim, rows, size=(5.4, 2.6), title=title, note=note)
    marks = [
        each for axis in figure.axes for each in axis.collections if each.get_array() is not None
    ]
    if marks:
        with style.theme():
            bar = figure.colorbar(marks[0], ax=figure.axes, aspect=60, pad=0.01)
            bar.set_label("fraction of the run")
    return figure


def _portrait_panel(kind: str) -> Draw:
    def draw(axis: Axes, selection: RunSelection) -> None:
        run = first_run(selection, kind)
        found = edges_of(selection, run)
        constant = run["schedule_name"] == "constant"
        axis.axvline(EDGE, color="black", linewidth=0.8, linestyle=":", label="edge of stability")
        axis.axhline(0, color="0.6", linewidth=0.8)
        _draw_valley(axis)
        axis.scatter(
            found["edge"],
            found["cosine"],
            c=found["step"] / int(run["steps"]),
            cmap="viridis",
            vmin=0,
            vmax=1,
            s=7,
            linewidth=0,
            zorder=2,
            rasterized=True,
        )
        axis.set_xlim(0, _RIGHT)
        axis.set_yscale("symlog", linthresh=0.1, linscale=1.6)
        axis.set_ylim(-1.3, 1.3)
        axis.set_yticks(
            [-1, -0.1, -0.05, 0, 0.05, 0.1, 1],
            labels=["−1", "−0.1", "−0.05", "0", "0.05", "0.1", "1"],
            fontsize="small",
        )
        beyond = int((found["edge"] > _RIGHT).sum())
        told = [
            f"recorded every {recorded_every(found['step']):g}",
            f"{beyond} of {len(found)} marks beyond {_RIGHT:g}" if beyond else "",
        ]
        symbol = r"$\eta_t\lambda_t$" if constant else r"$\eta_{t-1}\lambda_t$"
        axis.set_xlabel(
            f"{symbol} ({run_label(run)})\n{'; '.join(filter(None, told))}", fontsize="small"
        )
        axis.set_ylabel(r"$\cos_t$")
        axis.legend()

    return draw


def _draw_valley(axis: Axes) -> None:
    """Draw the mean cosine of gradient descent along one direction of a quadratic, ηλ constant."""
    edges = np.arange(0.0125, _RIGHT, 0.025)
    means = [np.nanmean(valley_cosines(np.full(101, edge))[1:]) for edge in edges]
    axis.plot(edges, means, color="black", linewidth=1, linestyle="--", zorder=0, label=_VALLEY)
