"""Train the runs of a job, block by block, and leave its three tables.

Every finished block is kept as a checkpoint until the job's tables are written, so that a job that
was interrupted goes on where it stopped. Checkpoints are found by the digest of what determines
their numbers: the runs of the block, the code, the versions of what computes, and the kind of
device.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.data import datasets
from nup.jobs import memory, provenance
from nup.jobs.columns import of_run
from nup.jobs.plan import Job
from nup.jobs.progress import Progress
from nup.specs import DataSpec, RunSpec, canonical_json, digest
from nup.tables import store
from nup.tables.schema import RUNS
from nup.training import costs

if TYPE_CHECKING:
    import pyarrow

    from nup.data.datasets import Dataset
    from nup.training.recorder import Records

#: The tables that a job leaves.
TABLES = ("runs", "steps", "layers")
Tables = dict[str, "pyarrow.Table"]
Train = Callable[..., "Records"]

log = logging.getLogger("nup")


@dataclass
class Session:
    """How a process trains: for which job, on which device, keeping finished blocks where.

    Without ``checkpoints`` or a ``job`` nothing is kept. ``train`` is ``nup.training.loop.train``
    unless another is given. Blocks are cut so that the process holds at most ``memory_mb``, if given.
    """

    job: str = ""
    config_digest: str = ""
    device: str = "cpu"
    checkpoints: Path | None = None
    train: Train | None = None
    memory_mb: float | None = None

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Columns of the table ``runs`` that are the same for every run of this session."""
        return {
            "job_id": self.job,
            "config_digest": self.config_digest,
            "device": self.device,
            "code_digest": provenance.code_digest("nup.jobs.execute"),
            **provenance.environment(),
        }

    def blocks(self, runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
        """Runs in the blocks that train together on this device."""
        if self.device.startswith("cuda"):
            return costs.blocks(runs, costs.GPU_BLOCK_BYTES)
        return memory.cut(costs.blocks(runs), self.memory_mb)

    def checkpoint(self, block: Sequence[RunSpec]) -> Path | None:
        """The folder where the tables of a block are kept."""
        if self.checkpoints is None or not self.job:
            return None
        code = self.provenance["code_digest"]
        names = ("torch_version", "numba_version", "python_version")
        versions = [self.provenance[name] for name in names]
        key = digest([[spec.id for spec in block], versions, self.device.partition(":")[0]])
        return self.checkpoints / self.job / f"{code}-{key}"


def prepare_torch(threads: int) -> None:
    """Settings of the process, to be made before any tensor exists.

    Subnormal numbers are flushed to zero: one member of a stack that decays into them would slow
    all of it several times over.
    """
    import torch

    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def run(job: Job, out: Path, session: Session) -> None:
    """Train a job and write ``out/{runs,steps,layers}.parquet``; then drop its checkpoints."""
    tables = train_runs(job.runs, session)
    for name in reversed(TABLES):  # runs.parquet last: where it is, the others are
        store.write_table(name, tables[name], out / f"{name}.parquet")
    if session.checkpoints is not None and session.job:
        shutil.rmtree(session.checkpoints / session.job, ignore_errors=True)
    log.info("peak memory: %.0f MB", memory.peak_bytes() / 1e6)


def train_runs(runs: Sequence[RunSpec], session: Session) -> Tables:
    """Train runs of any shapes and return the tables ``runs``, ``steps`` and ``layers``.

    Rows are sorted by run, step and layer, whatever the blocks were.
    """
    blocks = session.blocks(runs)
    # Arrow and pandas now: with the first tables they would come on top of what training has held.
    store.as_table("runs", {name: [] for name in RUNS})
    progress = Progress(session.job, blocks)
    parts = []
    for block in blocks:
        progress.start(block)
        parts.append(_block(block, session, progress))
    progress.end()
    return {name: store.concatenate(name, [part[name] for part in parts]) for name in TABLES}


def _block(block: Sequence[RunSpec], session: Session, progress: Progress) -> Tables:
    """The tables of one block: from its checkpoint, or trained and then kept there."""
    folder = session.checkpoint(block)
    if folder is not None and folder.is_dir():
        return {name: store.read_arrow(name, folder / f"{name}.parquet") for name in TABLES}
    tables = _train_block(block, session, progress)
    if folder is not None:
        partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        for name, table in tables.items():
            store.write_table(name, table, partial / f"{name}.parquet")
        try:
            partial.rename(folder)
        except OSError:  # another process has just kept the same block
            shutil.rmtree(partial)
    return tables


def _train_block(block: Sequence[RunSpec], session: Session, progress: Progress) -> Tables:
    train = session.train or _default_train()
    began = time.perf_counter()
    records = train(block, _dataset(block[0].data), session.device, progress.step)
    elapsed = time.perf_counter() - began
    specs = {spec.id: spec for spec in block}
    described = [
        of_run(specs[run], costs.network(specs[run])) for run in map(str, records.runs["run_id"])
    ]
    constant = {
        **session.provenance,
        "stack_size": len(block),
        "wall_time_s": elapsed / len(block),
    }
    runs = {
        **records.runs,
        **{name: [row[name] for row in described] for name in described[0]},
        **{name: [value] * len(block) for name, value in constant.items()},
    }
    columns = {"runs": runs, "steps": records.steps, "layers": records.layers}
    return {name: store.as_table(name, columns[name]) for name in TABLES}


def _default_train() -> Train:
    from nup.training.loop import train

    return train


@lru_cache(maxsize=4)
def _load(canonical: str) -> Dataset:
    return datasets.load(DataSpec(**json.loads(canonical)))


def _dataset(spec: DataSpec) -> Dataset:
    """A data set, drawn once for consecutive blocks."""
    return _load(canonical_json(asdict(spec)))
