"""Sources of data: pools of raw samples by name, embedded, generated, or read from files.

Each source is a function from options and a seed to ``Samples``, in a module of this package or in
a plug-in. Splitting and standardization are shared (``nup.data.datasets``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nup.registry import Entry, Option, Registry

FloatArray = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Samples:
    """Raw samples: ``inputs`` [n, d_in] with either ``targets`` [n, d_out] or ``labels`` [n].

    Inputs may be bytes: only the samples that are drawn become float64. The last ``test_size``
    samples are the set's own test set, if it has one.
    """

    inputs: FloatArray | ByteArray
    targets: FloatArray | None = None
    labels: IntArray | None = None
    test_size: int = 0

    @property
    def shape(self) -> Shape:
        """Sizes of the pool; as many outputs as the largest label says, if there are labels."""
        if self.targets is None:
            assert self.labels is not None
            outputs = int(self.labels.max()) + 1
        else:
            outputs = self.targets.shape[1]
        rows, d_in = self.inputs.shape
        return Shape(d_in, outputs, rows, self.test_size, self.inputs.itemsize)


class Shape(NamedTuple):
    """Sizes of a pool: coordinates of an input, outputs, samples, and samples of its test set.

    ``item`` is how many bytes a coordinate takes.
    """

    d_in: int
    d_out: int
    size: int
    test_size: int = 0
    item: int = 8


Pool = Callable[[Options, int], Samples]


@dataclass(frozen=True)
class Source(Entry):
    """A registered source of data.

    ``shape`` gives the sizes without drawing a sample, from the options; None: a pool is drawn to
    learn them. ``contents`` gives the digest of the files of the user that the options name.
    """

    pool: Pool = field(kw_only=True)
    shape: Callable[[Options], Shape] | None = field(default=None, kw_only=True)
    contents: Callable[[Options], str] | None = field(default=None, kw_only=True)

    @property
    def summary(self) -> str:
        """First line of the pool's documentation."""
        return (self.pool.__doc__ or "").partition("\n")[0]


SOURCES: Registry[Source] = Registry("data set", __name__)

#: Options that every source takes.
SHARED = {
    "centered": Option(False, bool, meaning="subtract the mean of the training inputs first"),
}


def register(
    name: str,
    shape: Shape | Callable[[Options], Shape] | None = None,
    contents: Callable[[Options], str] | None = None,
    **options: Option,
) -> Callable[[Pool], Pool]:
    """Register the decorated ``(options, seed) -> Samples`` as the data set ``name``.

    Args:
        name: of the data set.
        shape: its sizes, fixed or from the options; if left out, a pool is drawn to learn them.
        contents: digest of the user's files that the options name, which becomes part of run ids.
        options: what the pool takes.
    """

    def decorate(pool: Pool) -> Pool:
        sizes = (lambda _: shape) if isinstance(shape, Shape) else shape
        SOURCES.add(
            Source(
                name,
                options={**SHARED, **options},
                module=pool.__module__,
                pool=pool,
                shape=sizes,
                contents=contents,
            )
        )
        return pool

    return decorate
