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
from nup.training.optimizers import OPTIMIZERS
from nup.training.schedules import SCHEDULES

Blocks = Sequence[Sequence[RunSpec]]

#: A process with torch, Arrow, pandas and the compiled kernels, before its first block.
START_BYTES = 4.6e8
#: What is asked for is the prediction and this share of it.
MARGIN = 0.25

#: Tensors of the size of the weights: weights and displacement; where torch takes the steps, the
#: direction of the update as well.
WEIGHT_COPIES, DIRECTION_COPIES = 2, 1
#: Room of the kernels, once a thread: arrays of the size of all samples' activations, and of the
#: widest layer's.
WORK_COPIES, WORK_LAYERS = 3, 6
#: Tensors of the size of a batch's activations: preactivations, features, deltas.
BATCH_COPIES = 3
#: The same of a forward pass alone.
TRACE_COPIES = 2
#: Vectors of a Krylov space of ``MOST_PRODUCTS`` products: the basis and its images.
MOST_PRODUCTS = 24
#: Weight-sized temporaries of a product with the Hessian: direction, products, and their sum.
HESSIAN_COPIES = 3
#: Tensors of the size of a layer's activations that each order of the jets holds.
JET_COPIES = 4
#: Arrow's copies of the records of a job while its tables are sorted and written.
TABLE_COPIES = 3
#: Bytes of a row's keys: in a block's columns (run id as UCS-4, step), and in Arrow.
KEY_BYTES, ARROW_KEY_BYTES = 56, 22


def kept(spec: RunSpec) -> dict[str, float]:
    """Bytes that one run holds while its block trains, by what they are."""
    net, item = costs.network(spec), _itemsize(spec)
    units, outputs = sum(net.widths[1:]), net.widths[-1]
    full, batch = spec.data.n_train, spec.batch_size or spec.data.n_train
    found = {
        "weights": WEIGHT_COPIES * item * net.n_parameters,
        "initial probe": TRACE_COPIES * item * units * spec.data.n_probe,
        "eigenvectors": 2 * item * full * outputs,
        "records": float(record_bytes(spec)),
    }
    if not can_compile(spec):
        found["weights"] += DIRECTION_COPIES * item * net.n_parameters
        found["batch"] = BATCH_COPIES * item * units * batch
        if spec.batch_size is not None:
            found["all samples, in between and at the end"] = BATCH_COPIES * item * units * full
    if moments := OPTIMIZERS[spec.optimizer.name].moments:
        found["moments"] = moments * item * net.n_parameters
    if spec.record.hessian:
        found["eigenvectors"] += 2 * item * net.n_parameters
    return {name: float(value) for name, value in found.items()}


def passing(spec: RunSpec) -> dict[str, float]:
    """Bytes that one run holds now and then, on top: one of these at a time."""
    net, item, sizes = costs.network(spec), _itemsize(spec), spec.data
    units, outputs = sum(net.widths[1:]), net.widths[-1]
    largest = max(m * n for m, n in pairwise(net.widths))
    split = max(sizes.n_train, sizes.n_validation, sizes.n_test)
    compiled, needs = can_compile(spec), SCHEDULES[spec.schedule.name].requires
    found = {
        "a split's outputs": item * split * (outputs if compiled else TRACE_COPIES * units),
        "columns": record_bytes(spec) + KEY_BYTES * sum(_rows(spec)),
    }
    if spec.record.probe or spec.record.features:
        found["probe"] = item * (BATCH_COPIES * units * sizes.n_probe + 2 * largest)
    if (spec.record.curvature or needs == "sharpness") and not compiled:
        found["curvature"] = item * (units * sizes.n_train + _krylov(spec))
    if (spec.record.taylor or needs == "taylor") and not compiled:
        order, samples = 3 if spec.record.taylor else 2, spec.batch_size or sizes.n_train
        found["jets"] = item * JET_COPIES * (order + 1) * samples * max(net.widths[1:])
    if spec.record.hessian:
        vectors = 2 * MOST_PRODUCTS + HESSIAN_COPIES
        traces = (TRACE_COPIES + (BATCH_COPIES if compiled else 0)) * units * sizes.n_train
        found["Hessian"] = item * (vectors * net.n_parameters + traces)
    return {name: float(value) for name, value in found.items()}


def _krylov(spec: RunSpec) -> int:
    """Numbers in the Krylov space of one measurement of λ_t: basis and images."""
    return 2 * MOST_PRODUCTS * spec.data.n_train * costs.network(spec).widths[-1]


