"""The columns that say what a row of a table belongs to, alike in every table that has them."""

from __future__ import annotations

from typing import Any

from nup.networks.activations import activation
from nup.networks.parameterization import Parameterization
from nup.specs import InitSpec, PhaseSpec, RunSpec, canonical_json
from nup.training import optimizers, schedules


def of_run(spec: RunSpec, net: Parameterization) -> dict[str, Any]:
    """Columns of the table ``runs`` that say what a run is."""
    optimizer = optimizers.label(spec.optimizer)
    return {
        **of_net(spec, net),
        "net": net_label(net, optimizer, spec.matched_to),
        "batch_size": spec.batch_size,
        "schedule": schedules.label(spec.schedule),
        "schedule_name": spec.schedule.name,
        "schedule_options": canonical_json(spec.schedule.options),
        "gradient_scaling": schedules.scaling_label(spec.schedule),
        "scaling_options": canonical_json(spec.schedule.scaling_options),
        "optimizer": optimizer,
        "optimizer_options": canonical_json(spec.optimizer.options),
        "data_options": canonical_json(spec.data.options),
        "edge": spec.edge,
        "trial": 0 if spec.trial is None else spec.trial.number,
        "steps": spec.steps,
    }


def of_net(spec: RunSpec | PhaseSpec, net: Parameterization) -> dict[str, Any]:
    """Columns of the data set, the loss, the net and its initialization."""
    return {
        "experiment": spec.experiment,
        "dataset": spec.data.name,
        "n_train": spec.data.n_train,
        "data_seed": spec.data.seed,
        "loss_name": spec.loss,
        **of_shape(spec, net),
        "net": net_label(net, matched_to=spec.matched_to),
        "base_width": spec.base_width or spec.width,
        "width": spec.width,
        "matched_to": spec.matched_to,
        "n_parameters": net.n_parameters,
        "seed": spec.seed,
        "dtype": spec.dtype,
    }


def of_shape(spec: RunSpec | PhaseSpec | InitSpec, net: Parameterization) -> dict[str, Any]:
    """Columns of the parameterization, the activation and the initial weights."""
    return {
        "parameterization": spec.parameterization,
        "net": net_label(net),
        "net_options": canonical_json(net.options),
        "width_exponent": net.width_exponent,
        "depth": spec.depth,
        "activation": spec.activation,
        "delta_phi": activation(spec.activation).delta_phi,
        "weight_variance": spec.weight_variance,
    }


def net_label(net: Parameterization, optimizer: str = "sgd", matched_to: str = "") -> str:
    """How a net is built and trained: ``nup(r=2)``, ``sp+adamw matched to nup(r=2)``."""
    trained = "" if optimizer == "sgd" else f"+{optimizer}"
    match = f" matched to {matched_to}" if matched_to else ""
    return f"{net.label}{trained}{match}"
