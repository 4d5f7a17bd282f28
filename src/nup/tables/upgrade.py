"""Older tables read as today's: columns that came later are derived where possible, else null.

Tables that earlier versions wrote lack the columns ``net``, ``net_options``, ``schedule_options``,
``optimizer_options``, ``data_options`` and ``backend``, have a column ``schedule_c``, label a
schedule ``sharpness(2.5)``, and name two readings of νP as parameterizations of their own. The
derivations below hold for what those versions could train, so they name their parameterizations and
schedules and never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nup.specs.identity import canonical_json
from nup.tables.schema import REQUIRED, TABLES

if TYPE_CHECKING:
    import pyarrow

#: Parameterizations that had one option, the exponent r of their width pattern, with the scale that
#: made them three. A net that matches the size of another had its own width as scale.
_SCALES = {"nup": "base", "nup_last_width": "last", "nup_kernel_scale": "kernel"}
#: Schedules that had one option, c, or none.
_WITH_C, _WITHOUT_OPTIONS = ("sharpness", "taylor"), ("constant",)
#: Options of AdamW where none were given.
_ADAMW = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-08, "weight_decay": 0.01}
_OPTIMIZERS = {"sgd": {}, "adamw": _ADAMW}


#: Columns that tables had once and have no more.
_DROPPED = ("schedule_c", "aspect", "judged", "substitution", "depths")


def outdated(name: str, given: list[str]) -> bool:
    """Whether a table ``name`` with the columns ``given`` was written by an earlier version.

    An older table lacks optional columns only, and has no column that no version ever had.
    """
    absent = set(TABLES[name]) - set(given)
    unknown = set(given) - set(TABLES[name]) - set(_DROPPED)
    return bool(absent or set(given) & set(_DROPPED)) and not (
        unknown or absent & set(REQUIRED[name])
    )


def sources(name: str, given: list[str], wanted: list[str]) -> list[str]:
    """The columns of ``given`` to read for those that are wanted: all where some are derived."""
    derived = "parameterization" in given
    return [label for label in given if derived or label in wanted or label in REQUIRED[name]]


def upgraded(table: pyarrow.Table, wanted: pyarrow.Schema) -> pyarrow.Table:
    """An older table with the columns of ``wanted`` in their order.

    Args:
        table: as read from the file, for which ``outdated`` holds.
        wanted: schema of the table today.

    Returns:
        The table with derived columns; a column that cannot be derived is null.
    """
    import pyarrow

    columns = {label: table[label] for label in table.column_names}
    if "parameterization" in columns and "net" not in columns:
        columns |= _derived(table)
    rows = table.num_rows
    arrays = [
        pyarrow.array(columns[field.name], field.type)
        if isinstance(columns.get(field.name), list)
        else columns.get(field.name, pyarrow.nulls(rows, field.type))
        for field in wanted
    ]
    return pyarrow.Table.from_arrays(arrays, schema=wanted)


def _derived(table: pyarrow.Table) -> dict[str, list[str | None]]:
    """The columns that follow from those of an older table ``runs``, ``init`` or ``phases``."""

    def column(label: str, default: Any) -> list[Any]:
        present = label in table.column_names
        return table[label].to_pylist() if present else [default] * table.num_rows

    names, exponents = column("parameterization", ""), column("width_exponent", None)
    optimizers, matches = column("optimizer", "sgd"), column("matched_to", "")
    options = [_net_options(*row) for row in zip(names, exponents, matches, strict=True)]
    names = ["nup" if name in _SCALES else name for name in names]
    nets = zip(names, options, optimizers, matches, strict=True)
    found: dict[str, list[str | None]] = {
        "parameterization": names,
        "net": [_net(*row) for row in nets],
        "net_options": [_json(each) for each in options],
    }
    if "schedule_name" in table.column_names:
        constants = column("schedule_c", None)
        schedules = list(zip(column("schedule_name", ""), constants, strict=True))
        scalings = column("gradient_scaling", "none")
        found |= {
            "schedule": [
                _schedule(label, *schedule, scaling)
                for label, schedule, scaling in zip(
                    column("schedule", None), schedules, scalings, strict=True
                )
            ],
            "schedule_options": [_json(_schedule_options(*schedule)) for schedule in schedules],
            "optimizer_options": [_json(_OPTIMIZERS.get(label)) for label in optimizers],
        }
    return found


def _net_options(name: str, exponent: float | None, matched_to: str | None) -> dict[str, Any]:
    """Every option of a net's parameterization, as today's family of readings names them."""
    if name not in _SCALES or exponent is None:
        return {}
    scale = "own" if name == "nup" and matched_to else _SCALES[name]
    return {"normalize": "input", "r": float(exponent), "scale": scale}


def _net(
    name: str, options: Mapping[str, Any], optimizer: str | None, matched_to: str | None
) -> str:
    """``nup(r=2)``, ``nup(r=2,scale=last)``, ``sp+adamw matched to nup(r=2)``."""
    shown = [f"r={options['r']:g}"] if options else []
    shown += [f"scale={options['scale']}"] if options.get("scale", "base") != "base" else []
    pattern = f"({','.join(shown)})" if shown else ""
    trained = "" if optimizer in (None, "", "sgd") else f"+{optimizer}"
    match = f" matched to {matched_to}" if matched_to else ""
    return f"{name}{pattern}{trained}{match}"


def _schedule(label: str | None, name: str, c: float | None, scaling: str) -> str | None:
    if name not in _WITH_C or c is None:
        return label
    return f"{name}(c={c:g})" + ("" if scaling == "none" else f"+{scaling}")


def _schedule_options(name: str, c: float | None) -> dict[str, float] | None:
    """Options of a schedule; None for one whose options were not recorded."""
    if name in _WITH_C and c is not None:
        return {"c": float(c)}
    return {} if name in _WITHOUT_OPTIONS else None


def _json(options: dict[str, Any] | None) -> str | None:
    return None if options is None else canonical_json(options)
