"""nup: a job's way of training, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.peers.peer import Run, now
from benchmarks.problem import Array, Problem
from nup.data.datasets import Dataset
from nup.jobs import execute
from nup.specs import RunSpec
from nup.training import costs
from nup.training.loop import train
from nup.training.recorder import Records


class Ours:
    """``nup.training.loop.train`` on blocks that fit the cache."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @staticmethod
    def configure(threads: int) -> None:
        execute.prepare_torch(threads)

    def run(self, steps: int) -> Run:
        runs = [with_steps(run, steps) for run in self.problem.runs]
        seconds, columns = 0.0, {}
        device = self.problem.device
        size = costs.BLOCK_BYTES if device == "cpu" else costs.GPU_BLOCK_BYTES
        for block in costs.blocks(runs, size, torch.get_num_threads()):
            taken, records = timed_training(block, self.problem.dataset, steps, device=device)
            seconds += taken
            for index, run in enumerate(block):
                columns[run.id] = _columns(records, index, len(block), run.depth)
        ordered = [columns[run.id] for run in runs]
        return Run(
            seconds, {name: np.stack([run[name] for run in ordered], 1) for name in ordered[0]}
        )


def with_steps(run: RunSpec, steps: int) -> RunSpec:
    """The run with a first step, ``steps`` timed ones, and the final state."""
    return replace(run, steps=steps + 1)


def timed_training(
    block: Sequence[RunSpec],
    dataset: Dataset,
    steps: int,
    after_step: Callable[[int], None] | None = None,
    device: str = "cpu",
) -> tuple[float, Records]:
    """Seconds from the end of step 0 to the end of step ``steps``, and the records.

    ``after_step`` is called with the number of each step done.
    """
    ends: dict[int, float] = {}

    def note(step: int, _steps: int, running: int) -> None:
        if running < len(block):
            raise RuntimeError("a run of the benchmark diverged: lower the rates of its shape")
        ends[step] = now(device)
        if after_step is not None:
            after_step(step)

    records = train(block, dataset, device, progress=note)
    return ends[steps] - ends[0], records


def _columns(records: Records, index: int, members: int, depth: int) -> dict[str, Array]:
    """Columns of the run at ``index``, without the row of the final state."""
    layers = {
        name: records.layers[name].reshape(members, -1, depth)[index, :-1]
        for name in ("preactivation_rms", "update_norm", "cosine")
    }
    return {"loss": records.steps["loss"].reshape(members, -1)[index, :-1], **layers}
