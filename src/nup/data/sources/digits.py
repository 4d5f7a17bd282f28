"""The handwritten digits that scikit-learn ships."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nup.data.sources import Options, Samples, Shape, register
from nup.errors import UserError


@register("digits", Shape(64, 10, 1797))
def digits(options: Options, seed: int) -> Samples:  # noqa: ARG001
    """The 1,797 handwritten digits of 8×8 pixels that scikit-learn ships.

    Raises:
        UserError: scikit-learn is not installed.
    """
    return _read()


@lru_cache(maxsize=1)  # one pool serves all splits
def _read() -> Samples:
    # Its file is read as ``load_digits`` does, without importing the package: that takes longer
    # than all else a small job does before it trains.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise UserError(
            "data set 'digits': expected scikit-learn, whose file it is, but it is not installed; "
            "pip install 'nup[study]', or take a data set that needs no file, as teacher"
        )
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    return Samples(table[:, :-1], labels=table[:, -1].astype(np.int64))
