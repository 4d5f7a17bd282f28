"""The search for the largest stable rate of one net and seed: where to look next.

A run is stable where it finished with a late loss below ``BOUNDARY_RATIO`` times the loss of the
constant predictor. The boundary is where runs, past the one of least loss, first cease to be. It is
looked for in log c, c = η λ_0: a grid that has it is bisected, one that ends before it is gone
beyond, by an octave at a time. [operational]
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from nup.specs import BOUNDARY_RATIO


class Outcome(NamedTuple):
    """How a run at c ended: its late loss over the null loss, and whether it diverged."""

    c: float
    loss: float
    diverged: bool

    @property
    def stable(self) -> bool:
        """Whether it finished with a loss below the bound; a loss that is not a number is not."""
        return not self.diverged and self.loss < BOUNDARY_RATIO


def next_c(outcomes: Iterable[Outcome]) -> float:
    """The value of c that tells most about where the boundary is.

    Args:
        outcomes: of runs at different c, at least one, in any order.

    Returns:
        The geometric middle of the last stable run before the boundary and the first beyond it;
        half the least c where no run is stable; twice the largest where none past the least loss
        ceases to be.

    >>> next_c([Outcome(1.0, 0.2, False), Outcome(4.0, 1.0, True)])
    2.0
    >>> next_c([Outcome(1.0, 0.2, False)]), next_c([Outcome(1.0, 0.9, False)])
    (2.0, 0.5)
    """
    ordered = sorted(outcomes)
    stable = [index for index, each in enumerate(ordered) if each.stable]
    if not stable:
        return ordered[0].c / 2
    least = min(stable, key=lambda index: ordered[index].loss)
    for before, after in zip(ordered[least:], ordered[least + 1 :], strict=False):
        if not after.stable:
            return math.sqrt(before.c * after.c)
    return 2 * ordered[-1].c
