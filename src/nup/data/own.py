"""A program's own arrays as a data set: checked, standardized, in the splits that they come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nup.data import standardization
from nup.data.datasets import Dataset, Loader
from nup.data.splits import SPLITS
from nup.errors import UserError
from nup.specs import DataSpec

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
#: Inputs [n, d_in] with labels [n] or targets [n] or [n, d_out], of numpy, torch or lists.
Pair = tuple[Any, Any]

NAME = "arrays"
#: Samples of the probe set where none is given.
PROBE = 64


class Given(Loader):
    """Gives one data set, whatever the seed: it was drawn and split by its owner."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset

    def by_seed(self, specs: Iterable[DataSpec]) -> dict[int, Dataset]:
        return {spec.seed: self._dataset for spec in specs}


def dataset(splits: Mapping[str, Pair], standardize: bool = True) -> Dataset:
    """The data set of one's own splits.

    Integers with one axis are labels of the classes 0, 1, …; all else are targets of a regression.
    One training sample stands in for a split that is not given, and the first samples of test,
    validation or training data for the probe set.

    Args:
        splits: ``train``, and any of ``validation``, ``test`` and ``probe``, each a pair of inputs
            [n, d_in] and labels [n] or targets [n] or [n, d_out].
        standardize: scale each input to RMS 1, and targets (one-hot for classes) to mean 0 and
            variance 1 over the training split, as of all data sets; else take them as they are.

    Raises:
        UserError: arrays of other shapes or kinds, values that are not finite, a zero input, or an
            output that does not vary over the training split.
    """
    parts = _completed({split: _pair(split, pair) for split, pair in splits.items()})
    classes = parts["train"][1].dtype == np.int64
    inputs = {split: x for split, (x, _) in parts.items()}
    answers = {split: y for split, (_, y) in parts.items()}
    targets: dict[str, FloatArray] = answers
    if classes:
        outputs = 1 + max(int(each.max()) for each in answers.values())
        targets = {split: np.eye(outputs)[each] for split, each in answers.items()}
    if standardize:
        inputs = {
            split: standardization.unit_rms(each, NAME, np.arange(len(each)))
            for split, each in inputs.items()
        }
        targets = _unit_variance(targets, classes)
    return Dataset(NAME, inputs, targets, answers if classes else None)


def settings(data: Dataset) -> dict[str, Any]:
    """What a study would write under ``data``, for planning: sizes and digest."""
    counts = {f"n_{split}": len(data.inputs[split]) for split in SPLITS}
    options = {"d_in": data.d_in, "d_out": data.d_out, "rows": sum(counts.values())}
    return {"name": NAME, **counts, "options": {**options, "digest": data.digest}}


def _completed(given: dict[str, tuple[FloatArray, Array]]) -> dict[str, tuple[FloatArray, Array]]:
    """All splits, in their order, with others in place of those that are not given."""
    x, y = given["train"]
    for split, (inputs, answers) in given.items():
        alike = answers.dtype == y.dtype and answers.shape[1:] == y.shape[1:]
        if inputs.shape[1] != x.shape[1] or not alike:
            raise UserError(
                f"{split}: expected inputs and targets like those of the training data, "
                f"{_kind(x, y)}; got {_kind(inputs, answers)}"
            )
    held_out = next(given[split] for split in ("test", "validation", "train") if split in given)
    others = dict.fromkeys(SPLITS, (x[:1], y[:1]))
    others["probe"] = (held_out[0][:PROBE], held_out[1][:PROBE])
    return {split: given.get(split, others[split]) for split in SPLITS}


def _unit_variance(targets: Mapping[str, FloatArray], classes: bool) -> dict[str, FloatArray]:
    spec = DataSpec(NAME, len(targets["train"]))
    together = np.concatenate([targets[split] for split in SPLITS])
    scaled = standardization.unit_variance(together, slice(spec.n_train), spec, classes)
    ends = np.cumsum([len(targets[split]) for split in SPLITS])
    return dict(zip(SPLITS, np.split(scaled, ends)[:-1], strict=True))


def _pair(split: str, pair: Pair) -> tuple[FloatArray, Array]:
    """Inputs [n, d_in], and labels [n] in int64 or targets [n, d_out] in float64."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise UserError(f"{split}: expected a pair (x, y), got {type(pair).__name__}")
    x, y = (_array(split, each) for each in pair)
    if x.ndim != 2 or x.shape[1] == 0 or y.ndim not in (1, 2) or len(x) != len(y) or not len(x):
        raise UserError(
            f"{split}: expected inputs [n, d_in] and labels [n] or targets [n, d_out] of equally "
            f"many samples, got {list(x.shape)} and {list(y.shape)}; flatten images by "
            "x.reshape(len(x), -1)"
        )
    if y.ndim == 1 and y.dtype.kind in "iub":
        if y.min() < 0:
            raise UserError(f"{split}: expected labels 0, 1, …, got {y.min()}")
        return x.astype(np.float64), y.astype(np.int64)
    return x.astype(np.float64), y.astype(np.float64).reshape(len(y), -1)


def _array(split: str, values: Any) -> Array:
    detach = getattr(values, "detach", None)  # a tensor, on whatever device
    found = np.asarray(values if detach is None else detach().cpu().numpy())
    if found.dtype.kind not in "iubf" or not np.isfinite(found).all():
        raise UserError(
            f"{split}: expected finite numbers, got "
            + (
                f"values of {found.dtype}"
                if found.dtype.kind not in "iubf"
                else "others among them"
            )
        )
    return found


def _kind(x: Array, y: Array) -> str:
    return f"[n, {x.shape[1]}] with " + (
        "labels" if y.dtype == np.int64 else f"targets [n, {y.shape[1]}]"
    )
