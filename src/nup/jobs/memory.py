"""How much memory a job holds: predicted from the shapes of its runs, and measured.

The prediction adds up the named items of ``kept`` and the largest of ``passing``, and has to follow
when ``training`` keeps another tensor. Temporaries that no item names, and what allocators do not
give back, are within ``MARGIN``.
"""

from __future__ import annotations

import math
import re
import resource
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from nup.data import datasets
from nup.errors import UserError
from nup.specs import RunSpec
from nup.tables.schema import LAYERS, STEPS
from nup.training import costs, operations
from nup.training.backends.scope import can_compile
from nup.training.observables import (
    HESSIAN,
    SHARPNESS,
    TAYLOR,
    Sizes,
    cadence,
    recorded,
    steps_due,
)
from nup.training.optimizers import OPTIMIZERS
from nup.training.schedules import SCHEDULES

Blocks = Sequence[Sequence[RunSpec]]

#: A process with torch, Arrow, pandas and the compiled kernels, before its first block.
START_BYTES = 4.9e8
#: What of it are pages of libraries' files. How many are resident beyond those that are used is the
#: system's choice: with the same work 218 MB in one environment and 306 MB in another, seen on one
#: machine. They can be dropped at any time, and ``MARGIN`` has room for them.
FILE_BYTES = 2.2e8
#: What numba's compiler holds on top, in the first job on a machine that needs a kernel.
COMPILE_BYTES = 3e8
#: What is asked for is the prediction and this share of it, and room to compile.
MARGIN = 0.25

#: Tensors of the size of the weights: weights and displacement; where torch takes the steps, the
#: gradient and the direction as well.
WEIGHT_COPIES, DIRECTION_COPIES = 2, 2
#: Room of the kernels, once a thread: arrays of the size of all samples' activations, and of the
#: widest layer's.
WORK_COPIES, WORK_LAYERS = 3, 6
#: Tensors of the size of a batch's activations: of a step by torch, and of a forward pass alone.
BATCH_COPIES, TRACE_COPIES = 5, 2
#: Tensors of the size of all samples' activations in the graph of a pass that is differentiated.
GRAPH_COPIES = 6
#: Vectors of a Krylov space at most.
MOST_PRODUCTS = 24
#: Arrow's copies of the records of a job while its tables are sorted and written.
TABLE_COPIES = 3
#: Bytes of a row's keys: in a block's columns (run id as UCS-4, step), and in Arrow.
KEY_BYTES, ARROW_KEY_BYTES = 56, 22


def kept(spec: RunSpec) -> dict[str, float]:
    """Bytes that one run holds while its block trains, by what they are."""
    sizes = sizes_of(spec)
    batch = spec.batch_size or sizes.train
    found = {
        "weights": WEIGHT_COPIES * sizes.item * sizes.weights,
        "moments": OPTIMIZERS[spec.optimizer.name].moments * sizes.item * sizes.weights,
        "eigenvectors": 2 * sizes.item * sizes.train * sizes.outputs,
        "records": float(record_bytes(spec)),
    }
    if not can_compile(spec):
        found["weights"] += DIRECTION_COPIES * sizes.item * sizes.weights
        found["batch"] = BATCH_COPIES * sizes.item * sizes.units * batch
    if _requires(spec, HESSIAN):
        found["eigenvectors"] += 2 * sizes.item * sizes.weights
    for each in recorded(spec):
        if each.kept is not None:
            found[each.name] = each.kept(sizes)
    return {name: float(value) for name, value in found.items() if value}


