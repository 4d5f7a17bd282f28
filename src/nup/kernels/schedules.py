"""Rates that the kernels find by themselves: the rules of the schedules that measure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nup.kernels import elementwise
from nup.kernels.elementwise import Array
from nup.kernels.jit import jit
from nup.kernels.network import Shape

#: The rules by which η_t is found.
GIVEN, BY_SHARPNESS, BY_TAYLOR, BY_SLOPE = 0, 1, 2, 3


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


@jit
def rate_by_slope(c: float, loss: float, gradient: Array, scales: Array, shape: Shape) -> float:
    """η_t of the schedule ``polyak``, see ``nup.training.schedules``.

    ``gradient`` is ∂L/∂W_k over β_k, end to end [N], and ``scales`` c_k ξ_k β_k [l].
    """
    slope = 0.0
    for k in range(shape.betas.size):
        own = gradient[shape.weight_at[k] : shape.weight_at[k + 1]]
        slope += shape.betas[k] * scales[k] * elementwise.dot(own, own)
    return 2 * c * loss / slope
