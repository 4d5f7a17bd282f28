"""Best and largest stable learning rate of every size and seed, read off the grid.

A size is a depth, or a base width where an experiment varies that.

``late_loss`` and ``stable`` are columns of the table ``runs``. [operational]
"""

from __future__ import annotations

from typing import Literal

import pandas as pd

from nup.claims.run_selection import Axis, NotRun, RunSelection, remembered

Rate = Literal["best", "largest stable"]

#: Depths, or widths, that a slope against them needs at least.
LEAST_SIZES = 3

#: Names of the axes in messages.
AXIS_NAMES: dict[Axis, str] = {"depth": "depth", "base_width": "width"}


def constant_rate_runs(runs: pd.DataFrame, gradient_scaling: str = "none") -> pd.DataFrame:
    """The runs at a constant rate of their own, with this gradient scaling."""
    constant = runs["schedule_name"] == "constant"
    scaled = runs["gradient_scaling"] == gradient_scaling
    return runs[constant & scaled & runs["learning_rate"].notna()]


def chosen_runs(runs: pd.DataFrame, rate: Rate, axis: Axis = "depth") -> pd.DataFrame:
    """The run at the best or the largest stable learning rate of each size and seed.

    ``best``: of the stable runs the one with the lowest ``late_loss``. ``largest stable``: the
    stable run with the largest learning rate.

    Args:
        runs: constant-rate runs of one net.
        rate: which of the two.
        axis: the size that varies.

    Returns:
        One row per (size, seed) that has a stable run, with the columns of ``runs`` and
        ``at_edge``: ``top`` or ``bottom`` if the grid of learning rates at that size ends there,
        so that a better (or a larger stable) one may lie outside; else empty.
    """
    stable = runs[runs["stable"].astype(bool)]
    column, ascending = ("late_loss", True) if rate == "best" else ("learning_rate", False)
    order = stable.sort_values([column, "learning_rate"], ascending=[ascending, True])
    chosen = order.groupby([axis, "seed"], as_index=False).head(1)
    ends = runs.groupby(axis)["learning_rate"].agg(["min", "max"])
    edge = pd.Series("", index=chosen.index, dtype="str")
    if rate == "best":
        edge = edge.mask(chosen["learning_rate"] == chosen[axis].map(ends["min"]), "bottom")
    edge = edge.mask(chosen["learning_rate"] == chosen[axis].map(ends["max"]), "top")
    return chosen.assign(at_edge=edge).sort_values([axis, "seed"])


def undecided(runs: pd.DataFrame, chosen: pd.DataFrame, rate: Rate, axis: Axis = "depth") -> str:
    """Reasons for no decision: rates at edges of the grid, sizes without a stable run."""
    net = runs["net"].iloc[0]
    seeds = runs["seed"].nunique()
    places = []
    for edge in ("bottom", "top"):
        counts = chosen.loc[chosen["at_edge"] == edge].groupby(axis).size()
        places.append((f"{rate} LR at the {edge} of the grid", counts))
    found = chosen.groupby(axis).size().reindex(sorted(runs[axis].unique()), fill_value=0)
    places.append(("no stable LR", (seeds - found)[found < seeds]))
    reasons = []
    for what, counts in places:
        where = ", ".join(f"{size} ({count} of {seeds} seeds)" for size, count in counts.items())
        if where:
            reasons.append(f"{net}: {what} at {AXIS_NAMES[axis]} {where}")
    return "; ".join(reasons)


@remembered
def grid_runs(
    selection: RunSelection,
    net: str,
    axis: Axis = "depth",
    gradient_scaling: str = "none",
    least_sizes: int = LEAST_SIZES,
) -> pd.DataFrame:
    """The complete grid of constant-rate runs of one net.

    Args:
        selection: the runs.
        net: the net.
        axis: the size that varies.
        gradient_scaling: ``none`` or ``depthwise``.
        least_sizes: how many sizes there must be.

    Raises:
        NotRun: if runs of the (size × seed × learning rate) grid are absent, or too few sizes.
    """
    runs = constant_rate_runs(selection.runs_of(net, axis), gradient_scaling)
    sizes = sorted(runs[axis].unique())
    name = AXIS_NAMES[axis]
    if not sizes and gradient_scaling != "none":
        raise NotRun(f"{net}: no constant-rate runs with {gradient_scaling} gradient scaling")
    if len(sizes) < least_sizes:
        listed = ", ".join(map(str, sizes)) or "none"
        raise NotRun(f"{net}: a {name} slope needs at least {least_sizes} {name}s, got {listed}")
    absent = _absent(runs, axis)
    if absent:
        size, seed, rate = absent[0]
        raise NotRun(
            f"{net}: {len(absent)} runs of the grid are absent, "
            f"first {name} {size}, seed {seed}, LR {rate:g}"
        )
    return runs


def _absent(runs: pd.DataFrame, axis: Axis) -> list[tuple[int, int, float]]:
    """Cells of size × seed × (learning rates of that size) without a run."""
    present = set(zip(runs[axis], runs["seed"], runs["learning_rate"], strict=True))
    seeds = sorted(runs["seed"].unique())
    rates = runs.groupby(axis)["learning_rate"].unique()
    cells = [(d, s, r) for d in rates.index for s in seeds for r in sorted(rates[d])]
    return [cell for cell in cells if cell not in present]
