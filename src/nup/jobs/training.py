"""Train the runs of a job, block by block.

Every finished block is kept as a checkpoint until the job's tables are written, so that a job that
was interrupted goes on where it stopped. Checkpoints are found by the digest of what determines
their numbers: the runs of the block, their code, the versions of what computes, and the kind of
device.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nup.jobs import entries, memory
from nup.jobs.columns import of_run
from nup.jobs.execute import Session, Tables
from nup.jobs.progress import Progress
from nup.specs import RunSpec, canonical_json, digest
from nup.tables import store
from nup.tables.schema import RUNS
from nup.training import costs
from nup.training.backends.scope import can_compile

if TYPE_CHECKING:
    from nup.training.recorder import Records

#: The tables that training leaves.
TABLES = ("runs", "steps", "layers")


def execute(runs: Sequence[RunSpec], session: Session) -> Tables:
    """Train runs of any shapes and return the tables ``runs``, ``steps`` and ``layers``.

    Rows are sorted by run, step and layer, whatever the blocks were.
    """
    blocks = cut(runs, session)
    # Arrow and pandas now: with the first tables they would come on top of what training has held.
    store.as_table("runs", {name: [] for name in RUNS})
    progress = Progress(session.job, blocks)
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


def checkpoint(block: Sequence[RunSpec], session: Session) -> Path | None:
    """The folder where the tables of a block are kept; None where nothing is."""
    if session.checkpoints is None or not session.job:
        return None
    names = ("torch_version", "numba_version", "python_version")
    versions = [session.provenance[name] for name in names]
    code = sorted({entries.run_code_digest(spec) for spec in block})
    how = [session.device.partition(":")[0], session.compiled]
    key = digest([[spec.id for spec in block], code, versions, how])
    return session.checkpoints / session.job / key


def _block(block: Sequence[RunSpec], session: Session, progress: Progress) -> Tables:
    """The tables of one block: from its checkpoint, or trained and then kept there."""
    folder = checkpoint(block, session)
    if folder is not None and folder.is_dir():
        return {name: store.read_arrow(name, folder / f"{name}.parquet") for name in TABLES}
    tables = _train(block, session, progress)
    if folder is not None:
        partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        for name, table in tables.items():
            store.write_table(name, table, partial / f"{name}.parquet")
        try:
            partial.rename(folder)
        except OSError:  # another process has just kept the same block
            shutil.rmtree(partial)
    return tables


def _train(block: Sequence[RunSpec], session: Session, progress: Progress) -> Tables:
    train = session.train or _default_train()
    began = time.perf_counter()
    records = train(
        block,
        session.loader.by_seed(spec.data for spec in block),
        session.device,
        progress.step,
        compiled=session.compiled,
        known=session.initial_sharpness,
    )
    elapsed = time.perf_counter() - began
    specs = {spec.id: spec for spec in block}
    trained = [specs[run] for run in map(str, records.runs["run_id"])]
    by_kernels = session.compiled and can_compile(block[0], session.device)
    constant = {
        **session.provenance,
        "backend": "numba" if by_kernels else "torch",
        "stack_size": len(block),
        "wall_time_s": elapsed / len(block),
        "mixed": None,
    }
    described = [
        {
            **of_run(spec, costs.network(spec)),
            "code_digest": entries.run_code_digest(spec),
            "specification": canonical_json(spec.to_dict()),
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