def record_bytes(spec: RunSpec) -> float:
    """Bytes of the values that a run records, in float32."""
    steps, layers = _rows(spec)
    return 4.0 * (steps * (len(STEPS) - 2) + layers * (len(LAYERS) - 3))


def work_bytes(spec: RunSpec) -> float:
    """Bytes in which one thread takes the steps of one run after another."""
    if not can_compile(spec):
        return 0.0
    net, samples = costs.network(spec), spec.data.n_train
    values = samples * (WORK_COPIES * sum(net.widths[1:]) + WORK_LAYERS * max(net.widths))
    values += net.n_parameters
    if spec.record.curvature or SCHEDULES[spec.schedule.name].requires == "sharpness":
        values += _krylov(spec) + len(operations.gram_layers(net, samples)) * samples**2
    return float(_itemsize(spec) * values)


def run_bytes(spec: RunSpec) -> float:
    """Most bytes that one run of a block holds."""
    return sum(kept(spec).values()) + max(passing(spec).values())


def job_bytes(blocks: Blocks) -> float:
    """Predicted peak memory of a process that trains these blocks one after the other."""
    peak = done = 0.0
    for block in blocks:
        spec = block[0]
        held = data_bytes(spec) + work_bytes(spec) + len(block) * run_bytes(spec)
        peak = max(peak, done + held)
        done += _table_bytes([block])
    return START_BYTES + max(peak, TABLE_COPIES * done)


def requested_mb(blocks: Blocks) -> int:
    """What a job with these blocks should be given: the prediction and ``MARGIN`` of it."""
    return math.ceil((1 + MARGIN) * job_bytes(blocks) / 1e6)


def cut(blocks: Blocks, limit_mb: float | None) -> list[list[RunSpec]]:
    """The blocks, those cut evenly that a job of ``limit_mb`` (None: no limit) could not hold.

    Raises:
        UserError: the records of all runs, or one run alone, are more than the limit.
    """
    if limit_mb is None:
        return [list(block) for block in blocks]
    room = limit_mb * 1e6 / (1 + MARGIN) - START_BYTES
    tables = _table_bytes(blocks)
    if TABLE_COPIES * tables > room:
        raise _too_little(limit_mb, requested_mb(blocks), "the records of a job with these runs")
    pieces = []
    for block in blocks:
        spec = block[0]
        most = int((room - tables - data_bytes(spec) - work_bytes(spec)) // run_bytes(spec))
        if most < 1:
            what = f"a run of {spec.parameterization}, depth {spec.depth}, width {spec.width}"
            raise _too_little(limit_mb, requested_mb([[spec]]), what)
        size = math.ceil(len(block) / math.ceil(len(block) / most))
        pieces += [list(block[start : start + size]) for start in range(0, len(block), size)]
    return pieces


def fits(blocks: Blocks, limit_mb: float | None) -> bool:
    """Whether a job of ``limit_mb`` can train these blocks, however small they are cut."""
    try:
        cut(blocks, limit_mb)
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


def data_bytes(spec: RunSpec) -> float:
    """Bytes of the splits of a data set, as they are loaded and as they are trained on."""
    d_in, d_out = datasets.dimensions(spec.data)
    sizes = spec.data
    samples = sizes.n_train + sizes.n_validation + sizes.n_test + sizes.n_probe
    return float((8 + _itemsize(spec)) * samples * (d_in + d_out))


def peak_bytes() -> float:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    # Where there is no such file; on Linux this also counts what the parent process held.
    unit = 1 if sys.platform == "darwin" else 1024
    fallback = float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    if not status.exists():
        return fallback
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), flags=re.MULTILINE)
    return fallback if found is None else 1024.0 * int(found[1])


def _itemsize(spec: RunSpec) -> int:
    return 8 if spec.dtype == "float64" else 4


def _rows(spec: RunSpec) -> tuple[int, int]:
    """Rows of a run in the tables ``steps`` and ``layers``, if it does not diverge."""
    record = spec.record
    of_steps = (
        record.steps,
        record.curvature,
        record.taylor,
        record.features,
        record.hessian,
        record.accuracy,
    )
    of_layers = (record.layers, record.probe, record.features)
    return _count(of_steps, spec.steps), spec.depth * _count(of_layers, spec.steps)


@lru_cache
def _count(cadences: tuple[int, ...], steps: int) -> int:
    """How many steps are recorded where any of the cadences is due, as in ``records.due``."""
    recorded: set[int] = set()
    for cadence in filter(None, cadences):
        recorded.update(range(0, steps + 1, cadence), [steps])
    return len(recorded)
