"""Best and largest stable learning rate of every size and seed, interpolated within its grid.

A size is a depth, or a base width where an experiment varies that. Each seed's runs of one size are
a grid of rates of its own. All numbers are read off the column ``late_loss``, in units of the loss
of the constant predictor (``null_loss``): a run that diverged, or that ends worse than the constant
predictor, has learned nothing and counts as 1. [operational]
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nup.claims.run_selection import Axis, NotRun, RunSelection, of_grid, remembered
from nup.specs import BOUNDARY_RATIO

Rate = Literal["best", "largest stable"]

#: A run is stable while its late loss is below this multiple of the null loss, and it finished.
CUTOFF = BOUNDARY_RATIO
#: Cutoffs that are shown beside it.
SENSITIVITY = (0.5, 0.95)

#: Depths, or widths, that a slope against them needs at least.
LEAST_SIZES = 3
#: With one hidden layer all nets are the same net: depth 2 is no point of a line through depth.
LEAST_DEPTH = 3

#: Names of the axes in messages.
AXIS_NAMES: dict[Axis, str] = {"depth": "depth", "base_width": "width"}

Floats = NDArray[np.float64]


class Found(NamedTuple):
    """A learning rate found in one grid.

    ``position`` is its place among the rates of the grid, from 0, interpolated in log η.
    ``problem`` is empty, ``bottom`` or ``top`` (the grid ends there, so that the rate may lie
    outside) or ``none`` (no run is stable).
    """

    log_rate: float
    position: float
    log_loss: float
    problem: str


def relative_losses(runs: pd.DataFrame) -> pd.Series[float]:
    """Late loss over null loss, at most 1; 1 for a run that diverged."""
    ratio = (runs["late_loss"] / runs["null_loss"]).astype("float64")
    return ratio.where(runs["status"] == "ok").fillna(1.0).clip(1e-38, 1.0)


def is_stable(runs: pd.DataFrame, cutoff: float = CUTOFF) -> pd.Series[bool]:
    """Whether each run finished with a late loss below ``cutoff`` times the null loss."""
    return relative_losses(runs) < cutoff


def best_rate(log_rates: Floats, losses: Floats, cutoff: float = CUTOFF) -> Found:
    """The vertex of the parabola through the log losses at the minimum and beside it.

    Args:
        log_rates: ln η in increasing order, ``[rates]``.
        losses: relative losses, ``[rates]``.
        cutoff: a grid whose least loss is not below it has no stable rate.

    Returns:
        The vertex, which lies between the two neighbours of the minimum.
    """
    logs = np.log(losses)
    least = int(np.argmin(logs))
    here = float(log_rates[least])
    if losses[least] >= cutoff:
        return Found(here, float(least), float(logs[least]), "none")
    if least in (0, len(logs) - 1):
        return Found(here, float(least), float(logs[least]), "bottom" if least == 0 else "top")
    x, y = log_rates[least - 1 : least + 2] - here, logs[least - 1 : least + 2]
    curvature, steepness, _ = np.polyfit(x, y, 2)
    if curvature <= 0:  # a plateau of equal losses
        return Found(here, float(least), float(logs[least]), "")
    vertex = float(np.clip(-steepness / (2 * curvature), x[0], x[2]))
    position = least + (vertex / x[2] if vertex > 0 else -vertex / x[0])
    value = float(np.polyval([curvature, steepness, y[1]], vertex))
    return Found(here + vertex, position, value, "")


def largest_stable_rate(
    log_rates: Floats, losses: Floats, diverged: NDArray[np.bool_], cutoff: float = CUTOFF
) -> Found:
    """Where the losses, past their minimum, first cross ``cutoff``, interpolated in log-log.

    Next to a run that diverged, whose loss says nothing, it is the middle of the two rates.

    Args:
        log_rates: ln η in increasing order, ``[rates]``.
        losses: relative losses, ``[rates]``.
        diverged: which runs diverged, ``[rates]``.
        cutoff: a run is stable below it.

    Returns:
        The crossing; ``log_loss`` is that of the last stable run before it.
    """
    least = int(np.argmin(losses))
    if losses[least] >= cutoff:
        return Found(float(log_rates[least]), float(least), math.log(losses[least]), "none")
    unstable = np.flatnonzero((losses >= cutoff) | diverged)
    past = unstable[unstable > least]
    if past.size == 0:
        last = len(losses) - 1
        return Found(float(log_rates[last]), float(last), math.log(losses[last]), "top")
    after = int(past[0])
    below, above = np.log(losses[after - 1]), np.log(losses[after])
    share = 0.5 if diverged[after] else (math.log(cutoff) - below) / (above - below)
    step = float(log_rates[after] - log_rates[after - 1])
    return Found(float(log_rates[after - 1]) + share * step, after - 1 + share, float(below), "")


def rate_table(
    runs: pd.DataFrame, rate: Rate, axis: Axis = "depth", cutoff: float = CUTOFF
) -> pd.DataFrame:
    """The best or the largest stable learning rate of each size and seed.

    Args:
        runs: constant-rate runs of one net.
        rate: which of the two.
        axis: the size that varies.
        cutoff: a run is stable below this multiple of the null loss.

    Returns:
        One row per (size, seed): the size, ``seed``, ``learning_rate``, ``loss`` (late loss at the
        best rate over the null loss), ``position`` in the grid, ``problem`` (see ``Found``), and
        ``run_id`` of the run next to it: the nearest for the best rate, the last stable one for the
        largest stable rate.
    """
    rows = []
    # Grouping copies every column that it is given.
    read = runs[[axis, "seed", "learning_rate", "status", "run_id"]]
    grids = read.assign(relative=relative_losses(runs)).sort_values("learning_rate")
    for (size, seed), grid in grids.groupby([axis, "seed"]):
        log_rates = np.log(grid["learning_rate"].to_numpy(dtype=float))
        losses = grid["relative"].to_numpy(dtype=float)
        if rate == "best":
            found = best_rate(log_rates, losses, cutoff)
            nearest = round(found.position)
        else:
            diverged = (grid["status"] != "ok").to_numpy()
            found = largest_stable_rate(log_rates, losses, diverged, cutoff)
            nearest = math.floor(found.position)
        rows.append(
            {
                axis: size,
                "seed": seed,
                "learning_rate": math.exp(found.log_rate),
                "loss": math.exp(found.log_loss),
                "position": found.position,
                "problem": found.problem,
                "run_id": grid["run_id"].iloc[nearest],
            }
        )
    columns = [axis, "seed", "learning_rate", "loss", "position", "problem", "run_id"]
    return pd.DataFrame(rows, columns=columns)


def at_rate(grid: pd.DataFrame, values: pd.Series[float], log_rate: float) -> float:
    """A quantity of the runs of one grid at a rate between them, interpolated in log η.

    Args:
        grid: runs of one size and seed.
        values: positive, aligned with ``grid``; missing for runs that diverged.
        log_rate: ln η.

    Returns:
        Interpolated in log-log between the two runs around the rate; if one of them has no value,
        that of the other; nan if neither has, or the rate is outside the grid.
    """
    order = np.argsort(grid["learning_rate"].to_numpy(dtype=float))
    rates = np.log(grid["learning_rate"].to_numpy(dtype=float)[order])
    logs = np.log(values.to_numpy(dtype=float)[order])
    if not rates[0] - 1e-9 <= log_rate <= rates[-1] + 1e-9:
        return math.nan
    after = int(np.clip(np.searchsorted(rates, log_rate), 1, max(1, len(rates) - 1)))
    if len(rates) == 1:
        return math.exp(logs[0])
    pair = logs[after - 1 : after + 1]
    if np.isnan(pair).any():
        return float(np.exp(np.nanmax(pair))) if np.isfinite(pair).any() else math.nan
    return math.exp(float(np.interp(log_rate, rates[after - 1 : after + 1], pair)))


def problems(net: str, found: pd.DataFrame, rate: Rate, axis: Axis = "depth") -> str:
    """Why rates decide nothing: they lie at the edge of a grid, or no run is stable.

    Args:
        net: its label, for the message.
        found: rows of ``rate_table``.
        rate: which rate they are.
        axis: the size that varies.

    Returns:
        The reasons, joined; empty if there are none.
    """
    words = {
        "bottom": f"{rate} LR at the bottom of the grid",
        "top": f"{rate} LR at the top of the grid",
    }
    words["none"] = "no stable LR"
    seeds = found["seed"].nunique()
    reasons = []
    for problem, text in words.items():
        counts = found.loc[found["problem"] == problem].groupby(axis).size()
        where = ", ".join(f"{size} ({count} of {seeds} seeds)" for size, count in counts.items())
        if where:
            reasons.append(f"{net}: {text} at {AXIS_NAMES[axis]} {where}")
    return "; ".join(reasons)


def constant_rate_runs(runs: pd.DataFrame, gradient_scaling: str = "none") -> pd.DataFrame:
    """The runs at a constant rate of their own, with this gradient scaling."""
    constant = runs["schedule_name"] == "constant"
    scaled = runs["gradient_scaling"] == gradient_scaling
    return runs[constant & scaled & runs["learning_rate"].notna()]


@remembered
def grid_runs(
    selection: RunSelection,
    net: str,
    axis: Axis = "depth",
    gradient_scaling: str = "none",
    least_sizes: int = LEAST_SIZES,
) -> pd.DataFrame:
    """The complete grid of constant-rate runs of one net, of depths from ``LEAST_DEPTH`` on.

    Args:
        selection: the runs.
        net: the net.
        axis: the size that varies.
        gradient_scaling: ``none``, or the scaling's label.
        least_sizes: how many sizes there must be.

    Returns:
        Rows of ``runs``, with the trials that followed the grid.

    Raises:
        NotRun: if runs of the (size × seed × learning rate) grid are absent, or too few sizes.
    """
    runs = constant_rate_runs(selection.runs_of(net, axis, trials=True), gradient_scaling)
    runs = runs[runs["depth"] >= LEAST_DEPTH]
    sizes = sorted(runs[axis].unique())
    name = AXIS_NAMES[axis]
    if not sizes and gradient_scaling != "none":
        raise NotRun(f"{net}: no constant-rate runs with {gradient_scaling} gradient scaling")
    if len(sizes) < least_sizes:
        listed = ", ".join(map(str, sizes)) or "none"
        raise NotRun(f"{net}: a {name} slope needs at least {least_sizes} {name}s, got {listed}")
    absent = _absent(of_grid(runs), axis)
    if absent:
        size, seed, rate = absent[0]
        raise NotRun(
            f"{net}: {len(absent)} runs of the grid are absent, "
            f"first {name} {size}, seed {seed}, {rate}"
        )
    return runs


def _absent(runs: pd.DataFrame, axis: Axis) -> list[tuple[int, int, str]]:
    """Cells of size × seed × (rates of that size) without a run.

    Rates are told apart by the edge c that was asked for where there is one: with it each seed has
    its own η.
    """
    edges = runs["edge"].astype("float64") if "edge" in runs else runs["learning_rate"] * np.nan
    names = [
        f"c = {edge:g}" if pd.notna(edge) else f"LR {rate:g}"
        for edge, rate in zip(edges, runs["learning_rate"], strict=True)
    ]
    present = set(zip(runs[axis], runs["seed"], names, strict=True))
    seeds = sorted(runs["seed"].unique())
    rates = pd.Series(names, index=runs.index).groupby(runs[axis]).unique()
    cells = [(size, seed, rate) for size in rates.index for seed in seeds for rate in rates[size]]
    return [cell for cell in cells if cell not in present]
