"""Snapshots as files: a digest, a line of JSON, then the bytes of the arrays one after the other.

The digest is of all that follows it, and is checked before anything is read. Reading makes numbers
of bytes and executes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nup.tables import atomic_files
from nup.training.snapshots import Array, Snapshot

#: Of a file; another version of this format has another one.
SUFFIX = ".snapshot"
_FORMAT = 1
_CHUNK = 1 << 22


class UnusableError(Exception):
    """A file that is not the snapshot that was asked for. The message says why."""


def write(snapshot: Snapshot, of: Mapping[str, Any], path: Path) -> None:
    """Write a snapshot atomically.

    Args:
        snapshot: what to write.
        of: what it is a snapshot of, in JSON: ``read`` asks for the same.
        path: the file.

    Raises:
        WriteError: the disk is full, or read-only.
    """
    arrays = {name: np.ascontiguousarray(each) for name, each in snapshot.arrays.items()}
    shapes = [[name, each.dtype.str, list(each.shape)] for name, each in arrays.items()]
    head = {"format": _FORMAT, "of": of, "arrays": shapes, "values": snapshot.values}
    with atomic_files.atomic(path) as temporary, temporary.open("wb") as file:
        sha = hashlib.sha256()
        file.write(bytes(2 * sha.digest_size) + b"\n")  # until the digest is known
        parts: list[bytes | memoryview] = [json.dumps(head).encode() + b"\n"]
        for part in parts + [_bytes(each) for each in arrays.values()]:
            sha.update(part)
            file.write(part)
        file.seek(0)
        file.write(sha.hexdigest().encode())


def read(path: Path, of: Mapping[str, Any]) -> Snapshot:
    """The snapshot in a file.

    Raises:
        UnusableError: the file is damaged, or is a snapshot of something else than ``of``.
    """
    try:
        with path.open("rb") as file:
            stored = file.readline().strip()
            start, sha = file.tell(), hashlib.sha256()
            while part := file.read(_CHUNK):
                sha.update(part)
            if stored != sha.hexdigest().encode():
                raise UnusableError("it is damaged: its digest is not that of its content")
            file.seek(start)
            head = json.loads(file.readline())
            if head["format"] != _FORMAT:
                raise UnusableError(f"expected format {_FORMAT}, got {head['format']}")
            for name, value in of.items():
                if head["of"].get(name) != value:
                    raise UnusableError(f"it is of another {name}")
            shapes = head["arrays"]
            arrays = {name: _array(file.read, kind, shape) for name, kind, shape in shapes}
    except OSError as error:
        raise UnusableError(f"it cannot be read: {error.strerror or error}") from error
    return Snapshot(head["values"], arrays)


def _bytes(array: Array) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def _array(read: Any, kind: str, shape: list[int]) -> Array:
    array = np.empty(shape, np.dtype(kind))
    array.reshape(-1).view(np.uint8)[:] = np.frombuffer(read(array.nbytes), np.uint8)
    return array
