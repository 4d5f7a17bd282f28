"""Progress of a job as log lines: readable where several jobs write into one terminal or file."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from tqdm import tqdm

from nup.specs import RunSpec
from nup.training import costs

#: Seconds between two lines.
REPORT_EVERY = 10.0

log = logging.getLogger("nup")


class Progress:
    """A line of progress in the log every few seconds, for the job as a whole."""

    def __init__(self, name: str, blocks: Sequence[Sequence[RunSpec]]) -> None:
        self._name = f"job {name}" if name else "training"
        self._costs = [costs.seconds(block) for block in blocks]
        self._number = 0
        self._label = ""
        self._began = self._reported = time.monotonic()
        self._runs = sum(len(block) for block in blocks)

    def start(self, block: Sequence[RunSpec]) -> None:
        """The next block begins."""
        self._number += 1
        spec = block[0]
        self._label = (
            f"{spec.experiment}: {spec.parameterization} depth {spec.depth} width {spec.width} "
            f"{spec.activation} {spec.schedule.name}"
        )

    def step(self, done: int, steps: int, running: int) -> None:
        """``done`` of ``steps`` are behind ``running`` runs of the block."""
        now = time.monotonic()
        if now - self._reported < REPORT_EVERY:
            return
        earlier, current = sum(self._costs[: self._number - 1]), self._costs[self._number - 1]
        share = (earlier + current * done / max(1, steps)) / sum(self._costs)
        if share == 0:  # a slow first step, from which nothing can be foretold
            return
        self._reported = now
        elapsed = now - self._began
        left = elapsed * (1 - share) / share
        log.info(
            "%s: %.0f %%, %s elapsed, about %s left; "
            "block %d of %d (%s), step %d of %d, %d still training",
            self._name,
            100 * share,
            tqdm.format_interval(elapsed),
            tqdm.format_interval(left),
            self._number,
            len(self._costs),
            self._label,
            done,
            steps,
            running,
        )

    def end(self) -> None:
        """All blocks are done."""
        elapsed = tqdm.format_interval(time.monotonic() - self._began)
        log.info("%s: %d runs in %d blocks, %s", self._name, self._runs, self._number, elapsed)
