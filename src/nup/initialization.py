"""Networks at their initialization, held against infinite-width theory layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nup import kernels, theory
from nup.activations import Activation, activation
from nup.data import Dataset
from nup.ensemble import Network, Trace, initial_weights
from nup.losses import MeanSquaredError
from nup.parameterization import Parameterization, parameterization
from nup.specification import InitSpec

#: Columns of the net's NTK, null in all other rows.
_OF_THE_NET = ("ntk_error", "ntk_distance_error", "ntk_condition", "ntk_condition_limit")


def measure(specs: Sequence[InitSpec], dataset: Dataset) -> dict[str, list[Any]]:
    """Columns of the init table, one row per spec and layer, in float64 on the probe set.

    What belongs to a net as a whole (its NTK) stands in the row of its last layer.
    """
    columns: dict[str, list[Any]] = {}
    for spec in specs:
        shape = parameterization(
            spec.parameterization,
            depth=spec.depth,
            width=spec.width,
            d_in=dataset.d_in,
            d_out=dataset.d_out,
            **spec.options,
        )
        phi = activation(spec.activation)
        for row in _rows(spec, shape, phi, dataset):
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    return columns


def _rows(
    spec: InitSpec, shape: Parameterization, phi: Activation, dataset: Dataset
) -> list[dict[str, Any]]:
    network = Network(shape, phi)
    weights = initial_weights(shape, [spec.seed], spec.weight_variance, torch.float64)
    inputs, targets = dataset.inputs["probe"], dataset.targets["probe"]
    trace = network.forward(weights, torch.from_numpy(inputs))
    cotangent = MeanSquaredError().cotangent(network.outputs(trace), torch.from_numpy(targets))
    deltas = network.backward(weights, trace, cotangent)
    pairs = np.triu_indices(len(inputs), 1)
    input_cosines = (inputs @ inputs.T / inputs.shape[1])[pairs]
    expected = theory.layer_cosines(input_cosines, phi, shape.depth).mean(-1)
    log_variance = float(np.log(spec.weight_variance))
    factors = {
        "experiment": spec.experiment,
        "parameterization": spec.parameterization,
        "width_exponent": shape.width_exponent,
        "depth": spec.depth,
        "base_width": spec.width,
        "activation": phi.name,
        "delta_phi": phi.delta_phi,
        "weight_variance": spec.weight_variance,
        "seed": spec.seed,
    }
    rows = [
        factors
        | dict.fromkeys(_OF_THE_NET)
        | {
            "layer": layer,
            "forward_log_norm": float(trace.preactivations[layer - 1].square().mean().sqrt().log()),
            "forward_theory": layer / 2 * log_variance,
            "backward_log_norm": float((deltas[layer - 1].norm() / deltas[-1].norm()).log()),
            "backward_theory": (shape.depth - layer) / 2 * log_variance,
            "cosine": _mean_cosine(trace, layer, pairs),
            "cosine_theory": float(expected[layer - 1]),
        }
        for layer in range(1, shape.depth + 1)
    ]
    if spec.kernel:
        rows[-1] |= kernels.measure(network, weights, trace, inputs, spec.seed)
    return rows


def _mean_cosine(trace: Trace, layer: int, pairs: tuple[Any, Any]) -> float:
    h = trace.preactivations[layer - 1][0]
    unit = h / h.norm(dim=-1, keepdim=True)
    return float((unit @ unit.T)[pairs].mean())
