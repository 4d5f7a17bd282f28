"""How long this process has compiled kernels: those that the folder of compiled ones lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba.core.event

#: What numba calls it when it compiles a function; one that it finds compiled makes no event.
_COMPILE = "numba:compile"


_events: Any = numba.core.event  # it has no types


class Watch(numba.core.event.Listener):
    """Counts ``seconds`` and ``kernels``; ``begun`` is called once, as the first is compiled.

    A kernel compiles those that it calls on the way, so the outermost one's time counts. Threads
    need no care: numba compiles under a lock of its own.
    """

    def __init__(self, begun: Callable[[], None] = lambda: None) -> None:
        self.seconds, self.kernels = 0.0, 0
        self._begun = begun
        self._depth, self._start = 0, 0.0

    def on_start(self, event: Any) -> None:
        """A function begins to be compiled."""
        if self._depth == 0:
            self._start = time.monotonic()
        self._depth += 1
        self.kernels += 1
        if self.kernels == 1:
            self._begun()

    def on_end(self, event: Any) -> None:
        """It is compiled."""
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.monotonic() - self._start


@contextmanager
def watched(begun: Callable[[], None] = lambda: None) -> Iterator[Watch]:
    """Count what is compiled within the block."""
    watch = Watch(begun)
    _events.register(_COMPILE, watch)
    try:
        yield watch
    finally:
        _events.unregister(_COMPILE, watch)
