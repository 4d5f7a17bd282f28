"""What synthetic tables share: complete frames, nets and runs with the columns of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nup.specs.identity import canonical_json
from nup.tables import schema

NUP = "nup(r=2)"
MATCHED = f"mup matched to {NUP}"
CONTROL = f"nup(r=0) matched to {NUP}"
MIDDLE = f"nup(r=1) matched to {NUP}"
SEEDS = tuple(range(8))


def complete(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame with every column of the table ``name``; what ``rows`` do not give is null."""
    columns = {
        label: pd.Series([row.get(label) for row in rows], dtype=_dtype(column.type, label, name))
        for label, column in schema.TABLES[name].items()
    }
    return pd.DataFrame(columns)


def _dtype(arrow_type: str, label: str, name: str) -> str:
    if arrow_type == "string":
        return "str"
    if arrow_type == "bool":
        return "bool" if label in schema.REQUIRED[name] else "boolean"
    if arrow_type.startswith("int") and label not in schema.REQUIRED[name]:
        return "float64" if label == "batch_size" else "Int64"
    return arrow_type


def net_columns(net: str) -> dict[str, Any]:
    """``nup(r=2,scale=kernel)`` or ``sp+adamw matched to nup(r=2)`` as columns of ``runs``."""
    name, _, matched_to = net.partition(" matched to ")
    name, _, optimizer = name.partition("+")
    name, _, listed = name.partition("(")
    given = dict(pair.split("=") for pair in listed.rstrip(")").split(",") if pair)
    exponent = float(given.get("r", 0))
    options = {"normalize": "input", "scale": "base", **given, "r": exponent} if given else {}
    return {
        "net": net,
        "parameterization": name,
        "net_options": canonical_json(options),
        "width_exponent": exponent,
        "matched_to": matched_to,
        "optimizer": optimizer or "sgd",
        "optimizer_options": "{}",
        "base_width": 16,
        "width": 40 if matched_to else 16,
    }


def schedule_columns(name: str, c: float | None = None, scaling: str = "none") -> dict[str, Any]:
    """A schedule, with its constant if it has one, as columns of ``runs``."""
    label = name if c is None else f"{name}(c={c:g})"
    return {
        "schedule": label if scaling == "none" else f"{label}+{scaling}",
        "schedule_name": name,
        "schedule_options": canonical_json({} if c is None else {"c": float(c)}),
        "gradient_scaling": scaling,
    }


def in_regime(
    tables: Mapping[str, pd.DataFrame], loss_name: str, batch_size: int | None
) -> dict[str, pd.DataFrame]:
    """The tables as if their runs had this loss and batch size, under ids of their own."""
    prefix = f"{loss_name}-{batch_size}-"
    found = {
        name: table.assign(run_id=prefix + table["run_id"])
        for name, table in tables.items()
        if name in ("runs", "steps", "layers")
    }
    found["runs"] = found["runs"].assign(
        loss_name=loss_name,
        batch_size=pd.Series(batch_size, index=found["runs"].index, dtype="float64"),
    )
    return found


def together(*parts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables with the rows of all ``parts``."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: pd.concat([part[name] for part in parts if name in part], ignore_index=True)
        for name in names
    }


def run_columns(
    experiment: str, activation: str, net: str, depth: int, seed: int, rate: float | None
) -> dict[str, Any]:
    """A finished, stable run at a constant rate without gradient scaling."""
    return {
        **net_columns(net),
        "run_id": f"{experiment}-{activation}-{net}-{depth}-{seed}-{rate}",
        "experiment": experiment,
        "dataset": "digits",
        "loss_name": "mse",
        "dtype": "float32",
        "depth": depth,
        "activation": activation,
        **schedule_columns("constant"),
        "learning_rate": rate,
        "seed": seed,
        "steps": 200,
        "status": "ok",
        "stable": True,
        "null_loss": 0.5,
        "initial_loss": 0.6,
        "late_loss": 0.1,
    }
