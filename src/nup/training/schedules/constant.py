"""A constant learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.training.schedules import Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register()
def constant(moment: Moment) -> Tensor:
    """η_t = η. [lit]"""
    return moment.learning_rate
