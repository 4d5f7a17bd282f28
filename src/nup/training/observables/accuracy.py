"""Accuracy and loss on held-out data along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import Sizes, register, series

if TYPE_CHECKING:
    from torch import Tensor

    from nup.training.context import Context


def _outputs(sizes: Sizes) -> float:
    return sizes.item * sizes.outputs * sizes.train


@register(
    steps={
        "validation_accuracy": series("on the cadence of accuracy; null for a regression"),
        "validation_loss": series("on the cadence of accuracy"),
        "test_accuracy": series("on the cadence of accuracy; null for a regression"),
    },
    used=_outputs,
)
def accuracy(context: Context) -> Mapping[str, Tensor]:
    """Accuracy on validation and test data, and the loss on validation data."""
    return held_out(context, ("validation", "test"))


def held_out(context: Context, splits: tuple[str, ...]) -> dict[str, Tensor]:
    """Accuracies on these splits, unless it is a regression, and the loss on validation data."""
    found = {}
    for split in splits:
        outputs = context.outputs(split)
        if split in context.labels:
            hits = outputs.argmax(-1) == context.labels[split]
            found[f"{split}_accuracy"] = hits.to(outputs.dtype).mean(-1)
        if split == "validation":
            found["validation_loss"] = context.loss.value(outputs, context.targets[split])
    return found
