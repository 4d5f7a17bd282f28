"""What training costs: arithmetic and time of runs, and stacks cut to the cache's size.

The times are estimates for packing jobs and asking a cluster for limits; no result depends on them.
The constants were fitted to measured wall times of stacks of several shapes on one x86-64 core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import groupby
from typing import TypeVar

from nup.data import datasets
from nup.networks.parameterization import Parameterization, net_of
from nup.specs import RunSpec
from nup.training.observables import OBSERVABLES, cadence
from nup.training.optimizers import OPTIMIZERS
from nup.training.schedules import SCHEDULES

#: Weights and activations of a block of runs are kept near this many bytes: enough runs to share
#: what is done once a block, and few enough for the last cache where steps are taken on stacks.
BLOCK_BYTES = 64e6
#: On a GPU a block is as large as its memory comfortably holds: small kernels would leave it idle.
GPU_BLOCK_BYTES = 2e9
#: Seconds per layer and pass (forward with backward is one) that do not depend on sizes.
PASS_OVERHEAD = 8e-5
#: Seconds per activation of one run and pass, for what is not a matrix product; and about as many
#: per weight and step where an optimizer keeps moments.
ELEMENT_SECONDS = 2.5e-9
#: What one core delivers in the matrix products of training, where a study says nothing else.
GFLOPS = 120.0
#: Passes over all training data that finding λ_0 takes, for rates in units of the edge.
EDGE_PASSES = 24.0
#: Seconds to start a process, import torch and draw the data.
START_SECONDS = 4.0


T = TypeVar("T")


def once_a_stack(function: Callable[[RunSpec], T]) -> Callable[[RunSpec], T]:
    """A function of what the runs of a stack have in common, which is computed once for them all.

    Whether the rate is in units of the edge may differ between them, and counts. Plans of tens of
    thousands of runs ask for few stacks.
    """
    known: dict[tuple[str, bool], T] = {}

    @wraps(function)
    def found(spec: RunSpec) -> T:
        key = (spec.stack_key, spec.edge is None)
        if key not in known:
            known[key] = function(spec)
        return known[key]

    return found


@dataclass(frozen=True)
class RunCost:
    """Cost of one run: ``passes`` over the net, ``flops``, ``elements`` touched, and its size.

    ``state_bytes`` are its weights and activations, what the passes of a step go through; for all
    that a job holds see ``nup.jobs.memory``.
    """

    passes: float
    flops: float
    elements: float
    state_bytes: float


@once_a_stack
def network(spec: RunSpec) -> Parameterization:
    """The resolved parameterization of a run, whose input and output sizes its data set gives."""
    d_in, d_out = datasets.dimensions(spec.data)
    return net_of(spec, d_in, d_out)


@once_a_stack
def run_cost(spec: RunSpec) -> RunCost:
    """Cost of one run by the shapes of its net and the cadences of its records."""
    net = network(spec)
    full, batch = spec.data.n_train, spec.batch_size or spec.data.n_train
    requires = SCHEDULES[spec.schedule.name].requires
    # Passes over the batch, all training data and the probe set; forward with backward is one.
    passes = {"batch": float(spec.steps), "train": 0.0, "probe": 0.0}
    for each in OBSERVABLES.values():
        every = cadence(spec, each.name)
        # What the schedule measures is measured at every step.
        by_schedule = bool(each.requires) and each.requires == requires
        times = spec.steps if by_schedule else _times(every, spec.steps)
        for samples, count in each.passes.items():
            passes[samples] += count * times
    counts = {"batch": batch, "train": full, "probe": spec.data.n_probe}
    sample_passes = sum(passes[samples] * counts[samples] for samples in passes)
    moments = OPTIMIZERS[spec.optimizer.name].moments
    units, itemsize = sum(net.widths[1:]), 8 if spec.dtype == "float64" else 4
    return RunCost(
        passes=sum(passes.values()),
        flops=6.0 * net.n_parameters * sample_passes,
        elements=units * sample_passes + (net.n_parameters * spec.steps if moments else 0),
        state_bytes=itemsize * ((4.0 + moments) * net.n_parameters + 2.0 * units * full),
    )


def blocks(
    specs: Iterable[RunSpec], block_bytes: float = BLOCK_BYTES, threads: int = 1
) -> list[list[RunSpec]]:
    """Runs in blocks that train together: of one ``stack_key``, evenly cut to ``block_bytes``.

    A block has room for a run of each of the ``threads``, which share out its runs.
    Blocks and the runs in them come in an order that does not depend on the order given. Runs of
    one seed stand side by side: they share their data and λ_0.
    """
    keyed = sorted(
        ((spec.stack_key, spec.data.seed, spec.seed, spec.id, spec) for spec in specs),
        key=lambda item: item[:4],
    )
    cut = []
    for _, items in groupby(keyed, key=lambda item: item[0]):
        stack = [item[-1] for item in items]
        sets = len({spec.data.seed for spec in stack})
        share = split_bytes(stack[0]) * sets / len(stack) if sets > 1 else 0.0
        room = int(block_bytes // (run_cost(stack[0]).state_bytes + share))
        count = math.ceil(len(stack) / max(threads, room))
        size = math.ceil(len(stack) / count)
        cut += [stack[start : start + size] for start in range(0, len(stack), size)]
    return cut


@once_a_stack
def split_bytes(spec: RunSpec) -> float:
    """Bytes of the splits of a data set as they are trained on."""
    d_in, d_out = datasets.dimensions(spec.data)
    data = spec.data
    samples = data.n_train + data.n_validation + data.n_test + data.n_probe
    return float((8 if spec.dtype == "float64" else 4) * samples * (d_in + d_out))


def seconds(block: Sequence[RunSpec], gflops: float = GFLOPS) -> float:
    """Estimated time to train one block on a core that multiplies matrices at ``gflops``.

    Runs that diverge leave early, so it is nearer to the most than to the mean.
    """
    return total_seconds([block], gflops)


def total_seconds(blocks: Iterable[Sequence[RunSpec]], gflops: float = GFLOPS) -> float:
    """Estimated time to train blocks in one process, where equal nets share their λ_0."""
    total, known = 0.0, set[str]()
    for block in blocks:
        cost, depth = run_cost(block[0]), block[0].depth
        total += PASS_OVERHEAD * cost.passes * depth + len(block) * _arithmetic(cost, gflops)
        wanted = {spec.start_key for spec in block if spec.edge is not None} - known
        if wanted:
            known |= wanted
            cost = edge_cost(block[0])
            total += PASS_OVERHEAD * cost.passes * depth + len(wanted) * _arithmetic(cost, gflops)
    return total


@once_a_stack
def edge_cost(spec: RunSpec) -> RunCost:
    """Cost of finding λ_0 of one net, as often as there are seeds."""
    net, full = network(spec), spec.data.n_train
    passes = EDGE_PASSES * full
    return RunCost(EDGE_PASSES, 6.0 * net.n_parameters * passes, sum(net.widths[1:]) * passes, 0.0)


def _arithmetic(cost: RunCost, gflops: float) -> float:
    """Seconds of what grows with the sizes of a run."""
    return cost.flops / (1e9 * gflops) + ELEMENT_SECONDS * cost.elements


def _times(cadence: int, steps: int) -> int:
    """How often something is recorded every ``cadence`` steps; 0 is never."""
    return steps // cadence + 1 if cadence else 0
