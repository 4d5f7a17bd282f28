"""Progress of a job: as log lines, readable where several jobs write into one terminal or file.

It is left in a file beside the job's checkpoints too, from which ``nup.jobs.status`` sums up.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from nup.errors import WriteError
from nup.specs import RunSpec
from nup.tables import atomic_files
from nup.training import costs

#: Seconds between two lines.
REPORT_EVERY = 10.0
#: So many seconds count for the cost model before what is measured: the first steps say little.
TRUSTED = 10.0
#: In the folder of a job's checkpoints.
FILE = "progress.json"

#: Lines of progress have a name of their own: a terminal may leave them out.
log = logging.getLogger("nup.progress")


class Progress:
    """A line of progress in the log every few seconds, for the job as a whole.

    Args:
        name: id of the job.
        blocks: what it trains.
        folder: where to leave a file that says the same, if anywhere.
        compiling: the seconds for which kernels have been compiled so far: they are announced when
            they are, and say nothing about the pace of what follows.
    """

    def __init__(
        self,
        name: str,
        blocks: Sequence[Sequence[RunSpec]],
        folder: Path | None = None,
        compiling: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._name = f"job {name}" if name else "training"
        self._file = None if folder is None else folder / FILE
        self._compiling = compiling
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
        left = remaining(share, sum(self._costs), elapsed - self._compiling(), TRUSTED)
        self._write(share)
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
        if self._compiling():  # the study's pace is that of the rest
            self._write(1.0)
        log.info("%s: %d runs in %d blocks, %s", self._name, self._runs, self._number, elapsed)

    def _write(self, share: float) -> None:
        if self._file is None:
            return
        try:
            told = {"share": share, "training": self._label, "compiled": self._compiling()}
            atomic_files.write_text(f"{json.dumps(told)}\n", self._file)
        except WriteError as error:  # no reason to stop training
            log.info("%s: its progress could not be written: %s", self._name, error)


def remaining(share: float, cost: float, elapsed: float, trusted: float) -> float:
    """Seconds left of work of an estimated ``cost`` of which a ``share`` took ``elapsed`` seconds.

    The estimate counts like ``trusted`` seconds at the pace that it foretells, so that the first
    figures follow from it, and the later ones from what was measured.
    """
    pace = (max(0.0, elapsed) + trusted) / (share * cost + trusted)
    return (1 - share) * cost * pace
