"""Which values the columns of tables can have, beyond their types: the laws that rows must keep."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nup.tables.schema import TABLES

if TYPE_CHECKING:
    import pyarrow

#: Rounding of single precision, generously.
_SLACK = 1e-3
_MOST = sys.float_info.max
_FINITE, _POSITIVE, _COUNT = (-_MOST, _MOST), (0.0, _MOST), (1, math.inf)
_SHARE, _COSINE, _RANK = (0.0, 1.0), (-1 - _SLACK, 1 + _SLACK), (1 - _SLACK, _MOST)

#: Least and largest value by table and column. A null is in every range.
RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "runs": {
        **dict.fromkeys(
            ("null_loss", "initial_loss", "late_loss", "final_loss", "min_loss", "max_loss"),
            _POSITIVE,
        ),
        **dict.fromkeys(("validation_loss", "flops", "wall_time_s"), _POSITIVE),
        **dict.fromkeys(("train_accuracy", "validation_accuracy", "test_accuracy"), _SHARE),
        **dict.fromkeys(("initial_sharpness", "final_sharpness"), _FINITE),
        **dict.fromkeys(("learning_rate", "edge", "width_exponent"), _FINITE),
        **dict.fromkeys(("depth", "width", "n_train", "n_parameters", "steps"), _COUNT),
        "delta_phi": _SHARE,
        "last_step": (-1, math.inf),  # −1: not even the first state had a finite loss
    },
    "steps": {
        "step": (0, math.inf),
        "flops": _POSITIVE,
        "loss": (0.0, math.inf),  # one that diverges may exceed single precision
        **dict.fromkeys(("validation_accuracy", "test_accuracy"), _SHARE),
        **dict.fromkeys(("cosine", "ntk_alignment"), _COSINE),
        **dict.fromkeys(("update_norm", "displacement"), (0.0, math.inf)),
    },
    "layers": {
        "step": (0, math.inf),
        "layer": _COUNT,
        **dict.fromkeys(("cosine", "alignment"), _COSINE),
        **dict.fromkeys(("soft_rank", "cosine_rank", "gram_rank", "stable_rank"), _RANK),
        **dict.fromkeys(("update_norm", "preactivation_rms", "evolution"), (0.0, math.inf)),
    },
    "init": {
        "layer": _COUNT,
        "delta_phi": _SHARE,
        **dict.fromkeys(("cosine", "cosine_theory"), _COSINE),
        **dict.fromkeys(("forward_theory", "backward_theory"), _FINITE),
        **dict.fromkeys(("ntk_error", "ntk_top", "ntk_top_limit", "ntk_condition"), _POSITIVE),
    },
    "phases": {
        "delta_phi": _SHARE,
        **dict.fromkeys(("c", "learning_rate", "lowest_c", "highest_c"), _POSITIVE),
        "initial_sharpness": _FINITE,
    },
    "claims": {"n_seeds": (0, math.inf)},
    "readings": {"n_seeds": (0, math.inf)},
}


def violations(name: str, table: pyarrow.Table) -> list[str]:
    """What the rows of a table cannot be: a line for each column, and for each broken law.

    Args:
        name: of the table.
        table: some or all of its columns.
    """
    import pyarrow.compute as pc

    assert name in TABLES, name
    found = []
    for label, (low, high) in RANGES[name].items():
        if label not in table.column_names:
            continue
        column = table[label].drop_null()
        inside = pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high))  # NaN is not
        if outside := len(column) - (pc.sum(inside).as_py() or 0):
            worst = column.filter(pc.invert(inside))[0].as_py()
            found.append(
                f"column {label!r}: expected values {_range(low, high)}, got {outside} others, "
                f"such as {worst!r}"
            )
    return found + (_status(table) if name == "runs" else [])


def _range(low: float, high: float) -> str:
    if low == -_MOST:
        return "that are finite"
    return f"from {low:g} to {high:g}" if high < _MOST else f"from {low:g} on"


def _status(table: pyarrow.Table) -> list[str]:
    """A run ends at its last step with a final loss, or diverges before and says why."""
    laws = []
    names = ("run_id", "status", "reason", "last_step", "steps", "final_loss", "late_loss")
    for row in table.select(names).to_pylist():
        ended = row["last_step"] == row["steps"] and None not in (
            row["final_loss"],
            row["late_loss"],
        )
        whole = {"ok": ended, "diverged": row["final_loss"] is None and bool(row["reason"])}
        if not whole.get(row["status"], False):
            laws.append(row["run_id"])
    if not laws:
        return []
    return [
        f"{len(laws)} runs, such as {laws[0]}: expected status ok with a final loss at the last "
        "step, or diverged with a reason and without one"
    ]