def passing(spec: RunSpec) -> dict[str, float]:
    """Bytes that one run holds now and then, on top: one of these at a time."""
    sizes, compiled = sizes_of(spec), can_compile(spec)
    split = max(spec.data.n_train, spec.data.n_validation, spec.data.n_test)
    numbers = sizes.outputs if compiled else TRACE_COPIES * sizes.units
    found = {
        "a split's outputs": sizes.item * split * numbers,
        "columns": record_bytes(spec) + KEY_BYTES * sum(_rows(spec)),
    }
    for each in recorded(spec):
        if each.used is not None:
            found[each.name] = each.used(sizes)
    if not compiled:
        graph = sizes.item * GRAPH_COPIES * sizes.units
        if _requires(spec, SHARPNESS):
            found["curvature"] = graph * sizes.train + sizes.item * _krylov(spec, SHARPNESS)
        if _requires(spec, TAYLOR):
            found["taylor"] = 3 * graph * (spec.batch_size or sizes.train)
        if _requires(spec, HESSIAN):
            found["hessian"] = 2 * graph * sizes.train + sizes.item * _krylov(spec, HESSIAN)
    return {name: float(value) for name, value in found.items()}


@costs.once_a_stack
def sizes_of(spec: RunSpec) -> Sizes:
    """The numbers from which a run's memory follows."""
    net = costs.network(spec)
    return Sizes(
        item=8 if spec.dtype == "float64" else 4,
        depth=spec.depth,
        weights=net.n_parameters,
        units=sum(net.widths[1:]),
        outputs=net.widths[-1],
        largest=max(m * n for m, n in pairwise(net.widths)),
        train=spec.data.n_train,
        probe=spec.data.n_probe,
    )


def _requires(spec: RunSpec, what: str) -> bool:
    """Whether the rate, the schedule or an observable requires this to be measured."""
    if what == SHARPNESS and spec.edge is not None:
        return True
    asked = [SCHEDULES[spec.schedule.name].requires, *(each.requires for each in recorded(spec))]
    return what in asked


def _krylov(spec: RunSpec, what: str) -> int:
    """Numbers in the Krylov space of one measurement: basis and images."""
    sizes = sizes_of(spec)
    size = sizes.weights if what == HESSIAN else sizes.train * sizes.outputs
    return 2 * min(MOST_PRODUCTS, size) * size


@costs.once_a_stack
def record_bytes(spec: RunSpec) -> float:
    """Bytes of the values that a run records, in float32."""
    steps, layers = _rows(spec)
    return 4.0 * (steps * (len(STEPS) - 2) + layers * (len(LAYERS) - 3))


@costs.once_a_stack
def work_bytes(spec: RunSpec) -> float:
    """Bytes in which one thread takes the steps of one run after another."""
    if not can_compile(spec):
        return 0.0
    net, samples, sizes = costs.network(spec), spec.data.n_train, sizes_of(spec)
    values = samples * (WORK_COPIES * sizes.units + WORK_LAYERS * max(net.widths)) + sizes.weights
    if _requires(spec, SHARPNESS):
        grams = len(operations.gram_layers(net, samples)) * samples**2
        values += _krylov(spec, SHARPNESS) + grams
    if _requires(spec, HESSIAN):
        values += _krylov(spec, HESSIAN) + sizes.weights + samples * sizes.units
    return float(sizes.item * values)


@costs.once_a_stack
def run_bytes(spec: RunSpec) -> float:
    """Most bytes that one run of a block holds."""
    return sum(kept(spec).values()) + max(passing(spec).values())


def job_bytes(blocks: Blocks, threads: int = 1) -> float:
    """Predicted peak memory of a process that trains these blocks one after the other."""
    peak = done = 0.0
    for block in blocks:
        peak = max(peak, done + block_bytes(block, threads))
        done += _table_bytes([block])
    return START_BYTES + max(peak, TABLE_COPIES * done)


def block_bytes(block: Sequence[RunSpec], threads: int = 1) -> float:
    """Bytes that a block holds while it trains: its data, room to work in, and its runs."""
    # Any of its runs may be in units of the edge.
    spec = next((spec for spec in block if spec.edge is not None), block[0])
    room = threads * work_bytes(spec)
    return data_bytes(block) + room + len(block) * run_bytes(spec)


def requested_mb(blocks: Blocks, threads: int = 1) -> int:
    """What a job with these blocks should be given: the prediction, a margin, room to compile."""
    return math.ceil(((1 + MARGIN) * job_bytes(blocks, threads) + COMPILE_BYTES) / 1e6)


