"""Splits: which samples of a pool are for training, validation, testing and probing.

The probe set, on which layers are measured, is drawn first and from its own random stream. What is
left is shuffled by a second stream and dealt to test, then validation, then train. So a change of
``n_train`` changes none of the other splits, and smaller training sets are the beginnings of larger
ones. [operational]

Where a data set comes with a test set of its own, probe and test are drawn from that set alone, and
validation and train from the rest, in the same way. [operational]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nup.errors import UserError

IntArray = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

#: Names of the splits, as keys of ``Dataset``.
SPLITS = ("train", "validation", "test", "probe")
#: The order in which what the probe leaves is dealt.
DEALT = ("test", "validation", "train")


@dataclass(frozen=True)
class Share:
    """The samples ``start`` … ``stop`` - 1 of a pool, and the splits that are drawn from them."""

    samples: str
    splits: tuple[str, ...]
    start: int
    stop: int


def shares(size: int, test_size: int) -> list[Share]:
    """The shares of a pool of ``size`` samples, whose last ``test_size`` are its own test set."""
    if not test_size:
        return [Share("samples", SPLITS, 0, size)]
    middle = size - test_size
    return [
        Share("original training samples", ("train", "validation"), 0, middle),
        Share("original test samples", ("test", "probe"), middle, size),
    ]


def check(name: str, counts: Mapping[str, int], size: int, test_size: int, option: str) -> None:
    """Check the sizes of the splits; ``option`` names the option that sets ``size``, or is empty.

    Raises:
        UserError: an empty split, or more samples than there are.
    """
    for split, count in counts.items():
        if count < 1:
            raise UserError(f"n_{split} of data set {name!r}: expected at least 1, got {count}")
    for share in shares(size, test_size):
        wanted = {split: counts[split] for split in share.splits}
        total, available = sum(wanted.values()), share.stop - share.start
        if total > available:
            listed = " + ".join(f"{count} {split}" for split, count in wanted.items())
            sizes = ", ".join(f"n_{split}" for split in share.splits)
            remedy = f" or raise its option {option!r}" if option else ""
            raise UserError(
                f"data set {name!r} has {available} {share.samples}, but {listed} = {total} were "
                f"asked for; lower one of {sizes}{remedy}"
            )


def draw(counts: Mapping[str, int], size: int, test_size: int, seed: int) -> dict[str, IntArray]:
    """Disjoint indices into a pool of ``size`` samples, by split."""
    order, probe_order = (
        np.random.default_rng([seed, stream]).permutation(size) for stream in (0, 1)
    )
    drawn = {}
    for share in shares(size, test_size):
        rest, probe = (
            indices[(share.start <= indices) & (indices < share.stop)]
            for indices in (order, probe_order)
        )
        if "probe" in share.splits:
            drawn["probe"] = probe[: counts["probe"]]
            rest = rest[~np.isin(rest, drawn["probe"])]
        dealt = [split for split in DEALT if split in share.splits]
        ends = np.cumsum([counts[split] for split in dealt])
        drawn |= dict(zip(dealt, np.split(rest, ends)[:-1], strict=True))
    return drawn


def parts(array: npt.NDArray[Scalar], counts: Mapping[str, int]) -> dict[str, npt.NDArray[Scalar]]:
    """The rows of each split of an array that has those of all splits in the order ``SPLITS``."""
    ends = np.cumsum([counts[split] for split in SPLITS])
    return dict(zip(SPLITS, np.split(array, ends)[:-1], strict=True))
