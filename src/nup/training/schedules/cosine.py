"""Cosine decay after an optional warm-up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nup.registry import Option
from nup.training.schedules import Moment, register

if TYPE_CHECKING:
    from torch import Tensor


@register(
    warmup=Option(0.0, low=0.0, high=1.0, meaning="part of the steps in which η rises linearly"),
    final=Option(0.0, low=0.0, high=1.0, meaning="last rate over η"),
)
def cosine(moment: Moment) -> Tensor:
    """Half a cosine from η to η·``final``, after a linear ``warmup`` fraction. [lit]"""
    rise = (moment.options["warmup"] * moment.steps).clamp_min(1.0)
    progress = ((moment.step + 1 - rise) / (moment.steps - rise).clamp_min(1.0)).clamp_min(0.0)
    final = moment.options["final"]
    fall = final + (1 - final) * (1 + (math.pi * progress).cos()) / 2
    return moment.learning_rate * fall * ((moment.step + 1) / rise).clamp_max(1.0)
