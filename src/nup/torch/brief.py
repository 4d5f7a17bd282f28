"""What brief trainings of many modules share: the makers, a loss, an optimizer, a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nup.torch.groups import param_groups
from nup.torch.optional import optional

#: ``make(depth=…, width=…)`` → a parameterized module.
Make = Callable[..., nn.Module]


def squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """nup's squared error, (1/2n) Σ_i |f_i − y_i|²."""
    return (outputs - targets).square().sum() / (2 * len(outputs))


def progress_bar(items: Sequence[Any], shown: bool) -> Iterable[Any]:
    """The items, with a bar if it is asked for."""
    if not shown:
        return items
    found: Iterable[Any] = optional("tqdm").tqdm(items, leave=False)
    return found


def optimizer_of(model: nn.Module, name: str, lr: float) -> torch.optim.Optimizer:
    """``sgd``, ``adam`` or ``adamw`` with the factors of ``param_groups``."""
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    groups = param_groups(model, lr, name)
    return kinds[name](groups, lr=lr)


def slope_within(groups: Iterable[Sequence[tuple[float, float]]]) -> float:
    """Least-squares slope of points (x, y), each group with an offset of its own; nan without."""
    top = bottom = 0.0
    for points in groups:
        x_mean, y_mean = (sum(side) / len(points) for side in zip(*points, strict=True))
        top += sum((x - x_mean) * (y - y_mean) for x, y in points)
        bottom += sum((x - x_mean) ** 2 for x, _ in points)
    return top / bottom if bottom else float("nan")
