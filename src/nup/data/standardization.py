"""Standardization of inputs and targets.

Every input vector is scaled so that its RMS over coordinates is 1; the option ``centered`` first
subtracts the mean of the training inputs. Targets (one-hot for classes) are centred and scaled to
unit variance per output, both by the training split alone. [operational]
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nup.errors import UserError
from nup.specs import DataSpec

FloatArray = npt.NDArray[np.float64]


def unit_rms(inputs: FloatArray, name: str, samples: npt.NDArray[np.int64]) -> FloatArray:
    """Inputs [n, d_in] with every row scaled to RMS 1.

    ``samples`` [n] are the rows' numbers in the pool, by which an error names them.

    Raises:
        UserError: an input vector is zero.
    """
    rms = np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
    empty = samples[rms[:, 0] == 0]
    if len(empty):
        raise UserError(
            f"data set {name!r}: expected inputs with at least one coordinate that is not 0, got "
            f"{len(empty)} zero vectors (first: sample {empty.min()}); leave those samples out"
        )
    return np.asarray(inputs / rms)


def unit_variance(targets: FloatArray, train: slice, spec: DataSpec, classes: bool) -> FloatArray:
    """Targets [n, d_out] of mean 0 and variance 1 per output over the rows ``train``.

    Raises:
        UserError: an output is constant over those rows.
    """
    mean, deviation = targets[train].mean(axis=0), targets[train].std(axis=0)
    constant = np.flatnonzero(deviation == 0)
    if len(constant):
        what = "class" if classes else "output"
        raise UserError(
            f"data set {spec.name!r}: expected every {what} to vary over the training split, but "
            f"{what} {constant[0]} is constant over its {len(targets[train])} samples (seed "
            f"{spec.seed}); raise n_train or choose another seed"
        )
    return np.asarray((targets - mean) / deviation)
