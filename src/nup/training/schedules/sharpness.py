"""The geometry-aware schedule read as c over the sharpness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.schedules import SHARPNESS, Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register(requires=SHARPNESS, c=Option(above=0.0, shown=True, meaning="η_t λ_t; 2 is the edge"))
def sharpness(moment: Moment) -> Tensor:
    """η_t = c/λ_t: one reading of the paper's geometry-aware schedule. [operational]"""
    assert moment.sharpness is not None
    return moment.options["c"] / moment.sharpness
