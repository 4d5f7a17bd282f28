"""The data of a stack as tensors: its splits, and the batch of each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nup.data.datasets import Dataset
from nup.errors import UserError
from nup.networks.losses import LOSSES
from nup.networks.mlp import generator
from nup.specs import RunSpec


class TrainingData:
    """Splits of a data set as tensors, and the samples of each step's batch."""

    def __init__(self, spec: RunSpec, seeds: Sequence[int], dataset: Dataset, like: Tensor) -> None:
        if spec.loss not in LOSSES:
            raise UserError(f"unknown loss {spec.loss!r}: expected one of {', '.join(LOSSES)}")
        if spec.loss == "cross_entropy" and dataset.labels is None:
            raise UserError(
                f"loss 'cross_entropy' needs classes, and data set {dataset.name!r} is a "
                "regression: use 'mse'"
            )
        self.inputs = {split: _tensor(x, like) for split, x in dataset.inputs.items()}
        self.labels = {
            split: torch.from_numpy(y).to(like.device)
            for split, y in (dataset.labels or {}).items()
        }
        if spec.loss == "cross_entropy":
            hot = torch.nn.functional.one_hot
            self.targets = {
                split: hot(y, dataset.d_out).to(like) for split, y in self.labels.items()
            }
        else:
            self.targets = {split: _tensor(y, like) for split, y in dataset.targets.items()}
        self.samples = self.inputs["train"].shape[0]
        self.batch_size = spec.batch_size
        if self.batch_size is not None and not 1 <= self.batch_size <= self.samples:
            raise UserError(
                f"batch_size must be from 1 to n_train = {self.samples}, got {self.batch_size}; "
                "leave it out for full batch"
            )
        unique = list(dict.fromkeys(seeds))
        self._orders = [generator(seed, "batches") for seed in unique]
        self._order_of = torch.tensor([unique.index(seed) for seed in seeds])
        self._shuffled = torch.empty(0, dtype=torch.long)

    def indices(self, steps: range, members: Tensor) -> Tensor:
        """Samples of the batches of consecutive steps, [E, T, batch_size]; size 0 if full batch.

        Shuffled by seed. The steps are to be asked for in their order.
        """
        if self.batch_size is None:
            return torch.empty(len(members), len(steps), 0, dtype=torch.long)
        per_epoch = self.samples // self.batch_size
        chosen = []
        for step in steps:
            place = step % per_epoch
            if place == 0:
                draws = [torch.randperm(self.samples, generator=order) for order in self._orders]
                self._shuffled = torch.stack(draws)
            chosen.append(self._shuffled[:, place * self.batch_size :][:, : self.batch_size])
        return torch.stack(chosen, 1)[self._order_of[members.cpu()]]


def _tensor(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like)
