"""Which device a process trains on, and how processes share several GPUs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nup.errors import UserError
from nup.jobs import locks

CHOICES = ("auto", "cpu", "cuda")


@contextmanager
def device(
    choice: str, environment: Mapping[str, str] = os.environ, lock_folder: Path | None = None
) -> Iterator[str]:
    """The torch device to use within the block: ``cpu``, or ``cuda:i`` held for this process.

    ``auto`` is a GPU if there is one. Where several are visible and no scheduler has assigned one,
    each process takes one that no other process of this kind holds, and waits if there is none.
    Under SLURM, and where ``CUDA_VISIBLE_DEVICES`` leaves one, that assignment is obeyed.

    Args:
        choice: ``auto``, ``cpu`` or ``cuda``.
        environment: the variables of the process.
        lock_folder: where processes lock GPUs; a temporary folder of the user by default.

    Raises:
        UserError: an unknown choice, ``cuda`` where torch sees no GPU, or no locks to share by.
    """
    if choice not in CHOICES:
        raise UserError(f"device: expected one of {', '.join(CHOICES)}, got {choice!r}")
    count = 0 if choice == "cpu" else _gpus()
    if choice == "cuda" and count == 0:
        raise UserError(
            "device 'cuda': expected a GPU, but torch sees none; use a CUDA build of torch, check "
            "CUDA_VISIBLE_DEVICES, or choose 'cpu'"
        )
    if count == 0:
        yield "cpu"
    elif count == 1 or "SLURM_JOB_ID" in environment:
        yield "cuda:0"
    else:
        with _hold_one(_names(count, environment), lock_folder) as index:
            yield f"cuda:{index}"


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count())


def _names(count: int, environment: Mapping[str, str]) -> list[str]:
    """What the visible GPUs are called machine-wide, so that all processes lock the same names."""
    visible = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible if len(visible) == count else [str(index) for index in range(count)]


@contextmanager
def _hold_one(names: list[str], folder: Path | None, poll: float = 0.5) -> Iterator[int]:
    """Index of a name whose lock file this process holds until the block ends."""
    folder = folder or Path(tempfile.gettempdir()) / f"nup-devices-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for index, name in enumerate(names):
            try:
                lock = locks.hold(folder / f"{name}.lock")
            except OSError as error:
                raise UserError(
                    f"{folder}: expected a file system with locks, by which processes share GPUs, "
                    f"got {error}; set TMPDIR to a local folder, or CUDA_VISIBLE_DEVICES to one GPU"
                ) from error
            if lock is not None:
                try:
                    yield index
                finally:
                    lock.release()
                return
        time.sleep(poll)
