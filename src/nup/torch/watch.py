"""What the paper speaks of, recorded in one's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nup.torch.curvature import Batch, LossFunction, sharpness, soft_rank
from nup.torch.layout import layout_of, signals
from nup.torch.optional import optional

if TYPE_CHECKING:
    import pandas as pd


class Watch:
    """Records the update cosine, e_k, soft ranks and, with a loss, η λ_t, at each optimizer step.

    The optimizer's own hooks see each step: nothing has to be called. All is taken on a probe.

    Args:
        model: of ``mlp`` or ``parameterize``.
        optimizer: whose steps are watched.
        probe: inputs [n, m_0], or inputs and targets.
        loss: of outputs and targets, for the sharpness; needs targets.
        every: steps from one record to the next.

    Attributes:
        records: one row per step: ``step``, ``cosine`` (of the update with the displacement before
            it, over all weights), ``update_norm``, ``displacement``, and by layer ``cosine_k``,
            ``evolution_k`` (‖h_k − h_k(0)‖/‖h_k(0)‖) and ``soft_rank_k`` (of φ(h_k), of the last
            layer h_l); with a loss ``sharpness`` and ``edge`` (η λ_t) before the step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        probe: Tensor | Batch,
        loss: LossFunction | None = None,
        every: int = 1,
    ) -> None:
        self.model, self.optimizer, self.every, self.loss = model, optimizer, every, loss
        self.inputs = probe if isinstance(probe, Tensor) else probe[0]
        self.batch = None if isinstance(probe, Tensor) else probe
        self.records: list[dict[str, float]] = []
        self._layout = layout_of(model)
        self._step = 0
        self._initial = self._weights()
        self._first = self._preactivations()
        self._before: list[Tensor] | None = None
        self._handles = [
            optimizer.register_step_pre_hook(self._pre),
            optimizer.register_step_post_hook(self._post),
        ]

    def before_step(self) -> None:
        """Take down the weights before a step; the optimizer's hook does so by itself."""
        self._before = self._weights()

    def close(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()

    def frame(self) -> pd.DataFrame:
        """``records`` as a table. Needs pandas."""
        found: pd.DataFrame = optional("pandas").DataFrame(self.records)
        return found

    def _weights(self) -> list[Tensor]:
        return [layer.weight.detach().clone() for layer in self._layout.modules(self.model)]

    @torch.no_grad()
    def _preactivations(self) -> list[Tensor]:
        """Outputs of the linear layers on the probe."""
        return signals(self.model, self._layout.modules(self.model), self.inputs)[1]

    def _due(self) -> bool:
        return self._step % self.every == 0

    def _pre(self, *unused: Any) -> None:
        if self._due() and self._before is None:
            self.before_step()

    def _post(self, *unused: Any) -> None:
        if self._due() and self._before is not None:
            self.records.append(self._record(self._before))
        self._before = None
        self._step += 1

    def _record(self, before: list[Tensor]) -> dict[str, float]:
        after = self._weights()
        updates = [new - old for new, old in zip(after, before, strict=True)]
        moved = [old - start for old, start in zip(before, self._initial, strict=True)]
        row: dict[str, float] = {
            "step": self._step,
            "cosine": _cosine(torch.cat([u.flatten() for u in updates]), _flat(moved)),
            "update_norm": float(_flat(updates).norm()),
            "displacement": float(_flat(moved).norm()),
        }
        pairs = zip(updates, moved, self._preactivations(), self._first, strict=True)
        last = len(updates)
        for k, (update, movement, h, first) in enumerate(pairs, 1):
            row[f"cosine_{k}"] = _cosine(update.flatten(), movement.flatten())
            row[f"evolution_{k}"] = float((h - first).norm() / first.norm())
            features = h if k == last else self._activate(h)
            row[f"soft_rank_{k}"] = float(soft_rank(features.flatten(0, -2)))
        if self.loss is not None and self.batch is not None:
            row |= self._edge(before, after)
        return row

    def _activate(self, h: Tensor) -> Tensor:
        activate = getattr(self.model, "activate", torch.relu)
        return activate(h)

    def _edge(self, before: list[Tensor], after: list[Tensor]) -> dict[str, float]:
        """λ at the weights before the step, and η λ with the rate that the step had."""
        assert self.loss is not None and self.batch is not None
        layers = self._layout.modules(self.model)
        with torch.no_grad():
            for layer, weight in zip(layers, before, strict=True):
                layer.weight.copy_(weight)
        try:
            value = sharpness(self.model, self.loss, self.batch, self.optimizer)
        finally:
            with torch.no_grad():
                for layer, weight in zip(layers, after, strict=True):
                    layer.weight.copy_(weight)
        group = self.optimizer.param_groups[0]
        return {
            "sharpness": value,
            "edge": float(group["lr"]) / float(group.get("multiplier", 1.0)) * value,
        }


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([each.flatten() for each in tensors])


def _cosine(one: Tensor, other: Tensor) -> float:
    """Nan where one of them is zero, as before the second step."""
    product = float(one.norm() * other.norm())
    return float(one @ other) / product if product else float("nan")
