"""How kernels are compiled: once per machine, kept on disk, free of Python's global lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])

#: Sums may be reordered and products fused, as in any BLAS; NaN and infinity keep their meaning,
#: since a run's divergence is read off them.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def jit(function: Function) -> Function:
    """Compile a kernel for the types that it is first called with."""
    return njit(function, cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
