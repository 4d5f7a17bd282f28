"""Gradient scalings: from the signals of a step to ξ_k, for all members of a stack.

Training forms U_k = c_k ξ_k ∂L/∂W_k. Each scaling is one module of this package, or part of a
plug-in: a rule, the signals that it requires, and what it remembers of the first step. What a rule
returns is clipped, by one rule for all (``clipped``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nup.registry import Entry, Option, Registry, Value

if TYPE_CHECKING:
    from torch import Tensor

#: Signals that a scaling may require beside the gradient.
FEATURES, COTANGENTS = "features", "cotangents"


@dataclass
class Signals:
    """What a gradient scaling may look at in one step, for all members, on the step's batch.

    ``gradients`` ∂L/∂W_k [E, m_k, m_{k-1}]; ``features`` x_{k-1} [E, n, m_{k-1}] and ``cotangents``
    ∂L/∂h_k [E, n, m_k], each present if required; ``factors`` c_k; ``options`` are those of the
    scaling; ``initial`` is what its ``start`` returned at the first step, None without one.
    """

    gradients: list[Tensor]
    features: list[Tensor]
    cotangents: list[Tensor]
    factors: tuple[float, ...]
    options: Mapping[str, Value] = field(default_factory=dict)
    initial: Any = None


Rule = Callable[[Signals], "Tensor"]

#: ξ stays between this and its inverse: generous, so that only a layer whose signal all but
#: vanishes or explodes meets it. [operational]
LIMIT = 2.0**20


def clipped(scales: Tensor) -> Tensor:
    """ξ as it is used: within 1/``LIMIT`` and ``LIMIT``, and 1 where it is no positive number.

    A layer without signal has ratios such as 0/0, and no gradient to scale. [operational]
    """
    import torch

    usable = torch.isfinite(scales) & (scales > 0)
    return torch.where(usable, scales.clamp(1 / LIMIT, LIMIT), torch.ones_like(scales))


@dataclass(frozen=True)
class Scaling(Entry):
    """A registered gradient scaling.

    Args:
        rule: ξ [E, l] from signals; None: ξ is 1.
        requires: of ``features`` and ``cotangents`` those that it looks at.
        start: what it remembers of the signals of the first step: tensors with leading axis E.
        operations: of its products of matrices in a step, from widths m_0 … m_l and samples.
    """

    rule: Rule | None = field(kw_only=True)
    requires: tuple[str, ...] = field(default=(), kw_only=True)
    start: Callable[[Signals], Any] | None = field(default=None, kw_only=True)
    operations: Callable[[Sequence[int], int], float] | None = field(default=None, kw_only=True)

    @property
    def summary(self) -> str:
        """First line of the rule's documentation."""
        return super().summary or "ξ = 1."


SCALINGS: Registry[Scaling] = Registry("gradient scaling", __name__)


def register(
    *,
    requires: tuple[str, ...] = (),
    start: Callable[[Signals], Any] | None = None,
    operations: Callable[[Sequence[int], int], float] | None = None,
    **options: Option,
) -> Callable[[Rule], Rule]:
    """Register the decorated rule under its own name.

    ``requires`` names the signals that it looks at beside the gradients: ``features``,
    ``cotangents``; ``start`` and ``operations`` are those of ``Scaling``.
    """
    if unknown := set(requires) - {FEATURES, COTANGENTS}:
        raise ValueError(f"requires: expected 'features' or 'cotangents', got {sorted(unknown)}")
    return SCALINGS.decorator(
        Scaling, options=options, requires=requires, start=start, operations=operations
    )
