"""How kernels are compiled: once per machine, kept on disk, free of Python's global lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])

#: Sums may be reordered and products fused, as in any BLAS; NaN and infinity keep their meaning,
#: since a run's divergence is read off them.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def entry(function: Function) -> Function:
    """Compile a kernel that Python calls, for the types that it is first called with."""
    return _compiled(function)


def jit(function: Function) -> Function:
    """Compile a kernel that only other kernels call: without the ways in from outside."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: Function, **options: Any) -> Function:
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = _folder()
    try:
        compiled = numba.njit(
            function, cache=True, nogil=True, error_model="numpy", fastmath=_FAST, **options
        )
    finally:
        config.CACHE_DIR = before
    cache: Any = getattr(compiled, "_cache", None)  # none where numba is told not to compile
    if cache is not None:
        cache.save_overload = _one_at_a_time(cache.save_overload)
    return compiled


def _one_at_a_time(save: Callable[..., None]) -> Callable[..., None]:
    """``save``, which no two processes do at once.

    numba reads the index of a kernel's compiled versions, adds one and writes it back: of two
    processes that do so at once, the later would drop what the earlier has added.
    """

    def saved(*arguments: Any) -> None:
        with ExitStack() as stack:
            with suppress(OSError):  # some network file systems have no locks
                lock = (Path(_folder()) / ".lock").open("w")
                stack.callback(lock.close)  # which releases it
                fcntl.flock(lock, fcntl.LOCK_EX)
            save(*arguments)

    return saved


@cache
def _folder() -> str:
    """Where compiled kernels are kept: by a digest of all their sources.

    numba compiles a kernel anew when its own file changes, but not when one that it calls does.
    Beside the sources if one may write there, else in the user's cache, else in a folder for this
    process alone.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    name = f"kernels-{hashlib.sha256(sources).hexdigest()[:12]}"
    for base in (here / "__pycache__", *_user_cache()):
        if _usable(base / name):
            return str(base / name)
    return tempfile.mkdtemp(prefix="nup-")  # nobody else's: what numba loads from it is executed


def _usable(folder: Path) -> bool:
    """Whether the folder is there, or can be made, and may be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _user_cache() -> list[Path]:
    """The user's cache; none for a user without a home."""
    try:
        return [Path.home() / ".cache" / "nup"]
    except RuntimeError:
        return []
