"""The most floating-point operations a second that the machine delivers in float32, by any way.

A library's product of large matrices is no limit by itself: one that was tuned for another
processor reaches half of what the next library does. The limit is the best of these ways, among
them a loop of fused multiply–adds that touches no memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE, CALLS = 2048, 3
#: Independent sums of the loop: what hides the latency of one vector instruction, and still fits
#: the registers, depends on the processor.
LANES = (64, 96, 128, 192, 256)
ROUNDS = 5_000_000

Array = npt.NDArray[np.float32]


def rates(threads: int) -> dict[str, float]:
    """Way → float32 GFLOP/s on so many threads, the median of ``CALLS`` trials."""
    from threadpoolctl import threadpool_limits

    left, right = (np.random.default_rng(seed).random((SIZE, SIZE), np.float32) for seed in (0, 1))
    product = 2.0 * SIZE**3
    with threadpool_limits(limits=threads, user_api="blas"):
        found = {
            name: product / _seconds(way(left, right, threads)) / 1e9
            for name, way in PRODUCTS.items()
        }
    with ThreadPoolExecutor(threads) as pool:
        loops = [
            2.0 * lanes * ROUNDS * threads / _seconds(partial(_on_all, pool, threads, lanes)) / 1e9
            for lanes in LANES
        ]
    return {**found, "fused multiply–adds": max(loops)}


def _torch(left: Array, right: Array, threads: int) -> Callable[[], object]:
    import torch

    torch.set_num_threads(threads)
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    return partial(torch.mm, a, b, out=torch.empty_like(a))


def _numpy(left: Array, right: Array, _threads: int) -> Callable[[], object]:
    return partial(np.dot, left, right, out=np.empty_like(left))


def _scipy(left: Array, right: Array, _threads: int) -> Callable[[], object]:
    from scipy.linalg.blas import sgemm

    a, b = np.asfortranarray(left), np.asfortranarray(right)
    return partial(sgemm, 1.0, a, b, c=np.empty_like(a), overwrite_c=1)


PRODUCTS = {"torch.mm": _torch, "numpy.dot": _numpy, "scipy sgemm": _scipy}


@cache
def _loop(lanes: int) -> Any:
    """A compiled loop that adds and multiplies ``lanes`` numbers in place, round after round."""
    import numba

    def loop(start: Array, factor: np.float32, summand: np.float32, rounds: int) -> float:
        sums = np.empty(lanes, np.float32)
        for lane in range(lanes):
            sums[lane] = start[lane]
        for _ in range(rounds):
            for lane in range(lanes):
                sums[lane] = sums[lane] * factor + summand
        return float(sums.sum())

    return numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")(loop)


def _on_all(pool: ThreadPoolExecutor, threads: int, lanes: int) -> None:
    start = np.ones(lanes, np.float32)
    factor, summand = np.float32(0.999), np.float32(0.001)
    loop = partial(_loop(lanes), start, factor, summand, ROUNDS)
    for future in [pool.submit(loop) for _ in range(threads)]:
        future.result()


def _seconds(call: Callable[[], object]) -> float:
    """Median seconds of a call, after one that is not counted."""
    call()
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)
