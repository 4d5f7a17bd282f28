"""Parameter groups: a layer's factor c_k as the learning rate of its group."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nup.errors import UserError
from nup.registry import plain
from nup.torch.layout import Layout, layout_of

OPTIMIZERS = ("sgd", "adam", "adamw")


def param_groups(
    model: nn.Module, lr: float, optimizer: str = "sgd", weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """A parameter group for each layer, with its own learning rate.

    Gradient descent takes η a_k² c_k. Adam's steps do not know the size of a gradient, so its
    factors are those with which the first step moves each preactivation as far, relative to its
    size, as gradient descent does: a_k β_k c_k γ/√m_k, and 1 where γ and all c_k are 1 (``sp``)
    [derived]. With weight decay λ each step shrinks the weights by ηλ, whatever the layer: the λ of
    a group is divided by the group's factor. ``Adam`` adds λW to the gradient, whose size its steps
    do not know, so that no λ shrinks all layers alike: it is refused in favour of ``adamw``.

    Args:
        model: of ``mlp`` or ``parameterize``.
        lr: η.
        optimizer: ``sgd`` (with or without momentum), ``adam`` or ``adamw``.
        weight_decay: λ.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay``, ``multiplier`` (lr over η) and ``name``.

    Raises:
        UserError: an unknown optimizer, a rate that is not positive, a negative weight decay, or
            any with ``adam``.
    """
    if optimizer not in OPTIMIZERS:
        raise UserError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
    if not lr > 0:
        raise UserError(f"lr: expected a positive number, got {lr!r}")
    if not weight_decay >= 0:
        raise UserError(f"weight_decay: expected 0 or more, got {weight_decay!r}")
    if weight_decay and optimizer == "adam":
        raise UserError(
            "weight_decay: expected 0 with adam, which rescales what it adds to the gradient and "
            f"so shrinks layers unequally, got {weight_decay!r}; use adamw"
        )
    lr, weight_decay = float(plain(lr)), float(plain(weight_decay))
    layout = layout_of(model)
    multipliers = layout.factors if optimizer == "sgd" else adam_factors(layout)
    return [
        {
            "params": [layer.weight],
            "lr": lr * multiplier,
            "weight_decay": weight_decay / multiplier if weight_decay else 0.0,
            "multiplier": multiplier,
            "name": name,
        }
        for name, layer, multiplier in zip(
            layout.layers, layout.modules(model), multipliers, strict=True
        )
    ]


def adam_factors(layout: Layout) -> tuple[float, ...]:
    """Factors of Adam's learning rate, layer by layer. [derived]

    For one sample, gradient descent moves an entry of h_k by η c_k m_{k−1} |δ_k entry|, where an
    entry of δ_k is about γ β_k/√m_k at initialization on the edge of chaos. Adam's first step is
    η a sign(∂L/∂W_k), which moves it by η a Σ_j |x_j|, about η a m_{k−1}. They agree for
    a = β_k c_k γ/√m_k: 1/m_{k−1} for hidden layers of μP [lit], √(M/m_k)/m_{k−1} for νP.
    """
    shape = layout.shape
    if shape.output_multiplier == 1 and all(c == 1 for c in shape.lr_factors):
        return (1.0,) * shape.depth
    return tuple(
        gain * abs(beta) * c * shape.output_multiplier / fan_out**0.5
        for gain, beta, c, fan_out in zip(
            layout.gains, shape.branch_multipliers, shape.lr_factors, shape.widths[1:], strict=True
        )
    )


def multipliers(optimizer: torch.optim.Optimizer) -> list[float]:
    """The multiplier of each group: 1 for groups that are not of ``param_groups``."""
    return [float(group.get("multiplier", 1.0)) for group in optimizer.param_groups]


def rates(optimizer: torch.optim.Optimizer, lr: float) -> list[float]:
    """η times each group's multiplier, for schedulers that want a rate for each group.

    Schedulers that multiply each group's rate keep the factors (``LambdaLR``, ``StepLR``,
    ``CosineAnnealingLR`` with ``eta_min=0``). Those that are told rates drop them, unless they are
    told one for each group: ``OneCycleLR(optimizer, max_lr=nt.rates(optimizer, 1.0), …)``.
    """
    return [lr * multiplier for multiplier in multipliers(optimizer)]


def check_groups(
    optimizer: torch.optim.Optimizer, tolerance: float = 1e-6, model: nn.Module | None = None
) -> float:
    """η of an optimizer whose groups still have the factors of their parameterization.

    Args:
        optimizer: of any kind.
        tolerance: relative difference between two groups' η.
        model: also check that every layer of this module has a group with its own factor, as an
            optimizer of ``model.parameters()`` has not.

    Raises:
        UserError: the ratio of two groups' rates is no longer that of their multipliers; or they
            are not those of ``model``.
    """
    if model is not None:
        _check_factors(optimizer, model)
    found = [
        group["lr"] / multiplier
        for group, multiplier in zip(optimizer.param_groups, multipliers(optimizer), strict=True)
    ]
    low, high = float(min(found)), float(max(found))
    if high - low > tolerance * max(abs(low), abs(high)):
        names = ", ".join(
            f"{group.get('name', index)}: {float(rate):g}"
            for index, (group, rate) in enumerate(zip(optimizer.param_groups, found, strict=True))
        )
        raise UserError(
            "expected learning rates in the ratio of the groups' multipliers, got lr/multiplier "
            f"{names}; a scheduler has replaced them: give it nup.torch.rates(optimizer, lr)"
        )
    return found[0]


def _check_factors(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Refuse an optimizer whose groups have not the factors of the module's layers."""
    layout = layout_of(model)
    allowed = (layout.factors, adam_factors(layout))
    given = {
        id(each): float(group.get("multiplier", 1.0))
        for group in optimizer.param_groups
        for each in group["params"]
    }
    got = [given.get(id(layer.weight)) for layer in layout.modules(model)]
    if not any(tuple(got) == factors for factors in allowed):
        raise UserError(
            f"expected groups with the multipliers {[round(each, 6) for each in layout.factors]} "
            f"of {layout.shape.label} (or Adam's), got {got}, None where a layer is in no group; "
            "make the optimizer of nup.torch.param_groups(model, lr, optimizer)"
        )
