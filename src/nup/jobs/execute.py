"""How a process computes a job: on which device, within which memory, and where its tables go.

What a job has computed is kept on the way (``nup.jobs.checkpoints``), and its tables until they are
collected (``nup.jobs.finished``): started again, it goes on where it was, or has nothing to do.
"""

from __future__ import annotations

import importlib
import logging
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.data.datasets import Loader
from nup.errors import UserError
from nup.jobs import locks, memory, progress, provenance, snapshot_files
from nup.jobs.checkpoints import EVERY, Checkpoint
from nup.jobs.finished import Finished
from nup.jobs.stopping import Stop
from nup.registry import plugin_files
from nup.specs import Specification, digest
from nup.tables import atomic_files, store

if TYPE_CHECKING:
    import pyarrow

    from nup.jobs.plan import Job
    from nup.training.recorder import Records

Tables = dict[str, "pyarrow.Table"]

#: In a job's folder, held while it is computed.
LOCK = ".lock"

log = logging.getLogger("nup")


@dataclass
class Session:
    """How a process computes: for which job, on which device, keeping what it has where.

    Without ``checkpoints`` or a ``job`` nothing is kept; else what has come further is, ``every``
    so many seconds and where the process is asked to ``stop``. Blocks are cut so that the process
    holds at most ``memory_mb``, if given. ``compiled`` lets compiled kernels take the steps that
    they know. ``threads`` are torch's, which is left as it is without. ``train`` is
    ``nup.training.loop.train`` unless another is given. ``codes`` has the digests of the code of
    initializations and phase diagrams. ``loader`` keeps data sets from block to
    block, and ``initial_sharpness`` λ_0 of the nets whose rates are in units of the edge.
    """

    job: str = ""
    config_digest: str = ""
    device: str = "cpu"
    checkpoints: Path | None = None
    train: Callable[..., Records] | None = None
    memory_mb: float | None = None
    compiled: bool = True
    every: float = EVERY
    stop: Stop = field(default_factory=Stop)
    threads: int | None = None
    codes: dict[str, str] = field(default_factory=dict)
    loader: Loader = field(default_factory=Loader)
    initial_sharpness: dict[str, float] = field(default_factory=dict)
    #: Seconds for which kernels have been compiled so far; ``run`` sets it.
    compiling: Callable[[], float] = field(default_factory=lambda: float, init=False)  # 0.0
    #: Digest of the code that computes the job; ``run`` sets it.
    code: str = field(default="", init=False)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Columns of the table ``runs`` that are the same for every run of this session."""
        return {
            "job_id": self.job,
            "config_digest": self.config_digest,
            "device": self.device,
            **provenance.environment(),
        }

    @property
    def folder(self) -> Path | None:
        """Where the job keeps what it has; None where it keeps nothing."""
        return self.checkpoints / self.job if self.checkpoints is not None and self.job else None

    def maker(self, *code: str) -> dict[str, Any]:
        """What numbers depend on beside specifications, with these digests of code, in JSON."""
        versions = ("torch_version", "numba_version", "python_version")
        return {
            "code": sorted(set(code)),
            "environment": {name: self.provenance[name] for name in versions},
            "backend": [self.device.partition(":")[0], self.compiled],
        }

    def checkpoint(self, unit: Sequence[Specification], *code: str) -> Checkpoint:
        """The checkpoint of a unit of work, which code of these digests computes.

        Without digests the code is all that the job uses.
        """
        if self.folder is None:
            return Checkpoint(None, {}, self.every, self.stop)
        name = digest([spec.id for spec in unit])
        of = {"unit": name, **self.maker(*(code or (self.code,)))}
        path = self.folder / f"{name}{snapshot_files.SUFFIX}"
        return Checkpoint(path, of, self.every, self.stop)

    def computed(self, ids: Sequence[str]) -> dict[str, list[Any]]:
        """Columns that say what computed these specifications, of tables other than ``runs``."""
        versions = ("torch_version", "numba_version")
        return {
            "code_digest": [self.codes.get(each) for each in ids],
            **{name: [self.provenance[name]] * len(ids) for name in versions},
            "mixed": [None] * len(ids),
        }


def prepare_torch(threads: int) -> None:
    """Settings of the process, to be made before any tensor exists.

    Subnormal numbers are flushed to zero: one member of a stack that decays into them would slow
    all of it several times over.
    """
    import numpy as np
    import torch

    # numpy before 2.4 measures its types when they are first asked for, and warns of flushed ones.
    for kind in (np.float32, np.float64):
        np.finfo(kind)
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


def run(job: Job[Any], out: Path, session: Session) -> dict[str, int]:
    """Compute a job and write its tables, unless it has finished already; then drop checkpoints.

    Args:
        job: what to compute.
        out: folder of the tables; or the file, where the job leaves one table.
        session: how to compute it.

    Returns:
        The number of rows of each table.

    Raises:
        UserError: a plug-in of the job's content is not loaded, or its file has changed since; or
            a folder cannot be written.
        Interrupted: the session was asked to stop.
    """
    _check_plugins(job)
    one_file = out.suffix == ".parquet" and len(job.kind.tables) == 1
    files = {name: out if one_file else out / f"{name}.parquet" for name in job.kind.tables}
    order = list(reversed(job.kind.tables))  # where the first is, the others are
    if session.folder is None:
        tables = _compute(job, session)
        for name in order:
            store.write_table(name, tables[name], files[name])
        return {name: int(table.num_rows) for name, table in tables.items()}
    with _alone(session, session.folder, files.values()):
        session.code = job.code_digest
        of = {"job": job.digest, **session.maker(session.code)}
        finished = Finished(session.folder, of, job.kind.tables)
        rows = finished.rows()
        if rows is None:
            rows = finished.keep(_compute(job, session))
        else:
            log.info("job %s: finished before, its tables are those in %s", job.id, finished.folder)
        for name in order:
            finished.give(name, files[name])
        _drop(session.folder, finished.folder)
    return rows


def _compute(job: Job[Any], session: Session) -> Tables:
    if session.threads is not None:
        prepare_torch(session.threads)
    session.codes.update((spec.id, job.kind.code_digest([spec])) for spec in job.specs)
    compute: Callable[[Sequence[Any], Session], Tables]
    compute = importlib.import_module(job.kind.entry).execute
    with _compilation_told(session):
        return compute(job.specs, session)


@contextmanager
def _compilation_told(session: Session) -> Iterator[None]:
    """Say in the log what was compiled, which takes time and memory that other jobs do not need."""
    included = ""
    if session.compiled:
        from nup.kernels import compilation

        begun = partial(log.info, "job %s: compiling kernels, once on this machine", session.job)
        with compilation.watched(begun) as watch:
            session.compiling = lambda: watch.seconds
            yield
        if watch.kernels:
            log.info("compiled %d kernels in %.1f s", watch.kernels, watch.seconds)
            included = ", compiler of kernels included"
    else:
        yield
    of_files = memory.file_bytes() / 1e6
    files = "" if math.isnan(of_files) else f", pages of files {of_files:.0f} MB"
    log.info("peak memory: %.0f MB%s%s", memory.peak_bytes() / 1e6, files, included)


@contextmanager
def _alone(session: Session, folder: Path, files: Iterable[Path]) -> Iterator[None]:
    """Hold the job within the block, in folders that can be written and are tidy.

    A process that outlived the workflow which started it may still compute the same job.
    """
    for path in (folder / LOCK, *files):
        atomic_files.check_writable(path)
    heed = partial(session.stop.heed, str(folder))
    with locks.alone(folder / LOCK, f"computing job {session.job}", heed):
        atomic_files.drop_temporary(folder)
        for path in files:
            atomic_files.drop_temporary(path.parent, path.name)
        yield


def _drop(folder: Path, kept: Path) -> None:
    """Delete all checkpoints of a finished job."""
    for path in folder.iterdir():
        if path.is_dir() and path != kept:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name not in (LOCK, progress.FILE):
            path.unlink(missing_ok=True)


def _check_plugins(job: Job[Any]) -> None:
    """Refuse to compute what was planned with another plug-in than those that are loaded."""
    known = {plugin.digest for plugin in plugin_files.loaded()}
    wanted = {entry: each for spec in job.specs for entry, each in spec.plugins.items()}
    for entry, expected in wanted.items():
        if expected not in known:
            got = ", ".join(f"{each.path} ({each.digest})" for each in plugin_files.loaded())
            raise UserError(
                f"job {job.id}: expected {entry!r} from a plug-in with digest {expected}, got "
                f"{got or 'no plug-in'}; name its file by --plugin, or plan again if it has changed"
            )