def cut(blocks: Blocks, limit_mb: float | None, threads: int = 1) -> list[list[RunSpec]]:
    """The blocks, those cut evenly that a job of ``limit_mb`` (None: no limit) could not hold.

    Raises:
        UserError: the records of all runs, or one run alone, are more than the limit.
    """
    if limit_mb is None:
        return [list(block) for block in blocks]
    room = (limit_mb * 1e6 - COMPILE_BYTES) / (1 + MARGIN) - START_BYTES
    tables = _table_bytes(blocks)
    if TABLE_COPIES * tables > room:
        raise _too_little(
            limit_mb, requested_mb(blocks, threads), "the records of a job with these runs"
        )
    pieces = []
    for block in blocks:
        pieces += _pieces(block, room - tables, limit_mb, threads)
    return pieces


def _pieces(
    block: Sequence[RunSpec], room: float, limit_mb: float, threads: int
) -> list[list[RunSpec]]:
    """A block cut evenly into as few pieces as hold at most ``room`` bytes each."""
    for count in range(1, len(block) + 1):
        size = math.ceil(len(block) / count)
        pieces = [list(block[start : start + size]) for start in range(0, len(block), size)]
        if all(block_bytes(piece, threads) <= room for piece in pieces):
            return pieces
    spec = block[0]
    what = f"a run of {spec.parameterization}, depth {spec.depth}, width {spec.width}"
    raise _too_little(limit_mb, requested_mb([[spec]], threads), what)


def fits(blocks: Blocks, limit_mb: float | None, threads: int = 1) -> bool:
    """Whether a job of ``limit_mb`` can train these blocks, however small they are cut."""
    if limit_mb is None:
        return True
    try:
        cut(blocks, limit_mb, threads)
    except UserError:
        return False
    return True


def _too_little(limit_mb: float, needed_mb: float, what: str) -> UserError:
    return UserError(
        f"memory of a job: expected about {needed_mb:g} MB for {what}, got {limit_mb:g} MB; "
        "raise jobs.memory_mb, or leave it out"
    )


def _table_bytes(blocks: Blocks) -> float:
    """Bytes of the records of all runs as Arrow tables."""
    return sum(
        len(block) * (record_bytes(block[0]) + ARROW_KEY_BYTES * sum(_rows(block[0])))
        for block in blocks
    )


def data_bytes(block: Sequence[RunSpec]) -> float:
    """Bytes of a block's data: the pool that its source holds, and the splits of every seed.

    Splits are held as they are loaded and as they are trained on; where torch takes the steps of
    runs with different ones, the training samples once more for every run.
    """
    spec = block[0]
    sets = len({each.data.seed for each in block})
    item = sizes_of(spec).item
    found = datasets.pool_bytes(spec.data) + sets * costs.split_bytes(spec) * (1 + 8 / item)
    if sets > 1 and not can_compile(spec):
        found += len(block) * item * spec.data.n_train * sum(datasets.dimensions(spec.data))
    return float(found)


def file_bytes() -> float:
    """Resident memory of this process that are pages of files, in bytes; NaN where none tells."""
    return _told("RssFile")


def peak_bytes() -> float:
    """Peak resident memory of this process in bytes."""
    peak = _told("VmHWM")
    if not math.isnan(peak):
        return peak
    # On Linux this also counts what the parent process held.
    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _told(name: str) -> float:
    """Bytes that Linux tells of this process under a name."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    found = re.search(rf"^{name}:\s*(\d+) kB$", text, flags=re.MULTILINE)
    return math.nan if found is None else 1024.0 * int(found[1])


@costs.once_a_stack
def _rows(spec: RunSpec) -> tuple[int, int]:
    """Rows of a run in the tables ``steps`` and ``layers``, if it does not diverge."""
    of_steps, of_layers = (
        tuple(cadence(spec, each.name) for each in recorded(spec) if each.columns(table))
        for table in ("steps", "layers")
    )
    return _count(of_steps, spec.steps), spec.depth * _count(of_layers, spec.steps)


@lru_cache
def _count(cadences: tuple[int, ...], steps: int) -> int:
    """How many steps are recorded where any of the cadences is due."""
    return len(steps_due(cadences, steps))
