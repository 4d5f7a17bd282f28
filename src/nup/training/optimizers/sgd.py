"""Gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.optimizers import register

if TYPE_CHECKING:
    from torch import Tensor


@register()
def sgd(
    parameters: Tensor,  # noqa: ARG001
    update: Tensor,
    moments: tuple[Tensor, ...],
    step: int,  # noqa: ARG001
    options: Mapping[str, float],  # noqa: ARG001
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Gradient descent: D = U."""
    return update, moments
