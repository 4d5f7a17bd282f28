"""Critical learning rates: what a short run shows, and the search for the least c that shows it.

A learning rate is written as c = η λ_0, λ_0 the sharpness at initialization. Four lines divide the
(c, depth) and (c, width) planes; each is the least c at which its predicate holds:

``loss``        the loss exceeds its initial value within the first steps
``sharpness``   the sharpness exceeds its initial value within the first steps
``catapult``    the loss exceeds its initial value, comes back below it, and λ ends lower
``divergence``  the run is lost: it diverges, its units die, or its loss does not come back

That phases of early training are told apart by such values of c is [lit] (Kalra and Barkeshli
2023, arXiv 2302.12250), and so is the catapult (Lewkowycz et al. 2020, arXiv 2003.02218). The
margins, the lengths of the runs and the treatment of dead nets are ours [operational].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: The lines, from what happens first to what happens last in a wide net.
LINES = ("loss", "sharpness", "catapult", "divergence")
#: Relative rise of the loss that is more than rounding.
LOSS_MARGIN = 1e-5
#: Relative rise of the sharpness that is more than the residual to which λ_t is found.
SHARPNESS_MARGIN = 0.02
#: A net whose λ ends below this multiple of λ_0 is dead: no weight moves any output.
DEAD = 1e-6


@dataclass(frozen=True)
class Outcome:
    """A run at a constant learning rate.

    ``losses`` are L_0 … L_T, cut before the step at which the run diverged; ``finished`` says that
    it did not. ``sharpness_ratio`` is λ_T/λ_0 of the Gauss–Newton matrix, nan if not finished.
    """

    losses: Array
    finished: bool
    sharpness_ratio: float

    @property
    def lost(self) -> bool:
        """Whether the run diverged, died, or ended at or above its initial loss."""
        return not (self.finished and self.sharpness_ratio > DEAD and self._back)

    @property
    def catapulted(self) -> bool:
        """Whether the loss rose, the run was not lost, and λ ended lower than it began."""
        rose = rises(self.losses, len(self.losses) - 1, LOSS_MARGIN)
        return rose and not self.lost and self.sharpness_ratio < 1

    @property
    def _back(self) -> bool:
        return bool(self.losses[-1] < self.losses[0])


def rises(series: Array, early: int, margin: float) -> bool:
    """Whether any of the first ``early`` values after ``series[0]`` exceeds it by ``margin``.

    A series that ends sooner is that of a run that diverged by then, which counts as a rise.
    """
    first, following = series[0], series[1 : early + 1]
    return len(following) < early or bool((following > first * (1 + margin)).any())


@dataclass(frozen=True)
class Ladder:
    """Values of c, evenly spaced in log2 c: index i is c = 2^(start + i/resolution).

    ``scan`` divides ``resolution``; both count values an octave.
    """

    start: float
    stop: float
    scan: int
    resolution: int

    def scanned(self) -> list[int]:
        """Indices of the coarse scan, from the lowest c to the highest."""
        stride = self.resolution // self.scan
        return [stride * i for i in range(math.floor((self.stop - self.start) * self.scan) + 1)]

    def c(self, index: int) -> float:
        """The value of c at an index."""
        return float(2.0 ** (self.start + index / self.resolution))

    @property
    def lowest(self) -> float:
        """The lowest c looked at."""
        return self.c(0)

    @property
    def highest(self) -> float:
        """The highest c looked at."""
        return self.c(self.scanned()[-1])


@dataclass(frozen=True)
class Crossing:
    """Where a predicate first holds.

    ``index`` is the least at which it was found to hold, None if there is none. ``censored`` is
    empty for a line that was bracketed, ``below`` if the predicate holds at the lowest c already,
    ``above`` if it holds nowhere. ``exceptions`` counts the values of c above the line at which it
    was found not to hold, of ``tried`` ones in all.
    """

    index: int | None
    censored: str
    exceptions: int
    tried: int


class Search:
    """One predicate along a ladder: what was found, and where to look next.

    The line is the first crossing among all values tried. So a scan sees no island of true that is
    narrower than its stride; what lies above the line is counted, not assumed.
    """

    def __init__(self) -> None:
        #: Whether the predicate holds, by index tried.
        self.found: dict[int, bool] = {}

    def add(self, index: int, holds: bool) -> None:
        """Note whether the predicate holds at an index."""
        self.found[index] = holds

    def next(self) -> int | None:
        """The middle of the bracket; None where it is as narrow as the ladder, or has one end."""
        low, high = self._bracket()
        if low is None or high is None or high - low < 2:
            return None
        return (low + high) // 2

    def crossing(self) -> Crossing:
        """The line as found so far."""
        low, high = self._bracket()
        censored = "above" if high is None else "below" if low is None else ""
        above = [holds for index, holds in self.found.items() if high is not None and index > high]
        return Crossing(high, censored, above.count(False), len(self.found))

    def _bracket(self) -> tuple[int | None, int | None]:
        """(highest index tried below the first at which it holds, that first one)."""
        first = min((index for index, holds in self.found.items() if holds), default=None)
        below = [index for index in self.found if first is None or index < first]
        return max(below, default=None), first
