"""Signals that ask a process to stop: heeded where its work can be kept."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nup.errors import Interrupted

#: Sent by schedulers at a time limit, by ``kill``, and by Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("nup")


class Stop:
    """Whether the process has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal = ""

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Note a signal. Others may follow it at once, which change nothing."""
        if not self.signal:
            self.signal = signal.Signals(number).name
            log.info("%s: stopping as soon as what is computed is kept", self.signal)

    def heed(self, kept: str = "") -> None:
        """Stop here, if asked to.

        Args:
            kept: where what was computed is kept, for the message.

        Raises:
            Interrupted: the process was asked to stop.
        """
        if self.signal:
            what = f"what was computed is kept in {kept}" if kept else "nothing is kept"
            how = "go on" if kept else "start anew; --checkpoints names a folder to keep work in"
            raise Interrupted(f"stopped by {self.signal}: {what}; give the same command to {how}")


@contextmanager
def heeding(stop: Stop) -> Iterator[None]:
    """Let signals be noted within the block, instead of ending the process on the spot.

    Those that are ignored stay ignored. To be called in the main thread, which alone gets signals.
    """
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in earlier.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop.ask)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
