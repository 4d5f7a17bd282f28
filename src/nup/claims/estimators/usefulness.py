"""Test accuracy at settings tuned on validation data, against tuned baselines [operational]."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nup.claims.evidence import Evidence, Measurement, NotRun


def accuracy_gain(
    evidence: Evidence, net: str, schedule: str, baselines: Sequence[str]
) -> Measurement:
    """Test accuracy of ``net`` under ``schedule`` minus that of the best baseline.

    Both are tuned for each depth and seed on validation data: the net over its learning rates (or
    c), the baseline over all nets of ``baselines`` and their constant learning rates. Paired by
    depth and seed; a seed's mean over the depths at which ``net`` was run under ``schedule``.

    Args:
        evidence: the runs.
        net: the net that should be useful.
        schedule: ``constant``, ``sharpness`` or ``taylor``.
        baselines: nets to choose the best of.

    Raises:
        NotRun: if a net was not run, or not at these depths, or with another number of steps.
    """
    own, rivals = contenders(evidence, net, schedule, baselines)
    chosen, other = tuned(own), tuned(rivals)
    key = ["depth", "seed"]
    pairs = chosen.merge(other, on=key, suffixes=("", "_other"))
    gains = (pairs["test_accuracy"] - pairs["test_accuracy_other"]).groupby(pairs["seed"])
    complete = gains.size() == own["depth"].nunique()
    reason = "; ".join(filter(None, map(_at_edge, (chosen, other))))
    counts = other["net"].value_counts()
    best = ", ".join(f"{name} ({count} of {len(other)})" for name, count in counts.items())
    return Measurement(gains.mean()[complete], undecided=reason, note=f"best baseline: {best}")


def contenders(
    evidence: Evidence, net: str, schedule: str, baselines: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of the net, and those of all baselines at the same depths."""
    own = candidates(evidence, net, schedule)
    parts = [candidates(evidence, name, "constant") for name in baselines]
    depths = set(own["depth"])
    for name, part in zip(baselines, parts, strict=True):
        if absent := sorted(depths - set(part["depth"])):
            raise NotRun(f"{name} was not run at depth {', '.join(map(str, absent))}")
    rivals = pd.concat(parts)
    steps = sorted(set(own["steps"]) | set(rivals["steps"]))
    if len(steps) > 1:
        raise NotRun(f"the runs differ in their number of steps ({', '.join(map(str, steps))})")
    return own, rivals[rivals["depth"].isin(depths)]


def candidates(evidence: Evidence, net: str, schedule: str) -> pd.DataFrame:
    """The runs of one net under one schedule without gradient scaling, finished or not."""
    runs = evidence.runs_of(net)
    runs = runs[(runs["schedule_name"] == schedule) & (runs["gradient_scaling"] == "none")]
    if runs.empty:
        raise NotRun(f"no runs of {net} under {schedule}")
    if runs["validation_accuracy"].isna().all():
        raise NotRun(f"{net} under {schedule}: no run has a validation accuracy")
    return runs


def tuned(runs: pd.DataFrame) -> pd.DataFrame:
    """The run with the best validation accuracy of each (depth, seed).

    Of equally accurate ones it is that with the lowest validation loss.
    The column ``at_edge`` says whether its constant learning rate ends its net's grid.
    """
    order = ["validation_accuracy", "validation_loss", "run_id"]
    finished = runs.dropna(subset=["validation_accuracy"])
    ranked = finished.sort_values(order, ascending=[False, True, True])
    chosen = ranked.groupby(["depth", "seed"], as_index=False).head(1)
    constant = runs[runs["schedule_name"] == "constant"]
    ends = constant.groupby("net")["learning_rate"].agg(["min", "max"]).reindex(chosen["net"])
    rates = chosen["learning_rate"].to_numpy()
    at_edge = (rates == ends["min"].to_numpy()) | (rates == ends["max"].to_numpy())
    return chosen.assign(at_edge=at_edge).sort_values(["depth", "seed"])


def _at_edge(chosen: pd.DataFrame) -> str:
    counts = chosen.loc[chosen["at_edge"], "net"].value_counts()
    return "; ".join(
        f"{net}: tuned LR at the edge of the grid ({count} of {len(chosen)})"
        for net, count in counts.items()
    )
