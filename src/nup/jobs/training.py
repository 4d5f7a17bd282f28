"""Train the runs of a job, block by block.

A block is kept on its way and when it has finished, until the job's tables are written, so that a
job that was interrupted goes on where it stopped. What determines a block's numbers is part of its
checkpoint: its runs, their code, the versions of what computes, and the kind of device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nup.jobs import entries, memory, trials
from nup.jobs.columns import of_run
from nup.jobs.execute import Session, Tables
from nup.jobs.progress import Progress
from nup.jobs.trials import Outcomes
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

    blocks = [block for each in trials.rounds(runs) for block in cut(each, session)]
    if blas.shortfall():
        log.warning("%s", blas.shortfall())
    # Arrow and pandas now: with the first tables they would come on top of what training has held.
    store.as_table("runs", {name: [] for name in RUNS})
    progress = Progress(session.job, blocks, session.folder, session.compiling)
    wanted, outcomes, parts = {spec.id for spec in runs}, Outcomes(), []
    for block in blocks:
        progress.start(block)
        tables = _block(block, session, progress, outcomes)
        outcomes.add(tables["runs"])
        parts.append(_rows_of(wanted, block, tables))
    progress.end()
    return {name: store.concatenate(name, [part[name] for part in parts]) for name in TABLES}


def _rows_of(wanted: set[str], block: Sequence[RunSpec], tables: Tables) -> Tables:
    """The rows of a block that are wanted: not those of runs that were trained for others alone."""
    import pyarrow
    import pyarrow.compute

    own = [spec.id for spec in block if spec.id in wanted]
    if len(own) == len(block):
        return tables
    ids = pyarrow.array(own, pyarrow.string())  # its type is not that of an empty list
    return {
        name: table.filter(pyarrow.compute.is_in(table["run_id"], ids))
        for name, table in tables.items()
    }


def cut(runs: Sequence[RunSpec], session: Session) -> list[list[RunSpec]]:
    """Runs in the blocks that train together on the session's device, within its memory."""
    import torch

    if session.device.startswith("cuda"):
        return costs.blocks(runs, costs.GPU_BLOCK_BYTES)
    threads = torch.get_num_threads()
    return memory.cut(costs.blocks(runs, threads=threads), session.memory_mb, threads)


def checkpoint(block: Sequence[RunSpec], session: Session) -> Checkpoint:
    """What is kept of a block."""
    if session.folder is None:  # digests of code are not for free
        return session.checkpoint(block)
    return session.checkpoint(block, *(entries.run_code_digest(spec) for spec in block))


def _block(
    block: Sequence[RunSpec], session: Session, progress: Progress, outcomes: Outcomes
) -> Tables:
    """The tables of one block: as kept, or trained from where it was kept, and then kept."""
    kept = checkpoint(block, session)
    done = kept.load()
    if done is not None:
        session.initial_sharpness.update(done.values["known"])
        return {name: _unpacked(done.arrays[name]) for name in TABLES}
    tables = _train(block, session, progress, kept.part("training"), outcomes)
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
    block: Sequence[RunSpec],
    session: Session,
    progress: Progress,
    keeper: Checkpoint,
    outcomes: Outcomes,
) -> Tables:
    from nup.training.backends import blas

    train = session.train or _default_train()
    compiled = session.compiling()
    placed = [outcomes.placed(spec) for spec in block]
    records = train(
        placed,
        session.loader.by_seed(spec.data for spec in block),
        session.device,
        progress.step,
        compiled=session.compiled,
        known=session.initial_sharpness,
        keeper=keeper,
    )
    elapsed = keeper.elapsed - (session.compiling() - compiled)
    specs = {each.id: (spec, each) for spec, each in zip(block, placed, strict=True)}
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
            **of_run(each, costs.network(spec)),
            "code_digest": entries.run_code_digest(spec),
            "specification": spec.text,
            **constant,
        }
        for spec, each in trained
    ]
    runs = {
        **records.runs,
        **{name: [row[name] for row in described] for name in described[0]},
    }
    columns: dict[str, dict[str, Any]]
    columns = {"runs": runs, "steps": records.steps, "layers": records.layers}
    if block[0].trial is not None:  # known by what was asked for, wherever it was placed
        names = {each.id: spec.id for spec, each in specs.values()}
        columns = {
            table: {
                **values,
                "run_id": np.array([names[run] for run in map(str, values["run_id"])]),
            }
            for table, values in columns.items()
        }
    return {name: store.as_table(name, columns[name]) for name in TABLES}


def _default_train() -> Callable[..., Records]:
    from nup.training.loop import train

    return train
