"""Rises of a loss curve: how far the loss climbs above what it had reached, within a short window.

The rise at step t is the largest log(L_s / min_{u ≤ s} L_u) over s in the 20 steps from t: 0 where
the loss only falls, however fast. The rise of a quarter of the run is the mean over its steps: a
median would be 0 wherever spikes are rarer than every other window. [operational]
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nup.claims.run_selection import NotRun, Undecided

#: Steps over which one rise looks.
WINDOW = 20

#: A quarter shorter than the window would hold no rise of its own.
LEAST_STEPS = 4 * WINDOW


def rises(losses: ArrayLike) -> NDArray[np.float64]:
    """Rise at every step whose window is complete: ``[T]`` → ``[T − 19]``, natural logarithms.

    Losses below the smallest normal float32 count as that number: the records are float32, and a
    loss that underflows to 0 has stopped moving.

    Args:
        losses: of consecutive steps.

    Returns:
        Numbers from 0 on.
    """
    floor = np.finfo(np.float32).tiny
    log_losses = np.log(np.maximum(np.asarray(losses, dtype=float), floor))
    windows = np.lib.stride_tricks.sliding_window_view(log_losses, WINDOW)
    climbed = windows - np.minimum.accumulate(windows, axis=1)
    return np.asarray(climbed.max(axis=1), dtype=float)


def quarter_rises(losses: ArrayLike) -> NDArray[np.float64]:
    """Mean rise of each quarter of the run: ``[T]`` → ``[4]``.

    Args:
        losses: of consecutive steps.

    Returns:
        One number a quarter; a step belongs to the quarter in which its window starts.

    Raises:
        Undecided: if the run is too short for four quarters.
    """
    values = np.asarray(losses, dtype=float)
    if len(values) < LEAST_STEPS:
        raise Undecided(f"rises by quarters need {LEAST_STEPS} steps, got {len(values)}")
    found = rises(values)
    quarter = np.arange(len(found)) * 4 // len(values)
    return np.array([found[quarter == index].mean() for index in range(4)])


def loss_curve(steps: pd.DataFrame, planned: int) -> NDArray[np.float64]:
    """Training loss of steps 0, 1, …; the final state after the last step is left out.

    Args:
        steps: rows of ``steps`` of one run, in order.
        planned: number of steps of the run.

    Raises:
        NotRun: if the loss was not recorded at every step.
    """
    rows = steps[steps["step"] < planned]
    if not np.array_equal(rows["step"], np.arange(len(rows))):
        raise NotRun("rises of the loss need the loss of every step (record.steps: 1)")
    return rows["loss"].to_numpy(dtype=float)
