"""Train the runs of a job, block by block.

A block is kept on its way and when it has finished, until the job's tables are written, so that a
job that was interrupted goes on where it stopped. What determines a block's numbers is part of its
checkpoint: its runs, their code, the versions of what computes, and the kind of device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nup.jobs import entries, memory
from nup.jobs.columns import of_run
from nup.jobs.execute import Session, Tables
from nup.jobs.progress import Progress
from nup.specs import RunSpec
from nup.tables import store
from nup.tables.schema import RUNS
from nup.training import costs
from nup.training.backends.scope import can_compile
from nup.training.snapshots import Array, Snapshot

if TYPE_CHECKING:
    import pyarrow

    from nup.jobs.checkpoints import Checkpoint
    from nup.training.recorder import Records

log = logging.getLogger("nup")

#: The tables that training leaves.
TABLES = ("runs", "steps", "layers")


def execute(runs: Sequence[RunSpec], session: Session) -> Tables:
    """Train runs of any shapes and return the tables ``runs``, ``steps`` and ``layers``.

    Rows are sorted by run, step and layer, whatever the blocks were.
    """
    from nup.training.backends import blas

    blocks = cut(runs, session)
    if blas.shortfall():
        log.warning("%s", blas.shortfall())
    # Arrow and pandas now: with the first tables they would come on top of what training has held.
    store.as_table("runs", {name: [] for name in RUNS})
    progress = Progress(session.job, blocks, session.folder, session.compiling)
    parts = []
    for block in blocks:
        progress.start(block)
        parts.append(_block(block, session, progress))
    progress.end()
    return {name: store.concatenate(name, [part[name] for part in parts]) for name in TABLES}


def cut(runs: Sequence[RunSpec], session: Session) -> list[list[RunSpec]]:
    """Runs in the blocks that train together on the session's device, within its memory."""
    if session.device.startswith("cuda"):
        return costs.blocks(runs, costs.GPU_BLOCK_BYTES)
    return memory.cut(costs.blocks(runs), session.memory_mb)


def checkpoint(block: Sequence[RunSpec], session: Session) -> Checkpoint:
    """What is kept of a block."""
    if session.folder is None:  # digests of code are not for free
        return session.checkpoint(block)
    return session.checkpoint(block, *(entries.run_code_digest(spec) for spec in block))


def _block(block: Sequence[RunSpec], session: Session, progress: Progress) -> Tables:
    """The tables of one block: as kept, or trained from where it was kept, and then kept."""
    kept = checkpoint(block, session)
    done = kept.load()
    if done is not None:
        session.initial_sharpness.update(done.values["known"])
        return {name: _unpacked(done.arrays[name]) for name in TABLES}
    tables = _train(block, session, progress, kept.part("training"))
    starts = {spec.start_key for spec in block} & session.initial_sharpness.keys()
    known = {start: session.initial_sharpness[start] for start in starts}
    kept.put(Snapshot({"known": known}, {name: _packed(tables[name]) for name in TABLES}))
    session.stop.heed(str(session.folder or ""))
    return tables


def _packed(table: pyarrow.Table) -> Array:
    """A table as bytes: not as parquet, which is slow to write."""
    import pyarrow.ipc

    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8)


def _unpacked(array: Array) -> pyarrow.Table:
    import pyarrow.ipc

    return pyarrow.ipc.open_stream(pyarrow.py_buffer(array)).read_all()


def _train(
    block: Sequence[RunSpec], session: Session, progress: Progress, keeper: Checkpoint
) -> Tables:
    from nup.training.backends import blas

    train = session.train or _default_train()
    records = train(
        block,
        session.loader.by_seed(spec.data for spec in block),
        session.device,
        progress.step,
        compiled=session.compiled,
        known=session.initial_sharpness,
        keeper=keeper,
    )
    elapsed = keeper.elapsed
    specs = {spec.id: spec for spec in block}
    trained = [specs[run] for run in map(str, records.runs["run_id"])]
    by_kernels = session.compiled and can_compile(block[0], session.device)
    backend = "numba" if by_kernels else "torch"
    constant = {
        **session.provenance,
        "backend": backend,
        "blas": None if session.device.startswith("cuda") else blas.label(backend),
        "stack_size": len(block),
        "wall_time_s": elapsed / len(block),
        "mixed": None,
    }
    described = [
        {
            **of_run(spec, costs.network(spec)),
            "code_digest": entries.run_code_digest(spec),
            "specification": spec.text,
            **constant,
        }
        for spec in trained
    ]
    runs = {
        **records.runs,
        **{name: [row[name] for row in described] for name in described[0]},
    }
    columns = {"runs": runs, "steps": records.steps, "layers": records.layers}
    return {name: store.as_table(name, columns[name]) for name in TABLES}


def _default_train() -> Callable[..., Records]:
    from nup.training.loop import train

    return train
