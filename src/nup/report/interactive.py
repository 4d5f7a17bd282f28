"""The interactive page of a study, ``results/<study>/interactive.html``: runs to look into.

It holds what it shows and the script that draws it, so it opens from disk and asks for nothing. To
stay small it has the histories of the lowest seed, thinned, and means over seeds of the rest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from nup.claims.learning_rates import constant_rate_runs, is_stable, rate_table, relative_losses
from nup.claims.nets import nets_in
from nup.claims.regimes import Regime
from nup.claims.run_selection import of_grid
from nup.figures.nets import net_styles
from nup.figures.panels import drawn_rates
from nup.report import rendering
from nup.tables import atomic_files, store

#: The page's file in the folder of a study.
NAME = "interactive.html"
#: Recorded steps of all histories together: about 4 MB at most.
_STEPS = 60_000
#: Fewer steps than these of a history are never thinned.
_LEAST = 12
_RUNS = [
    "run_id", "experiment", "net", "parameterization", "net_options", "width_exponent",
    "optimizer", "matched_to", "depth", "base_width", "activation", "schedule", "schedule_name",
    "gradient_scaling", "learning_rate", "edge", "trial", "seed", "steps", "status", "null_loss",
    "late_loss", "dataset", "loss_name", "batch_size",
]  # fmt: skip
_SERIES = ["loss", "edge", "cosine"]
#: What the runs of a group have in common.
_GROUP = [
    "experiment", "setting", "activation", "net", "schedule_name", "gradient_scaling", "base_width",
]  # fmt: skip


def write(folder: Path, tables: Path) -> Path | None:
    """Write the page.

    Args:
        folder: of the study, where the page will be.
        tables: folder of its tables, of which ``runs``, ``steps`` and ``layers`` are read.

    Returns:
        The path of the page; None if the study has no runs, or not all three tables.

    Raises:
        UserError: a table is damaged.
    """
    paths = {name: tables / f"{name}.parquet" for name in ("runs", "steps", "layers")}
    if not all(path.is_file() for path in paths.values()):
        return None
    runs = store.read_table("runs", paths["runs"], columns=_RUNS)
    if runs.empty:
        return None
    steps = store.read_table("steps", paths["steps"], columns=["run_id", "step", *_SERIES])
    layers = store.read_table(
        "layers", paths["layers"], columns=["run_id", "step", "layer", "evolution"]
    )
    text = json.dumps(shown(runs, steps, layers), ensure_ascii=False, separators=(",", ":"))
    page = rendering.render(
        "interactive.html",
        study=folder.resolve().name,
        data=Markup(text.replace("<", "\\u003c")),  # nothing in it ends the script
    )
    path = folder / NAME
    atomic_files.write_text(page, path)
    return path


def shown(runs: pd.DataFrame, steps: pd.DataFrame, layers: pd.DataFrame) -> dict[str, Any]:
    """What the page draws.

    Args:
        runs: the table ``runs``.
        steps: columns ``run_id``, ``step``, ``loss``, ``edge``, ``cosine``.
        layers: columns ``run_id``, ``step``, ``layer``, ``evolution``.

    Returns:
        ``groups``: a selection for each experiment, setting, activation, net and kind of training,
        with its cells (depth, rate, share of the null loss, stable share, seeds), the largest
        stable rate by depth, and the runs of the lowest seed; ``seeds`` in all.
    """
    setting = [
        f"{name}, {Regime(loss, None if pd.isna(batch) else int(batch)).label}"
        for name, loss, batch in zip(
            runs["dataset"], runs["loss_name"], runs["batch_size"], strict=True
        )
    ]
    runs = runs.assign(relative=relative_losses(runs), stable=is_stable(runs), setting=setting)
    looks = net_styles(nets_in(runs))
    # Rates in units of the edge are means over the seeds of a group, so that comes after.
    groups = [
        (key, grid.assign(rate=drawn_rates(grid)))
        for key, grid in of_grid(runs).groupby(_GROUP, sort=False)
    ]
    with_trials = dict(list(runs.groupby(_GROUP, sort=False)))
    groups.sort(key=lambda each: _place(each[1]))
    first = pd.concat([_first(group) for _, group in groups])
    histories = _histories(steps[steps["run_id"].isin(first["run_id"])], len(first))
    moved = _evolutions(layers[layers["run_id"].isin(first["run_id"])])
    return {
        "seeds": int(runs["seed"].nunique()),
        "groups": [
            {
                "experiment": str(key[0]),
                "setting": str(key[1]),
                "activation": str(key[2]),
                "family": str(group["parameterization"].iloc[0]),
                "net": looks[str(key[3])].label,
                "training": str(key[4]) + ("" if key[5] == "none" else f" with ξ ({key[5]})"),
                "width": int(str(key[6])),
                "cells": _cells(group),
                "boundary": _boundary(with_trials[key]),
                "runs": [_run(row, histories, moved) for _, row in _first(group).iterrows()],
            }
            for key, group in groups
        ],
    }


def _first(group: pd.DataFrame) -> pd.DataFrame:
    """The runs of the lowest seed, by depth and rate; one of each that differs in nothing shown."""
    own = group[group["seed"] == group["seed"].min()]
    return own.sort_values(["depth", "rate", "schedule"]).drop_duplicates(
        ["depth", "rate", "schedule"]
    )


def _cells(group: pd.DataFrame) -> list[list[Any]]:
    """Depth, rate, geometric mean of the relative loss, share of stable runs, and seeds."""
    finite = group[np.isfinite(group["rate"].astype("float64"))]
    return [
        [
            int(str(depth)),
            _number(rate),
            _number(np.exp(np.log(cell["relative"]).mean())),
            _number(cell["stable"].mean()),
            len(cell),
        ]
        for (depth, rate), cell in finite.groupby(["depth", "rate"])
    ]


def _boundary(group: pd.DataFrame) -> list[list[Any]]:
    """Depth and geometric mean over seeds of the largest stable rate, of runs at constant rates."""
    found = rate_table(
        constant_rate_runs(group, str(group["gradient_scaling"].iloc[0])), "largest stable"
    )
    usable = found[found["problem"] != "none"]
    rates = usable["learning_rate"].astype("float64")
    logs = rates.transform("log").groupby(usable["depth"]).mean()
    return [[int(str(depth)), _number(np.exp(value))] for depth, value in logs.items()]


def _run(
    row: pd.Series, histories: dict[str, dict[str, Any]], moved: dict[str, list[Any]]
) -> dict[str, Any]:
    run_id = str(row["run_id"])
    return {
        "depth": int(row["depth"]),
        "rate": _number(row["rate"]),
        "schedule": str(row["schedule"]),
        "seed": int(row["seed"]),
        "status": str(row["status"]),
        "history": histories.get(run_id, {}),
        "evolution": moved.get(run_id, []),
    }


def _histories(steps: pd.DataFrame, n_runs: int) -> dict[str, dict[str, Any]]:
    """Steps and series of each run, thinned evenly to a common number of records."""
    most = max(_LEAST, _STEPS // max(1, n_runs))
    found = {}
    for run_id, records in steps.sort_values("step").groupby("run_id"):
        keep = np.unique(np.linspace(0, len(records) - 1, min(len(records), most)).round())
        # Where the sharpness was measured, all else was too.
        measured = np.flatnonzero(records["edge"].notna().to_numpy())
        if len(measured) > most // 2:
            places = np.linspace(0, len(measured) - 1, max(1, most // 2)).round().astype(int)
            measured = measured[places]
        kept = records.iloc[np.union1d(keep.astype(int), measured)]
        found[str(run_id)] = {"step": [int(step) for step in kept["step"]]} | {
            name: [_number(value) for value in kept[name]] for name in _SERIES
        }
    return found


def _evolutions(layers: pd.DataFrame) -> dict[str, list[Any]]:
    """For each run a list of steps, each with e_1 … e_l, at the start, middle and end."""
    recorded = layers[layers["evolution"].notna()]
    found = {}
    for run_id, own in recorded.groupby("run_id"):
        times = sorted(own["step"].unique())
        times = [times[place] for place in sorted({len(times) // 2, len(times) - 1})]
        found[str(run_id)] = [
            [int(str(step)), [_number(value) for value in at.sort_values("layer")["evolution"]]]
            for step, at in own[own["step"].isin(times)].groupby("step")
        ]
    return found


def _place(group: pd.DataFrame) -> tuple[int, bool, bool, int]:
    """Where a group stands: many depths first, νP before its controls, its plain reading first."""
    one = group.iloc[0]
    controls = not one["width_exponent"] > 0, bool(one["matched_to"])
    return -group["depth"].nunique(), *controls, len(one["net"])


def _number(value: Any) -> float | None:
    """Three digits, which is what a drawing shows; None where there is no finite number."""
    if pd.isna(value) or not np.isfinite(float(value)):
        return None
    return float(f"{float(value):.3g}")
