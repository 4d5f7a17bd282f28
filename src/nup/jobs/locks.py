"""Locks between processes, which the system releases when a process dies, however it dies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

#: Seconds after which a message says what is waited for.
PATIENCE = 10.0

log = logging.getLogger("nup")


@contextmanager
def alone(path: Path, what: str, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock ``path`` within the block, after any other process that holds it.

    Args:
        path: of the lock's file, which is left in place.
        what: what must not be done twice at once, for messages: ``"planning"``.
        meanwhile: called now and then while waiting; what it raises ends that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            log.info("%s: waiting for another process to finish %s", path, what)
            while not _acquired(lock):
                meanwhile()
    except OSError as error:  # some network file systems have no locks
        log.warning(
            "%s: expected a file system with locks, got %s; make sure that no other process is "
            "%s at this moment",
            path,
            error,
            what,
        )
    try:
        yield
    finally:
        lock.release()


def hold(path: Path) -> FileLock | None:
    """The lock ``path``, held from now on; None if another process holds it."""
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _acquired(lock: FileLock) -> bool:
    """Whether a second of waiting was enough."""
    try:
        lock.acquire(timeout=1.0)
    except Timeout:
        return False
    return True


def _lock(path: Path) -> FileLock:
    # A soft lock would outlive a process that is killed, and then block all others for good.
    return FileLock(path, fallback_to_soft=False)
