"""Which device a process trains on, and how processes share several GPUs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nup.errors import UserError

CHOICES = ("auto", "cpu", "cuda")


@contextmanager
def device(
    choice: str, environment: Mapping[str, str] = os.environ, lock_folder: Path | None = None
) -> Iterator[str]:
    """The torch device to use within the block: ``cpu``, or ``cuda:i`` held for this process.

    ``auto`` is a GPU if there is one. Where several are visible and no scheduler has assigned one,
    each process takes one that no other process of this kind holds, and waits if there is none.
    Under SLURM, and where ``CUDA_VISIBLE_DEVICES`` leaves one, that assignment is obeyed.

    Raises:
        UserError: an unknown choice, or ``cuda`` where torch sees no GPU.
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
    """Index of a name whose lock file this process holds until the block ends.

    The system releases the lock when a process dies, however it dies.
    """
    import fcntl

    folder = folder or Path(tempfile.gettempdir()) / f"nup-devices-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for index, name in enumerate(names):
            with (folder / f"{name}.lock").open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield index
                return
        time.sleep(poll)
