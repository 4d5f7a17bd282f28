"""Test accuracy of runs tuned on validation data, against tuned baselines [operational]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from nup.claims.estimators import register
from nup.claims.run_selection import (
    Measurement,
    NotRun,
    RunSelection,
    Undecided,
    remembered,
)

#: Costs that a comparison may hold equal, beside the number of parameters.
Equal = Literal["steps", "operations"]

#: Results of a run, or of one of its states, by which runs are chosen and nets compared.
RESULTS = ["validation_accuracy", "validation_loss", "test_accuracy"]

#: Relative rounding of ``flops`` in ``steps``, which are stored as float32.
ROUNDING = 1e-6


@register
def accuracy_gain(
    selection: RunSelection,
    net: str,
    schedule: str,
    baselines: Sequence[str],
    equal: Equal = "steps",
) -> Measurement:
    """Test accuracy of ``net`` under ``schedule`` minus that of the best baseline.

    Both are tuned for each depth and seed on validation data: the net over its learning rates (or
    c), the baseline over all nets of ``baselines`` and their constant learning rates. Paired by
    depth and seed; a seed's mean over the depths at which ``net`` was run under ``schedule``.

    Args:
        selection: the runs.
        net: the net that should be useful.
        schedule: ``constant``, ``sharpness`` or ``taylor``.
        baselines: nets to choose the best of.
        equal: ``steps``: final states are compared. ``operations``: states ``within_budget``.

    Raises:
        NotRun: if a net was not run, or not at these depths, or with another number of steps.
        Undecided: if every run of a net diverged.
    """
    return _accuracy_gain(selection, net, schedule, tuple(baselines), equal)


@remembered
def _accuracy_gain(
    selection: RunSelection, net: str, schedule: str, baselines: tuple[str, ...], equal: Equal
) -> Measurement:
    own, rivals = contenders(selection, net, schedule, baselines, equal)
    chosen, other = tuned(own), tuned(rivals)
    key = ["depth", "seed"]
    pairs = chosen.merge(other, on=key, suffixes=("", "_other"))
    gains = (pairs["test_accuracy"] - pairs["test_accuracy_other"]).groupby(pairs["seed"])
    complete = gains.size() == own["depth"].nunique()
    reason = "; ".join(filter(None, map(_at_edge, (chosen, other))))
    counts = other["net"].value_counts()
    best = ", ".join(f"{name} ({count} of {len(other)})" for name, count in counts.items())
    notes = [f"best baseline: {best}"]
    if equal == "steps":
        notes += _at_equal_operations(selection, net, schedule, baselines)
    if equal == "operations":
        notes.append(f"{net} after {_span(chosen)}, the baseline after {_span(other)} steps")
    return Measurement(gains.mean()[complete], undecided=reason, note="; ".join(notes))


def _at_equal_operations(
    selection: RunSelection, net: str, schedule: str, baselines: Sequence[str]
) -> list[str]:
    """The mean gain at equal operations, to be shown beside that at equal steps."""
    try:
        gain = accuracy_gain(selection, net, schedule, baselines, "operations").by_seed
    except NotRun:
        return []
    return [f"at equal operations {gain.mean():+.3f}"] if len(gain) else []


def contenders(
    selection: RunSelection,
    net: str,
    schedule: str,
    baselines: Sequence[str],
    equal: Equal = "steps",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of the net, and those of all baselines at the same depths.

    With the results of their final states, or of the states ``within_budget``.
    """
    own = candidates(selection, net, schedule)
    parts = [candidates(selection, name, "constant") for name in baselines]
    depths = set(own["depth"])
    for name, part in zip(baselines, parts, strict=True):
        if absent := sorted(depths - set(part["depth"])):
            raise NotRun(f"{name} was not run at depth {', '.join(map(str, absent))}")
    rivals = pd.concat(parts)
    rivals = rivals[rivals["depth"].isin(depths)]
    if equal == "operations":
        both = within_budget(selection, pd.concat([own, rivals]))
        return both.loc[own.index], both.loc[rivals.index]
    steps = sorted(set(own["steps"]) | set(rivals["steps"]))
    if len(steps) > 1:
        raise NotRun(f"the runs differ in their number of steps ({', '.join(map(str, steps))})")
    return own, rivals


def candidates(selection: RunSelection, net: str, schedule: str) -> pd.DataFrame:
    """The runs of one net under one schedule without gradient scaling, finished or not."""
    runs = selection.runs_of(net)
    runs = runs[(runs["schedule_name"] == schedule) & (runs["gradient_scaling"] == "none")]
    if runs.empty:
        raise NotRun(f"no runs of {net} under {schedule}")
    if (runs["status"] != "ok").all():
        raise Undecided(f"{net} under {schedule}: every run diverged, at any of its rates")
    if runs["validation_accuracy"].isna().all():
        raise NotRun(f"{net} under {schedule}: no run has a validation accuracy")
    return runs


def within_budget(selection: RunSelection, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with the ``RESULTS`` they had when the operations of a common budget were spent.

    The budget at a depth is what the cheapest of the finished runs took in all. A run's state is
    the last one with a recorded accuracy that needed no more than that; ``state`` is its step. A
    run that diverged before the budget was spent has no results.

    Raises:
        NotRun: if no accuracies were recorded along the way.
    """
    finished = runs["status"] == "ok"
    budget = runs["depth"].map(runs[finished].groupby("depth")["flops"].min())
    states = selection.steps[["run_id", "step", "flops", *RESULTS]]
    states = states[states["run_id"].isin(runs["run_id"])].dropna(subset=["validation_accuracy"])
    for net in runs["net"].unique():
        if not set(runs.loc[runs["net"] == net, "run_id"]) & set(states["run_id"]):
            raise NotRun(f"{net}: no accuracies along the way; set record.accuracy in the study")
    limits = pd.Series(budget.to_numpy(), index=runs["run_id"]) * (1 + ROUNDING)
    affordable = states[states["flops"] <= states["run_id"].map(limits)]
    last = (
        affordable.sort_values("step")
        .groupby("run_id")
        .tail(1)
        .set_index("run_id")
        .astype("float64")
    )
    reached = finished | (runs["flops"] >= budget)
    found = {name: runs["run_id"].map(last[name]).where(reached) for name in RESULTS}
    return runs.assign(**found, state=runs["run_id"].map(last["step"]))


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


def _span(chosen: pd.DataFrame) -> str:
    """The steps of the states, from the least to the most."""
    least, most = (f"{value:.0f}" for value in (chosen["state"].min(), chosen["state"].max()))
    return least if least == most else f"{least} to {most}"
