"""The geometry-aware schedule read from the Taylor coefficients along the update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.schedules import TAYLOR, Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register(
    requires=TAYLOR, c=Option(above=0.0, shown=True, meaning="1 is greedy, 2 the edge of stability")
)
def taylor(moment: Moment) -> Tensor:
    """η_t = c·(−L′)/L″ along the actual update; c = 1 greedy, c = 2 the edge. [operational]

    Where L″ ≤ 0 the last rate is kept; at the first step L″ of the linearized network stands in.
    """
    assert moment.taylor is not None
    first, second, linearized = moment.taylor
    c = moment.options["c"]
    fallback = -c * first / (2 * linearized) if moment.previous is None else moment.previous
    return (-c * first / (2 * second)).where(second > 0, fallback)
