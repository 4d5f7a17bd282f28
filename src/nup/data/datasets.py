"""Data sets: samples of a source, split, standardized and identified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nup.data import splits, standardization
from nup.data.sources import SOURCES, Shape
from nup.data.splits import SPLITS
from nup.errors import UserError
from nup.specs import DataSpec, canonical_json

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """A standardized data set, each array keyed by split.

    ``inputs`` [n, d_in] have RMS 1 per sample; ``targets`` [n, d_out] have mean 0 and variance 1
    per output over the training split; ``labels`` [n] are class numbers, None for a regression.
    """

    name: str
    inputs: Mapping[str, FloatArray]
    targets: Mapping[str, FloatArray]
    labels: Mapping[str, IntArray] | None

    @property
    def d_in(self) -> int:
        """Coordinates of an input."""
        return int(self.inputs["train"].shape[1])

    @property
    def d_out(self) -> int:
        """Outputs: classes, or coordinates of a regression target."""
        return int(self.targets["train"].shape[1])

    @cached_property
    def digest(self) -> str:
        """``digest(self)``, computed once."""
        return digest(self)


class Loader:
    """Loads data sets, and keeps those of the last call: consecutive blocks share most of theirs.

    What is dear, the files or the making of a pool, sources keep by themselves.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Dataset] = {}

    def by_seed(self, specs: Iterable[DataSpec]) -> dict[int, Dataset]:
        """Data sets that differ in their seeds alone, by seed."""
        wanted = {spec.seed: spec for spec in specs}
        keys = {seed: canonical_json(asdict(spec)) for seed, spec in wanted.items()}
        self._kept = {key: self._kept[key] for key in keys.values() if key in self._kept}
        for seed, key in keys.items():
            if key not in self._kept:
                self._kept[key] = load(wanted[seed])
        return {seed: self._kept[key] for seed, key in keys.items()}


Spec = TypeVar("Spec", bound=DataSpec)


def resolve(spec: Spec) -> Spec:
    """The same data set with every option, and the digest of the user's files that it is read from.

    Raises:
        UserError: an unknown name or option, an option out of range, or a file that is not there.
    """
    options = SOURCES.resolve(spec.name, spec.options)
    contents = SOURCES[spec.name].contents
    return replace(spec, options=options, contents=contents(options) if contents else "")


def dimensions(spec: DataSpec) -> tuple[int, int]:
    """(d_in, d_out) of the data set.

    Raises:
        UserError: see ``check``.
    """
    shape = _shape(resolve(spec))
    return shape.d_in, shape.d_out


def pool_bytes(spec: DataSpec) -> float:
    """Bytes of the samples that its source holds, all of them."""
    shape = _shape(resolve(spec))
    return float(shape.item * shape.size * shape.d_in)


def check(spec: DataSpec) -> None:
    """Check a specification without drawing a sample, where the source knows its sizes.

    Raises:
        UserError: an unknown name or option, an option of the wrong kind, a negative seed, an empty
            split, or more samples than there are.
    """
    shape = _shape(resolve(spec))
    if spec.seed < 0:
        raise UserError(f"seed of data set {spec.name!r}: expected 0 or more, got {spec.seed}")
    option = "samples" if "samples" in SOURCES[spec.name].options else ""
    splits.check(spec.name, _counts(spec), shape.size, shape.test_size, option)


def load(spec: DataSpec) -> Dataset:
    """Draw, split and standardize a data set; the same specification gives the same arrays.

    Raises:
        UserError: see ``check``; or files that cannot be had (``nup.data.downloads.fetch``) or are
            others than those that were planned with, a zero input vector, or an output that is
            constant over the training split (as for a class that does not occur in it).
    """
    check(spec)
    resolved = resolve(spec)
    if spec.contents not in ("", resolved.contents):
        raise UserError(
            f"data set {spec.name!r}: expected files with the digest {spec.contents}, that runs "
            f"were planned with, got {resolved.contents}; put the old file back, or plan again"
        )
    pool = SOURCES[spec.name].pool(resolved.options, spec.seed)
    shape = _shape(resolved)
    if len(pool.inputs) != shape.size:
        raise ValueError(
            f"{spec.name!r} is registered with {shape.size} samples, got {len(pool.inputs)}"
        )
    counts = _counts(spec)
    indices = splits.draw(counts, shape.size, shape.test_size, spec.seed)
    drawn = np.concatenate([indices[split] for split in SPLITS])
    train = slice(counts["train"])
    inputs = pool.inputs[drawn].astype(np.float64)
    if resolved.options["centered"]:
        inputs -= inputs[train].mean(axis=0)
    inputs = standardization.unit_rms(inputs, spec.name, drawn)
    labels = None if pool.labels is None else pool.labels[drawn]
    raw = np.eye(shape.d_out)[labels] if pool.targets is None else pool.targets[drawn]
    targets = standardization.unit_variance(raw, train, spec, classes=labels is not None)
    return Dataset(
        name=spec.name,
        inputs=splits.parts(inputs, counts),
        targets=splits.parts(targets, counts),
        labels=None if labels is None else splits.parts(labels, counts),
    )


def digest(dataset: Dataset) -> str:
    """12 hex digits of the SHA-256 of the arrays' bytes, shapes included.

    Another processor or library version may round a last digit otherwise, and so change it.
    """
    sha = hashlib.sha256(dataset.name.encode())
    for group in (dataset.inputs, dataset.targets, dataset.labels or {}):
        for split in sorted(group):
            array = group[split]
            sha.update(f"{split}{array.shape}{array.dtype.str}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:12]


def _shape(resolved: DataSpec) -> Shape:
    """Sizes of the pool of a resolved specification."""
    source = SOURCES[resolved.name]
    if source.shape is not None:
        return source.shape(resolved.options)
    return _drawn_shape(resolved.name, canonical_json(resolved.options), source.module)


@lru_cache
def _drawn_shape(name: str, options: str, module: str) -> Shape:  # noqa: ARG001 (cache's key)
    """Sizes of a pool whose source does not tell them, as drawn with seed 0."""
    return SOURCES[name].pool(json.loads(options), 0).shape


def _counts(spec: DataSpec) -> dict[str, int]:
    return {split: getattr(spec, f"n_{split}") for split in SPLITS}
