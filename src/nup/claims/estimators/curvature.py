"""Curvature without gradient scaling: λ of the factors c_k alone, whatever ξ a run trains with.

A run's own columns hold the λ of the update that it uses, ξ included. Where ξ = 1 the two are the
same; elsewhere the columns ``…_unscaled`` of ``steps`` are needed. [operational]
"""

from __future__ import annotations

import pandas as pd

from nup.claims.run_selection import NotRun, RunSelection

#: Name → column of ``steps`` of a run's own matrix.
CURVATURES = {"sharpness": "sharpness", "hessian": "hessian_sharpness"}

#: What a column without ξ ends in.
UNSCALED = "_unscaled"


def unscaled_column(selection: RunSelection, runs: pd.DataFrame, column: str) -> tuple[str, str]:
    """The column of ``steps`` that holds a quantity without ξ, and a doubt where there is none.

    Args:
        selection: the steps.
        runs: rows of ``runs`` with one gradient scaling.
        column: the quantity of the run's own matrix, ``edge`` or ``sharpness``.

    Returns:
        Name of the column; and why it decides nothing, empty if it is the right one.
    """
    if set(runs["gradient_scaling"]) <= {"none"}:
        return column, ""
    wanted = f"{column}{UNSCALED}"
    steps = selection.steps
    if wanted in steps and steps.loc[steps["run_id"].isin(runs["run_id"]), wanted].notna().any():
        return wanted, ""
    return column, f"`{column}` is that with ξ; `{wanted}` was not recorded"


def final_curvature(
    selection: RunSelection, runs: pd.DataFrame, quantity: str
) -> tuple[pd.Series[float], str]:
    """The last recorded λ of each run, without ξ, and a doubt where that was not recorded.

    Args:
        selection: the steps.
        runs: rows of ``runs`` with one gradient scaling.
        quantity: one of ``CURVATURES``.

    Returns:
        Values aligned with ``runs``, nan for runs without a record; and the doubt.

    Raises:
        NotRun: if no run has a record.
    """
    column, doubt = unscaled_column(selection, runs, CURVATURES[quantity])
    steps = selection.steps
    rows = steps[steps["run_id"].isin(runs["run_id"])]
    last = rows[rows[column].notna()].groupby("run_id")[column].last().astype("float64")
    values = runs["run_id"].map(last)
    if values.isna().all():
        cadence = "record.hessian" if quantity == "hessian" else "record.curvature"
        raise NotRun(f"no stable run has its final {quantity} ({cadence})")
    return values, doubt
