"""Samples from a file of the user: ``{name: file, path: mine.npz}`` or ``.csv``.

A ``.npz`` file holds ``inputs`` [n, d_in] with ``labels`` [n] (classes 0, 1, …) or ``targets``
[n, d_out]. A ``.csv`` file has a first line with the names of its columns: ``label``, or ``target``
and ``target_…``; every other column is a coordinate of the input.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nup.data.sources import Options, Samples, Shape, register
from nup.errors import UserError
from nup.registry import Option


def _contents(options: Options) -> str:
    """Digest of the file, so that a replaced file makes other runs."""
    return hashlib.sha256(_existing(options["path"]).read_bytes()).hexdigest()[:16]


def _shape(options: Options) -> Shape:
    return _read(options["path"], _contents(options)).shape


@register(
    "file",
    _shape,
    _contents,
    path=Option(kind=str, file=True, meaning="a .npz or .csv file"),
)
def file(options: Options, seed: int) -> Samples:  # noqa: ARG001
    """Samples from a .npz or .csv file of the user."""
    return _read(options["path"], _contents(options))


@lru_cache(maxsize=2)
def _read(path: str, contents: str) -> Samples:  # noqa: ARG001 (part of the cache's key)
    readers = {".npz": _from_npz, ".csv": _from_csv}
    suffix = Path(path).suffix
    if suffix not in readers:
        raise UserError(
            f"{path}: expected a file named .npz or .csv, got {suffix or 'no suffix'!r}"
        )
    samples = readers[suffix](Path(path))
    for name in ("inputs", "targets"):
        array = getattr(samples, name)
        if array is not None and not np.isfinite(array).all():
            raise UserError(f"{path}: expected finite numbers, got others among the {name}")
    return samples


def _existing(path: str) -> Path:
    if not Path(path).is_file():
        raise UserError(f"{path}: expected a file of samples, got no such file; check its path")
    return Path(path)


def _from_npz(path: Path) -> Samples:
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: expected a .npz file of plain arrays, got {error}") from error
    return _samples(path, arrays)


def _from_csv(path: Path) -> Samples:
    try:
        with path.open(encoding="utf-8") as lines:
            names = [name.strip() for name in lines.readline().split(",")]
            table = np.loadtxt(lines, delimiter=",", ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: expected a line of column names, then numbers separated by commas, "
            f"got {error}"
        ) from error
    if table.shape[1] != len(names):
        raise UserError(
            f"{path}: expected {len(names)} numbers a line, as names in the first, "
            f"got {table.shape[1]}"
        )
    targets = [name == "target" or name.startswith("target_") for name in names]
    labels = [name == "label" for name in names]
    inputs = [not (target or label) for target, label in zip(targets, labels, strict=True)]
    arrays = {"inputs": table[:, inputs]}
    if any(labels):
        arrays["labels"] = table[:, labels.index(True)]
    if any(targets):
        arrays["targets"] = table[:, targets]
    return _samples(path, arrays)


def _samples(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
    if set(arrays) not in ({"inputs", "labels"}, {"inputs", "targets"}):
        raise UserError(
            f"{path}: expected inputs and either labels or targets, "
            f"got {', '.join(sorted(arrays)) or 'nothing'}"
        )
    inputs = np.asarray(arrays["inputs"], np.float64)
    rows = len(inputs)
    if inputs.ndim != 2 or inputs.shape[1] == 0 or any(len(a) != rows for a in arrays.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise UserError(
            f"{path}: expected inputs [n, d_in] and one label or target each, got {shapes}"
        )
    if "targets" in arrays:
        targets = np.asarray(arrays["targets"], np.float64)
        return Samples(inputs, targets=targets.reshape(rows, -1))
    labels = np.asarray(arrays["labels"], np.float64)
    whole = np.isfinite(labels) & (labels >= 0) & (labels == np.round(labels)) & (labels < 1e6)
    if labels.ndim != 1 or not whole.all():
        raise UserError(f"{path}: expected labels 0, 1, …, one a sample, got others")
    return Samples(inputs, labels=labels.astype(np.int64))
