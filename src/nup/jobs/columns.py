"""The columns that say what net a row of a table belongs to, alike in every table that has them."""

from __future__ import annotations

from typing import Any

from nup.networks.activations import activation
from nup.networks.parameterization import Parameterization
from nup.specs.specification import PhaseSpec, RunSpec


def of_net(spec: RunSpec | PhaseSpec, net: Parameterization) -> dict[str, Any]:
    """Columns of the data set, the loss, the net and its initialization."""
    return {
        "experiment": spec.experiment,
        "dataset": spec.data.name,
        "n_train": spec.data.n_train,
        "data_seed": spec.data.seed,
        "loss_name": spec.loss,
        "parameterization": spec.parameterization,
        "width_exponent": net.width_exponent,
        "depth": spec.depth,
        "base_width": spec.base_width or spec.width,
        "width": spec.width,
        "matched_to": spec.matched_to,
        "n_parameters": net.n_parameters,
        "activation": spec.activation,
        "delta_phi": activation(spec.activation).delta_phi,
        "weight_variance": spec.weight_variance,
        "seed": spec.seed,
        "dtype": spec.dtype,
    }
