"""Evolution of preactivations on the probe set, and its split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.training.observables import Sizes, register, series

if TYPE_CHECKING:
    from torch import Tensor

    from nup.training.context import Context


PARTS = ("evolution", "evolution_weights", "evolution_inputs")


def _start(context: Context) -> list[Tensor]:
    return context.probe.preactivations


def _kept(sizes: Sizes) -> float:
    return sizes.item * sizes.units * sizes.probe


def _used(sizes: Sizes) -> float:
    return sizes.item * (3 * sizes.units * sizes.probe + 2 * sizes.largest)


@register(
    cadence=10,
    layers={
        "evolution": series("e_k(t) = ‖h_k(t) − h_k(0)‖/‖h_k(0)‖ on the probe set"),
        "evolution_weights": series("‖(W_k(t)−W_k(0)) x_{k-1}(t)‖/‖h_k(0)‖"),
        "evolution_inputs": series("‖W_k(0)(x_{k-1}(t) − x_{k-1}(0))‖/‖h_k(0)‖"),
    },
    start=_start,
    kept=_kept,
    used=_used,
    passes={"probe": 2},
)
def probe(context: Context) -> Mapping[str, Tensor]:
    """Change of every h_k since the start, and the parts that weights and inputs have in it.

    The split is exact for plain networks: h_k(t) − h_k(0) = β_k (W_k(t)−W_k(0)) x_{k−1}(t)
    + β_k W_k(0) (x_{k−1}(t) − x_{k−1}(0)); residual layers add the change of their skip.
    """
    import torch

    network, inputs = context.network, context.inputs["probe"]
    initial, now = context.memories["probe"], context.probe
    before = network.features(inputs, initial)
    betas = network.parameterization.branch_multipliers
    parts: dict[str, list[Tensor]] = {name: [] for name in PARTS}
    for k, (weight, moved) in enumerate(zip(context.weights, context.displacement, strict=True)):
        x, size = now.features[k], initial[k].norm(dim=(-2, -1))
        changes = (
            now.preactivations[k] - initial[k],
            betas[k] * (x @ moved.mT),
            betas[k] * ((x - before[k]) @ (weight - moved).mT),
        )
        for column, change in zip(parts.values(), changes, strict=True):
            column.append(change.norm(dim=(-2, -1)) / size)
    return {name: torch.stack(each, -1) for name, each in parts.items()}
