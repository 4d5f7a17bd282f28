"""Spike amplitudes of a loss curve: how far the loss rises and recovers within a short window.

The amplitude at step t is ln(max L / min L) over the 20 steps from t; that of a quarter of the run
is the median over the quarter's steps. [operational]
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nup.claims.run_selection import NotRun, Undecided

#: Steps over which one amplitude looks.
WINDOW = 20

#: A quarter shorter than the window would hold no amplitude of its own.
LEAST_STEPS = 4 * WINDOW


def spike_amplitudes(losses: ArrayLike) -> NDArray[np.float64]:
    """Amplitude at every step whose window is complete: ``[T]`` → ``[T − 19]``.

    Losses below the smallest normal float32 count as that number: the records are float32, and a
    loss that underflows to 0 has stopped moving.
    """
    floor = np.finfo(np.float32).tiny
    log_losses = np.log(np.maximum(np.asarray(losses, dtype=float), floor))
    windows = np.lib.stride_tricks.sliding_window_view(log_losses, WINDOW)
    return np.asarray(windows.max(axis=1) - windows.min(axis=1), dtype=float)


def quarter_amplitudes(losses: ArrayLike) -> NDArray[np.float64]:
    """Median amplitude of each quarter of the run: ``[T]`` → ``[4]``.

    Raises:
        Undecided: if the run is too short for four quarters.
    """
    values = np.asarray(losses, dtype=float)
    if len(values) < LEAST_STEPS:
        raise Undecided(f"amplitudes by quarters need {LEAST_STEPS} steps, got {len(values)}")
    amplitudes = spike_amplitudes(values)
    quarter = np.arange(len(amplitudes)) * 4 // len(values)
    return np.array([np.median(amplitudes[quarter == index]) for index in range(4)])


def loss_curve(steps: pd.DataFrame, planned: int) -> NDArray[np.float64]:
    """Training loss of steps 0, 1, …; the final state after the last step is left out.

    Raises:
        NotRun: if the loss was not recorded at every step.
    """
    rows = steps[steps["step"] < planned]
    if not np.array_equal(rows["step"], np.arange(len(rows))):
        raise NotRun("spike amplitudes need the loss of every step (record.steps: 1)")
    return rows["loss"].to_numpy(dtype=float)
