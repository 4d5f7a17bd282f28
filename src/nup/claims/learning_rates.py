"""Best and largest stable learning rate of every depth and seed, read off the grid.

``late_loss`` and ``stable`` are columns of the table ``runs``. [operational]
"""

from __future__ import annotations

from typing import Literal

import pandas as pd

from nup.claims.evidence import Evidence, NotRun

Rate = Literal["best", "largest stable"]

#: Depths that a slope against depth needs at least.
LEAST_DEPTHS = 3


def constant_rate_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs at a constant rate of their own, without gradient scaling."""
    plain = (runs["schedule_name"] == "constant") & (runs["gradient_scaling"] == "none")
    return runs[plain & runs["learning_rate"].notna()]


def chosen_runs(runs: pd.DataFrame, rate: Rate) -> pd.DataFrame:
    """The run at the best or the largest stable learning rate of each depth and seed.

    ``best``: of the stable runs the one with the lowest ``late_loss``. ``largest stable``: the
    stable run with the largest learning rate.

    Args:
        runs: constant-rate runs of one net.
        rate: which of the two.

    Returns:
        One row a (depth, seed) that has a stable run, with the columns of ``runs`` and
        ``at_edge``: ``top`` or ``bottom`` if the grid of learning rates at that depth ends there,
        so that a better (or a larger stable) one may lie outside; else empty.
    """
    stable = runs[runs["stable"].astype(bool)]
    column, ascending = ("late_loss", True) if rate == "best" else ("learning_rate", False)
    order = stable.sort_values([column, "learning_rate"], ascending=[ascending, True])
    chosen = order.groupby(["depth", "seed"], as_index=False).head(1)
    ends = runs.groupby("depth")["learning_rate"].agg(["min", "max"])
    edge = pd.Series("", index=chosen.index, dtype="str")
    if rate == "best":
        edge = edge.mask(chosen["learning_rate"] == chosen["depth"].map(ends["min"]), "bottom")
    edge = edge.mask(chosen["learning_rate"] == chosen["depth"].map(ends["max"]), "top")
    return chosen.assign(at_edge=edge).sort_values(["depth", "seed"])


def undecided(runs: pd.DataFrame, chosen: pd.DataFrame, rate: Rate) -> str:
    """Why the chosen rates decide nothing: edges of the grid, depths without a stable run."""
    net = runs["net"].iloc[0]
    seeds = runs["seed"].nunique()
    places = []
    for edge in ("bottom", "top"):
        counts = chosen.loc[chosen["at_edge"] == edge].groupby("depth").size()
        places.append((f"{rate} LR at the {edge} of the grid", counts))
    found = chosen.groupby("depth").size().reindex(sorted(runs["depth"].unique()), fill_value=0)
    places.append(("no stable LR", (seeds - found)[found < seeds]))
    reasons = []
    for what, counts in places:
        where = ", ".join(f"{depth} ({count} of {seeds} seeds)" for depth, count in counts.items())
        if where:
            reasons.append(f"{net}: {what} at depth {where}")
    return "; ".join(reasons)


def depth_runs(evidence: Evidence, net: str) -> pd.DataFrame:
    """The complete grid of constant-rate runs of one net.

    Raises:
        NotRun: if runs of the (depth × seed × learning rate) grid are absent, or too few depths.
    """
    runs = constant_rate_runs(evidence.runs_of(net))
    depths = sorted(runs["depth"].unique())
    if len(depths) < LEAST_DEPTHS:
        listed = ", ".join(map(str, depths)) or "none"
        raise NotRun(f"{net}: a depth slope needs at least {LEAST_DEPTHS} depths, got {listed}")
    absent = _absent(runs)
    if absent:
        depth, seed, rate = absent[0]
        raise NotRun(
            f"{net}: {len(absent)} runs of the grid are absent, "
            f"first depth {depth}, seed {seed}, LR {rate:g}"
        )
    return runs


def _absent(runs: pd.DataFrame) -> list[tuple[int, int, float]]:
    """Cells of depth × seed × (learning rates of that depth) without a run."""
    present = set(zip(runs["depth"], runs["seed"], runs["learning_rate"], strict=True))
    seeds = sorted(runs["seed"].unique())
    rates = runs.groupby("depth")["learning_rate"].unique()
    cells = [(d, s, r) for d in rates.index for s in seeds for r in sorted(rates[d])]
    return [cell for cell in cells if cell not in present]
