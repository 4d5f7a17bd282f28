"""The state of a stack in training: an immutable tree of tensors, all with leading axis E."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._pytree import tree_map


class State(NamedTuple):
    """The runs of a stack that have not diverged: E members with N weights each."""

    members: Tensor  # indices at the start
    parameters: Tensor  # W_1 … W_l end to end [E, N]
    displacement: Tensor  # θ_t − θ_0 [E, N]
    moments: tuple[Tensor, ...]  # of the optimizer, each [E, N]
    learning_rate: Tensor  # η given; NaN where the schedule finds it
    options: dict[str, Tensor]  # of the schedule
    previous: Tensor  # η_{t−1}; NaN before the first step
    limit: Tensor  # loss beyond which a run has diverged
    sharpness: Tensor  # start vectors of λ_t [E, 2, n·d_out]
    hessian: Tensor  # the same of the Hessian [E, 2, N], or [E, 2, 0] if unused
    scaling: Any  # what the gradient scaling remembers
    memories: dict[str, Any]  # what observables remember, by name
    flops: Tensor  # operations that the updates so far needed


def keep(state: State, chosen: Tensor) -> State:
    """The members at these indices."""
    kept: State = tree_map(lambda leaf: leaf[chosen], state)
    return kept
