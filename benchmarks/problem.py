"""The training problems that every peer solves, from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nup.data import datasets
from nup.data.datasets import Dataset
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import Parameterization, parameterization
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training.observables import cadences

Array = npt.NDArray[Any]

#: What every peer records at every step, and nothing else.
EVERY_STEP = cadences(steps=1, layers=1, curvature=0, taylor=0, probe=0, features=0)


@dataclass(frozen=True)
class Shape:
    """A net shape with E = ``rates`` · ``seeds`` runs of it, of full batches of ``samples``.

    The rates are ``top_rate`` and its halves.
    """

    name: str
    parameterization: str
    depth: int
    width: int
    options: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 256
    rates: int = 8
    seeds: int = 4
    top_rate: float = 2.0**-4

    @property
    def members(self) -> int:
        """E, the number of runs."""
        return self.rates * self.seeds

    @property
    def data(self) -> DataSpec:
        """A regression, 64 → 10; small held-out sets, since only training is timed."""
        options = {"samples": 2048, "width": 64, "d_in": 64, "d_out": 10}
        return DataSpec("teacher", self.samples, 16, 16, 16, options=options)

    @property
    def net(self) -> Parameterization:
        """The resolved parameterization."""
        d_in, d_out = datasets.dimensions(self.data)
        return parameterization(
            self.parameterization,
            depth=self.depth,
            width=self.width,
            d_in=d_in,
            d_out=d_out,
            **self.options,
        )

    @property
    def flops(self) -> float:
        """Operations that a step of one run cannot do without, those of its matrix products.

        Forward, weight gradients and input gradients, of which the first layer needs none.
        """
        net = self.net
        first = net.widths[0] * net.widths[1]
        return 2.0 * self.samples * (3 * net.n_parameters - first)

    def runs(self) -> Iterator[RunSpec]:
        """The specification of every run; its number of steps is to be replaced."""
        for rate in range(self.rates):
            for seed in range(self.seeds):
                yield RunSpec(
                    experiment="benchmark",
                    data=self.data,
                    parameterization=self.parameterization,
                    depth=self.depth,
                    width=self.width,
                    activation="relu",
                    schedule=ScheduleSpec(),
                    learning_rate=self.top_rate * 2.0**-rate,
                    seed=seed,
                    steps=0,
                    options=self.options,
                    record=EVERY_STEP,
                )


@dataclass(frozen=True)
class Problem:
    """The part ``index`` of ``parts`` of a shape's runs, as plain arrays.

    The network is h_k = gain_k W_k φ̂(h_{k-1}) with φ̂ = max(0, ·), where gain_1 = 1 and the others
    √2, which makes φ(s) = (s+|s|)/√2; f = γ h_l; the loss (1/2n) Σ|f − y|²; the update
    W_k ← W_k − η c_k ∂L/∂W_k.
    """

    shape: Shape
    index: int = 0
    parts: int = 1
    dtype: str = "float32"
    device: str = "cpu"

    def tensor(self, values: Array) -> torch.Tensor:
        """A copy of the values on the device."""
        return torch.tensor(values, device=self.device)

    @cached_property
    def runs(self) -> list[RunSpec]:
        """Specifications of the runs."""
        dealt = list(self.shape.runs())[self.index :: self.parts]
        return [replace(run, dtype=self.dtype) for run in dealt]

    @cached_property
    def dataset(self) -> Dataset:
        """Inputs and targets of all splits."""
        return datasets.load(self.shape.data)

    @cached_property
    def inputs(self) -> Array:
        """Training inputs. [n, d_in]"""
        return self.dataset.inputs["train"].astype(self.dtype)

    @cached_property
    def targets(self) -> Array:
        """Training targets. [n, d_out]"""
        return self.dataset.targets["train"].astype(self.dtype)

    @property
    def rates(self) -> Array:
        """η of every run. [E]"""
        return np.array([run.learning_rate for run in self.runs], self.dtype)

    @property
    def net(self) -> Parameterization:
        """Widths, γ and the factors c_k."""
        return self.shape.net

    @property
    def gains(self) -> list[float]:
        """gain_k of every layer."""
        return [1.0] + [2.0**0.5] * (self.net.depth - 1)

    def weights(self) -> list[Array]:
        """Initial W_k of every run, freshly allocated. [E, m_k, m_{k-1}]"""
        chosen = [run.seed for run in self.runs]
        return [np.stack(layer)[chosen] for layer in zip(*self._drawn, strict=True)]

    @cached_property
    def _drawn(self) -> list[list[Array]]:
        """Initial W_k of every seed."""
        dtype = getattr(torch, self.dtype)
        return [
            [weight[0].numpy() for weight in initial_weights(self.net, [seed], dtype=dtype)]
            for seed in range(self.shape.seeds)
        ]
