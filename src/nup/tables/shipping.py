"""Tables small enough for version control, whose every version stays in the history for ever.

Numbers of steps and layers are rounded to ``BITS`` bits, to 0.4 %, and long runs of most
seeds keep only the steps at which more than the loss and the motion was recorded. A new run of the
study makes the whole tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nup.tables.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

#: Bits of the fraction that a rounded measurement keeps: a relative error of 2⁻⁸ at most.
BITS = 7
#: Bits of what says how exact another column is, of which the power of two is enough.
_COARSE = {"sharpness_residual": 1, "hessian_residual": 1}
#: Tables whose measurements are rounded; all others are shipped as they are.
ROUNDED = ("steps", "layers")
#: Fewer rows than this of a run are shipped whole.
_LONG = 1_000


def rounded(values: np.ndarray, bits: int = BITS) -> np.ndarray:
    """Floats to the nearest with ``bits`` bits of the fraction; what is not finite stays.

    Args:
        values: any shape, float32 or float64.
        bits: at least 1.

    Returns:
        The same shape and dtype.
    """
    fraction = np.finfo(values.dtype).nmant
    integer = np.dtype(f"u{values.dtype.itemsize}")
    dropped = integer.type(fraction - bits)
    half = integer.type(1 << (fraction - bits - 1))
    whole = (((values.view(integer) + half) >> dropped) << dropped).view(values.dtype)
    # The largest finite values would round to infinity.
    return np.where(np.isfinite(values) & np.isfinite(whole), whole, values)


def thinned(table: pd.DataFrame, whole: set[str]) -> pd.DataFrame:
    """A table without rows of long runs in which the fewest columns have values.

    The first and the last step of a run stay.

    Args:
        table: ``steps`` or ``layers``, sorted by run and step.
        whole: ids of the runs that keep every row.
    """
    runs = table["run_id"]
    filled = table.notna().sum(axis=1)
    group = filled.groupby(runs, sort=False)
    step = table["step"].groupby(runs, sort=False)
    ends = (table["step"] == step.transform("min")) | (table["step"] == step.transform("max"))
    short = group.transform("size") < _LONG
    more = filled > group.transform("min")
    return table[short | ends | more | runs.isin(whole)].reset_index(drop=True)


def shipped(name: str, table: pd.DataFrame, whole: set[str] | None = None) -> pd.DataFrame:
    """The table ``name`` as it is shipped.

    Args:
        name: of the table.
        table: its rows.
        whole: ids of the runs that keep every step; None for all.
    """
    if name not in ROUNDED:
        return table
    if whole is not None:
        table = thinned(table, whole)
    floats = [label for label, column in TABLES[name].items() if column.type.startswith("float")]
    return table.assign(
        **{label: rounded(table[label].to_numpy(), _COARSE.get(label, BITS)) for label in floats}
    )
