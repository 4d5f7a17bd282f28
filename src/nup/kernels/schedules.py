"""Rates that the kernels find by themselves: the rules of the schedules that measure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nup.kernels.jit import jit

#: The rules by which η_t is found.
GIVEN, BY_SHARPNESS, BY_TAYLOR = 0, 1, 2


@jit
def rate_by_taylor(c: float, coefficients: npt.NDArray[np.float64], previous: float) -> float:
    """η_t of the schedule ``taylor``, see ``nup.training.schedules``.

    ``coefficients`` are T1, T2, T3, and T2 of the linearized network. [4]
    """
    if coefficients[1] > 0:
        return -c * coefficients[0] / (2 * coefficients[1])
    if np.isnan(previous):
        return -c * coefficients[0] / (2 * coefficients[3])
    return previous
