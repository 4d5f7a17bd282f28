"""Checkpoints of a job: how far each of its units of work has come, a file each.

A unit is a block of runs, the nets of a phase diagram that differ in their seeds, or the nets of
one data set. Its file is named after what it computes, and says by which code: one of other code,
or one that is damaged, is set aside, and the unit starts anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nup.errors import WriteError
from nup.jobs import snapshot_files
from nup.jobs.stopping import Stop
from nup.training.snapshots import Snapshot, SnapshotError

#: Seconds between two checkpoints: what a process that is killed loses at most.
EVERY = 90.0
#: Share of the time that goes into writing at most: large states are written more seldom.
SHARE = 0.02

log = logging.getLogger("nup")


class Checkpoint:
    """The checkpoint of one unit of work: a ``nup.training.snapshots.Keeper``.

    Args:
        path: the file; None to keep nothing.
        of: what it is a checkpoint of, and by what it was computed; in JSON.
        every: seconds between two checkpoints; 0 keeps whatever is offered.
        stop: whether the process has been asked to stop.
    """

    def __init__(self, path: Path | None, of: Mapping[str, Any], every: float, stop: Stop) -> None:
        self._path, self._of, self._every, self._stop = path, of, every, stop
        self._began = time.monotonic()
        self._next = self._began + every

    @property
    def elapsed(self) -> float:
        """Seconds since work began, by all processes that went on from where another was."""
        return time.monotonic() - self._began

    def load(self) -> Snapshot | None:
        """What was kept last; None if there is nothing of use, of which a message says why."""
        if self._path is None or not self._path.exists():
            return None
        try:
            found = snapshot_files.read(self._path, self._of)
        except snapshot_files.UnusableError as reason:
            aside = self._path.with_suffix(".aside")
            log.warning(
                "%s: this checkpoint is of no use, %s; it is set aside as %s, and what it was of "
                "is computed anew",
                self._path,
                reason,
                aside.name,
            )
            self._path.replace(aside)
            return None
        log.info("%s: going on from this checkpoint", self._path)
        self._began = time.monotonic() - found.values["elapsed"]
        return Snapshot(found.values["found"], found.arrays)

    def offer(self, take: Callable[[], Snapshot]) -> None:
        """Keep a snapshot if it is time to, or if the process is to stop.

        A snapshot that cannot be written stops nothing: it is tried again.

        Raises:
            Interrupted: the process is to stop.
        """
        if not self._stop.signal and time.monotonic() < self._next:
            return
        self._try(take)
        self._stop.heed("" if self._path is None else str(self._path.parent))

    def put(self, snapshot: Snapshot) -> None:
        """Keep a snapshot now, if it can be written, and drop what was kept of parts."""
        self._try(lambda: snapshot)
        if self._path is not None:
            for part in self._path.parent.glob(f"{self._path.stem}-*"):
                part.unlink(missing_ok=True)

    def part(self, name: str) -> Checkpoint:
        """The checkpoint of a part, which is dropped when the whole has come further."""
        path = self._path
        if path is not None:
            path = path.with_name(f"{path.stem}-{name}{path.suffix}")
        found = Checkpoint(path, {**self._of, "part": name}, self._every, self._stop)
        found._next = self._next
        return found

    def _try(self, take: Callable[[], Snapshot]) -> None:
        if self._path is None:
            return
        began = time.monotonic()
        try:
            found = take()
            values = {"elapsed": self.elapsed, "found": found.values}
            snapshot_files.write(Snapshot(values, found.arrays), self._of, self._path)
        except (WriteError, SnapshotError) as error:
            log.warning("no checkpoint is kept, computing goes on: %s", error)
        now = time.monotonic()
        self._next = now + max(self._every, (now - began) / SHARE if self._every else 0.0)
