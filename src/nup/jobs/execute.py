"""How a process computes a job: on which device, within which memory, and where its tables go."""

from __future__ import annotations

import importlib
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.data.datasets import Loader
from nup.errors import UserError
from nup.jobs import memory, provenance
from nup.registry import plugin_files
from nup.tables import store

if TYPE_CHECKING:
    import pyarrow

    from nup.jobs.plan import Job
    from nup.training.recorder import Records

Tables = dict[str, "pyarrow.Table"]

log = logging.getLogger("nup")


@dataclass
class Session:
    """How a process computes: for which job, on which device, keeping finished blocks where.

    Without ``checkpoints`` or a ``job`` nothing is kept. Blocks are cut so that the process holds
    at most ``memory_mb``, if given. ``compiled`` lets compiled kernels take the steps that they
    know. ``train`` is ``nup.training.loop.train`` unless another is given. ``code`` has the digests
    of the code of initializations and phase diagrams. ``loader`` keeps data sets from block to
    block, and ``initial_sharpness`` λ_0 of the nets whose rates are in units of the edge.
    """

    job: str = ""
    config_digest: str = ""
    device: str = "cpu"
    checkpoints: Path | None = None
    train: Callable[..., Records] | None = None
    memory_mb: float | None = None
    compiled: bool = True
    code: dict[str, str] = field(default_factory=dict)
    loader: Loader = field(default_factory=Loader)
    initial_sharpness: dict[str, float] = field(default_factory=dict)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Columns of the table ``runs`` that are the same for every run of this session."""
        return {
            "job_id": self.job,
            "config_digest": self.config_digest,
            "device": self.device,
            **provenance.environment(),
        }

    def computed(self, ids: Sequence[str]) -> dict[str, list[Any]]:
        """Columns that say what computed these specifications, of tables other than ``runs``."""
        versions = ("torch_version", "numba_version")
        return {
            "code_digest": [self.code.get(each) for each in ids],
            **{name: [self.provenance[name]] * len(ids) for name in versions},
            "mixed": [None] * len(ids),
        }


def prepare_torch(threads: int) -> None:
    """Settings of the process, to be made before any tensor exists.

    Subnormal numbers are flushed to zero: one member of a stack that decays into them would slow
    all of it several times over.
    """
    import torch

    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def run(job: Job[Any], out: Path, session: Session) -> dict[str, int]:
    """Compute a job, write its tables, then drop its checkpoints.

    Args:
        job: what to compute.
        out: folder of the tables; or the file, where the job leaves one table.
        session: how to compute it.

    Returns:
        The number of rows of each table.

    Raises:
        UserError: a plug-in of the job's content is not loaded, or its file has changed since.
    """
    _check_plugins(job)
    session.code.update((spec.id, job.kind.code_digest([spec])) for spec in job.specs)
    compute: Callable[[Sequence[Any], Session], Tables]
    compute = importlib.import_module(job.kind.entry).execute
    tables = compute(job.specs, session)
    for name in reversed(job.kind.tables):  # where the first is, the others are
        one_file = out.suffix == ".parquet" and len(job.kind.tables) == 1
        store.write_table(name, tables[name], out if one_file else out / f"{name}.parquet")
    if session.checkpoints is not None and session.job:
        shutil.rmtree(session.checkpoints / session.job, ignore_errors=True)
    log.info("peak memory: %.0f MB", memory.peak_bytes() / 1e6)
    return {name: int(table.num_rows) for name, table in tables.items()}


def _check_plugins(job: Job[Any]) -> None:
    """Refuse to compute what was planned with another plug-in than those that are loaded."""
    known = {plugin.digest for plugin in plugin_files.loaded()}
    wanted = {entry: digest for spec in job.specs for entry, digest in spec.plugins.items()}
    for entry, digest in wanted.items():
        if digest not in known:
            got = ", ".join(f"{each.path} ({each.digest})" for each in plugin_files.loaded())
            raise UserError(
                f"job {job.id}: expected {entry!r} from a plug-in with digest {digest}, got "
                f"{got or 'no plug-in'}; name its file by --plugin, or plan again if it has changed"
            )
