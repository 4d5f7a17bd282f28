"""Linear warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.schedules import Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register(fraction=Option(0.1, low=0.0, high=1.0, meaning="part of the steps in which η rises"))
def warmup(moment: Moment) -> Tensor:
    """η_t rises linearly to η over the first ``fraction`` of the steps, then stays. [lit]"""
    length = (moment.options["fraction"] * moment.steps).clamp_min(1.0)
    return moment.learning_rate * ((moment.step + 1) / length).clamp_max(1.0)
