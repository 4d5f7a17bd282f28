"""The seal of a table: a digest of all bytes of its file, inside the file.

It lies in the footer's metadata, which any parquet reader skips. So it moves with the file, is
written by the same rename, and cannot be of another version of the file. A digest cannot cover
itself: its own digits count as zeros.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nup.errors import UserError

#: Stands before the digits.
_MARK = b"nup:sha256:"
_DIGITS = 64
#: Says that there must be a seal, should its mark be damaged.
_SIGN = b"nup.sealed"
#: Metadata of a file that is to be sealed.
METADATA = {_SIGN.decode(): "1", "nup.seal": _MARK.decode() + _DIGITS * "0"}
#: The footer's metadata is at the end: this many bytes are far more than enough.
_TAIL = 1 << 20
_CHUNK = 1 << 22

#: What to do about a damaged table, for messages.
REMEDY = (
    "delete it and run the same command again, which makes it anew (one that is in git: "
    "git checkout)"
)


def close(path: Path) -> None:
    """Put the digest of a file in the place of the zeros in ``METADATA``."""
    start = _place(path)
    assert start is not None, f"{path}: written without the metadata of a seal"
    digest = _digest(path, start)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(digest)


def check(path: str | os.PathLike[str]) -> bool:
    """Whether a file is sealed; tables of earlier versions are not.

    Raises:
        UserError: a byte of the file is not the one that was written.
    """
    path = Path(path)
    start = _place(path)
    if start is None:
        if _SIGN in _tail(path):
            raise UserError(f"{path}: damaged, its seal is gone; {REMEDY}")
        return False
    with path.open("rb") as file:
        file.seek(start)
        stored = file.read(_DIGITS)
    found = _digest(path, start)
    if found != stored:
        raise UserError(
            f"{path}: damaged: expected bytes with SHA-256 {stored.decode('ascii', 'replace')}, "
            f"got {found.decode()}; {REMEDY}"
        )
    return True


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()


def _place(path: Path) -> int | None:
    """Where the digits begin."""
    tail = _tail(path)
    found = tail.rfind(_MARK)
    return None if found < 0 else path.stat().st_size - len(tail) + found + len(_MARK)


def _digest(path: Path, start: int) -> bytes:
    """The digits of a file, those at ``start`` counted as zeros."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        left = start
        while left and (chunk := file.read(min(_CHUNK, left))):
            sha.update(chunk)
            left -= len(chunk)
        sha.update(_DIGITS * b"0")
        file.seek(start + _DIGITS)
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest().encode()
