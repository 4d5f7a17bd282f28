"""The data of a stack as tensors: the splits of each member, and the batch of each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nup.data.datasets import Dataset
from nup.errors import UserError
from nup.networks.losses import LOSSES
from nup.networks.mlp import generator
from nup.specs import RunSpec

#: A data set, or one for each seed by which runs draw theirs.
Data = Dataset | Mapping[int, Dataset]


class TrainingData:
    """Splits of a stack's data sets as tensors, and the samples of each step's batch.

    Members whose data have equal seeds share theirs. ``sets`` are the different ones, and
    ``set_of`` [E] says which is whose. Of each, by split: ``inputs`` [n, m_0], ``targets``
    [n, m_l], ``labels`` [n] unless it is a regression.
    """

    def __init__(self, specs: Sequence[RunSpec], data: Data, like: Tensor) -> None:
        spec, seeds = specs[0], [each.data.seed for each in specs]
        unique = list(dict.fromkeys(seeds))
        self.sets = [DataTensors(spec, chosen(data, seed), like) for seed in unique]
        self.set_of = torch.tensor([unique.index(seed) for seed in seeds])
        self.samples = len(self.sets[0].inputs["train"])
        self.batch_size = spec.batch_size
        if self.batch_size is not None and not 1 <= self.batch_size <= self.samples:
            raise UserError(
                f"batch_size must be from 1 to n_train = {self.samples}, got {self.batch_size}; "
                "leave it out for full batch"
            )
        drawn = list(dict.fromkeys(each.seed for each in specs))
        self._orders = [generator(seed, "batches") for seed in drawn]
        self._order_of = torch.tensor([drawn.index(each.seed) for each in specs])
        self._shuffled = torch.empty(0, dtype=torch.long)
        self._gathered: tuple[list[int], tuple[Tensor, Tensor]] | None = None

    def of_members(self, members: Tensor, kind: str) -> Mapping[str, Tensor]:
        """``inputs``, ``targets`` or ``labels`` by split: [n, ·] if all share them, else [E, n, ·].

        Those of a split are put together when it is asked for.
        """
        tensors = [getattr(each, kind) for each in self.sets]
        places = self.places(members)

        def of_split(split: str) -> Tensor:
            if len(tensors) == 1:
                return tensors[0][split]
            return torch.stack([tensors[place][split] for place in places])

        return _BySplit(tuple(tensors[0]), of_split)

    def places(self, members: Tensor) -> list[int]:
        """Which of ``sets`` is that of each of these members."""
        return self.set_of[members.cpu()].tolist()

    def batch(self, members: Tensor, indices: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a batch [E, n] of training samples, or of all of them.

        [n, ·] if all members share them, else [E, n, ·].
        """
        if indices is None or not indices.shape[1]:
            return self._everything(members)
        if len(self.sets) == 1:
            only = self.sets[0]
            return only.inputs["train"][indices], only.targets["train"][indices]
        rows = list(zip(self.places(members), indices, strict=True))
        inputs = torch.stack([self.sets[place].inputs["train"][row] for place, row in rows])
        targets = torch.stack([self.sets[place].targets["train"][row] for place, row in rows])
        return inputs, targets

    def _everything(self, members: Tensor) -> tuple[Tensor, Tensor]:
        """All training samples, put together once for the same members."""
        places = self.places(members)
        if self._gathered is None or self._gathered[0] != places:
            inputs, targets = (
                self.of_members(members, kind)["train"] for kind in ("inputs", "targets")
            )
            self._gathered = places, (inputs, targets)
        return self._gathered[1]

    def order(self) -> dict[str, Any]:
        """How far the shuffling of samples has come, for a snapshot."""
        return {
            "states": [each.get_state() for each in self._orders],
            "shuffled": self._shuffled,
        }

    def resume(self, order: Mapping[str, Any]) -> None:
        """Go on shuffling from where the data of the same runs were by their ``order``."""
        for each, state in zip(self._orders, order["states"], strict=True):
            each.set_state(state)
        self._shuffled = order["shuffled"]

    def indices(self, steps: range, members: Tensor) -> Tensor:
        """Samples of the batches of consecutive steps, [E, T, batch_size]; size 0 if full batch.

        Shuffled by the run's seed. The steps are to be asked for in their order, from the first one
        or from where ``resume`` went on.
        """
        if self.batch_size is None:
            return torch.empty(len(members), len(steps), 0, dtype=torch.long)
        per_epoch = self.samples // self.batch_size
        found = []
        for step in steps:
            place = step % per_epoch
            if place == 0:
                draws = [torch.randperm(self.samples, generator=order) for order in self._orders]
                self._shuffled = torch.stack(draws)
            found.append(self._shuffled[:, place * self.batch_size :][:, : self.batch_size])
        return torch.stack(found, 1)[self._order_of[members.cpu()]]


class DataTensors:
    """The splits of one data set as tensors; targets are one-hot for cross-entropy."""

    def __init__(self, spec: RunSpec, dataset: Dataset, like: Tensor) -> None:
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


class _BySplit(Mapping[str, Tensor]):
    """Tensors by split, made when they are asked for."""

    def __init__(self, splits: tuple[str, ...], of_split: Callable[[str], Tensor]) -> None:
        self._splits, self._of_split = splits, of_split

    def __getitem__(self, split: str) -> Tensor:
        if split not in self._splits:
            raise KeyError(split)
        return self._of_split(split)

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)


def chosen(data: Data, seed: int) -> Dataset:
    """The data set that runs whose data have this seed train on."""
    if isinstance(data, Dataset):
        return data
    return data[seed]


def _tensor(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like)
