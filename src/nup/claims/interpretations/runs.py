"""The runs on which an interpretation is evaluated: the experiment's own, and further ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

#: Columns that distinguish the kinds of runs within an experiment.
_KIND = ["net", "activation", "schedule_name", "gradient_scaling"]


def further_experiment(experiment: str) -> str:
    """The experiment with the further runs for interpretations of the claims on ``experiment``."""
    return f"{experiment}-readings"


def with_further_runs(
    tables: Mapping[str, pd.DataFrame], experiment: str
) -> dict[str, pd.DataFrame]:
    """The tables with the further runs as runs of the experiment itself.

    Kinds of runs (a net under a schedule) that the experiment has already stay as they are there.
    """
    if "runs" not in tables or tables["runs"].empty:
        return dict(tables)
    runs = tables["runs"]
    own = runs[runs["experiment"] == experiment]
    apart = runs["experiment"] == further_experiment(experiment)
    further = runs[apart]
    new = further[~_kinds(further).isin(_kinds(own))].assign(experiment=experiment)
    return {**tables, "runs": pd.concat([runs[~apart], new])}


def at_common_depths(
    tables: Mapping[str, pd.DataFrame], experiment: str, nets: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """The tables with those runs of the nets whose depth all of them have.

    Nets without any run are passed over, and so are the runs of other nets.
    """
    if "runs" not in tables or tables["runs"].empty:
        return dict(tables)
    runs = tables["runs"]
    labels = runs["net"].where(runs["experiment"] == experiment)
    common = common_depths(tables, experiment, nets)
    outside = labels.isin(nets) & ~runs["depth"].isin(common)
    return {**tables, "runs": runs[~outside]}


def common_depths(
    tables: Mapping[str, pd.DataFrame], experiment: str, nets: Sequence[str]
) -> list[int]:
    """Depths at which every net was run that was run at all; any net counts if none is given."""
    if "runs" not in tables or tables["runs"].empty:
        return []
    runs = tables["runs"][tables["runs"]["experiment"] == experiment]
    labels = runs["net"]
    by_net = [set(runs.loc[labels == net, "depth"]) for net in nets or labels.unique()]
    found = [depths for depths in by_net if depths]
    return sorted(int(depth) for depth in set.intersection(*found)) if found else []


def _kinds(runs: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(runs[_KIND])
