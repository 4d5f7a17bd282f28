"""Networks at their initialization, held against infinite-width theory layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nup.data.datasets import Dataset
from nup.initialization import ntk
from nup.networks import theory
from nup.networks.activations import Activation, activation
from nup.networks.derivatives import Objective, backpropagate
from nup.networks.losses import MeanSquaredError
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import Parameterization, net_of
from nup.specs import InitSpec, canonical_json
from nup.training import snapshots
from nup.training.snapshots import Follower

#: Columns of each layer, and of the net's NTK; null in rows that do not measure them.
_MEASURED = (
    "forward_log_norm",
    "forward_theory",
    "backward_log_norm",
    "backward_theory",
    "cosine",
    "cosine_theory",
    "ntk_error",
    "ntk_top",
    "ntk_top_limit",
    "ntk_distance_error",
    "ntk_condition",
    "ntk_condition_limit",
)


def measure(
    specs: Sequence[InitSpec], dataset: Dataset, keeper: Follower | None = None
) -> dict[str, list[Any]]:
    """Columns of the init table, one row per spec and layer, in float64 on the probe set.

    What belongs to a net as a whole (its NTK) stands in the row of its last layer, which is the
    only one of a net whose kernel of infinite width alone is asked for. A ``keeper`` is offered the
    nets measured so far after each of them.

    Raises:
        Interrupted: the keeper was told to stop.
    """
    probe = _Probe(dataset)
    drawn = _Drawn()
    snapshot = None if keeper is None else keeper.load()
    rows: dict[int, list[dict[str, Any]]]
    rows = {} if snapshot is None else snapshots.restored(snapshot)
    # Nets that differ in the activation alone have the same weights: one after the other.
    for index in sorted(range(len(specs)), key=lambda index: _weights_key(specs[index])):
        if index in rows:
            continue
        spec = specs[index]
        shape = net_of(spec, dataset.d_in, dataset.d_out)
        network = Network(shape, activation(spec.activation))
        if spec.kernel == "limit":
            limit = ntk.measure_limit(network, probe.inputs, spec.seed)
            rows[index] = [_factors(spec, network) | {"layer": spec.depth} | limit]
        else:
            rows[index] = _rows(spec, network, drawn.of(spec, shape), probe)
        if keeper is not None:
            keeper.offer(partial(snapshots.take, rows))
    columns: dict[str, list[Any]] = {}
    for index in range(len(specs)):
        for row in rows[index]:
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    return columns


def _factors(spec: InitSpec, network: Network) -> dict[str, Any]:
    """What a net is, and its measured columns, still empty."""
    shape, phi = network.parameterization, network.activation
    return {
        "cell_id": spec.id,
        "experiment": spec.experiment,
        "parameterization": spec.parameterization,
        "net": shape.label,
        "net_options": canonical_json(shape.options),
        "width_exponent": shape.width_exponent,
        "depth": spec.depth,
        "base_width": spec.base_width or spec.width,
        "activation": phi.name,
        "delta_phi": phi.delta_phi,
        "weight_variance": spec.weight_variance,
        "seed": spec.seed,
        **dict.fromkeys(_MEASURED),
    }


def _weights_key(spec: InitSpec) -> str:
    """Equal for nets whose weights are drawn alike."""
    shape = [spec.parameterization, dict(spec.options), spec.depth, spec.width]
    return canonical_json([*shape, spec.weight_variance, spec.seed])


class _Drawn:
    """The weights drawn last, kept for the nets that share them."""

    def __init__(self) -> None:
        self._key = ""
        self._weights: list[Tensor] = []

    def of(self, spec: InitSpec, shape: Parameterization) -> list[Tensor]:
        """W_k [1, m_k, m_{k-1}] of a net."""
        key = _weights_key(spec)
        if key != self._key:
            self._key = key
            self._weights = initial_weights(shape, [spec.seed], spec.weight_variance, torch.float64)
        return self._weights


@dataclass
class _Probe:
    """The probe set, and what theory says of it: the same for all seeds of a net."""

    dataset: Dataset

    def __post_init__(self) -> None:
        self.expected_cosines = lru_cache(maxsize=64)(self._expected_cosines)

    @cached_property
    def inputs(self) -> Any:
        """[n, m_0]"""
        return self.dataset.inputs["probe"]

    @cached_property
    def pairs(self) -> tuple[Any, Any]:
        """Indices of the pairs of different samples."""
        return np.triu_indices(len(self.inputs), 1)

    def _expected_cosines(self, phi: Activation, depth: int) -> Any:
        """Mean cosine of h_1 … h_l over pairs, in the limit of infinite width. [l]"""
        cosines = (self.inputs @ self.inputs.T / self.inputs.shape[1])[self.pairs]
        return theory.layer_cosines(cosines, phi, depth).mean(-1)


def _rows(
    spec: InitSpec, network: Network, weights: Sequence[Tensor], probe: _Probe
) -> list[dict[str, Any]]:
    shape, phi = network.parameterization, network.activation
    targets = torch.from_numpy(probe.dataset.targets["probe"])
    objective = Objective(network, MeanSquaredError(), torch.from_numpy(probe.inputs), targets)
    passed = backpropagate(objective, weights, cotangents=True)
    deltas = passed.cotangents
    expected = probe.expected_cosines(phi, shape.depth)
    log_variance = float(np.log(spec.weight_variance))
    factors = _factors(spec, network)
    rows = [
        factors
        | {
            "layer": layer,
            "forward_log_norm": float(
                passed.preactivations[layer - 1].square().mean().sqrt().log()
            ),
            "forward_theory": layer / 2 * log_variance,
            "backward_log_norm": float((deltas[layer - 1].norm() / deltas[-1].norm()).log()),
            "backward_theory": (shape.depth - layer) / 2 * log_variance,
            "cosine": _mean_cosine(passed.preactivations[layer - 1], probe.pairs),
            "cosine_theory": float(expected[layer - 1]),
        }
        for layer in range(1, shape.depth + 1)
    ]
    if spec.kernel == "net":
        rows[-1] |= ntk.measure(network, weights, probe.inputs, spec.seed)
    return rows


def _mean_cosine(preactivations: Tensor, pairs: tuple[Any, Any]) -> float:
    """Mean over pairs of samples of the cosine of preactivations [1, n, m_k]."""
    unit = preactivations[0] / preactivations[0].norm(dim=-1, keepdim=True)
    return float((unit @ unit.T)[pairs].mean())
