"""Errors that a user can put right, and the wish of a user to stop."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What to do about a file that cannot be written, by the system's error.
_REMEDIES = {
    errno.ENOSPC: "free space on its disk, then give the same command again",
    errno.EDQUOT: "free space within your quota, then give the same command again",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), then give the same command again",
    errno.EIO: "check its disk, or work in another folder",
    errno.ESTALE: "mount its file system anew, then give the same command again",
    errno.EROFS: "mount its file system for writing, or work in another folder",
    errno.EACCES: "make its folder writable for you, or work in another folder",
    errno.EPERM: "make its folder writable for you, or work in another folder",
    errno.ENOTDIR: "move away the file that stands where a folder is expected",
    errno.EEXIST: "move away the file that stands where a folder is expected",
}


class UserError(ValueError):
    """A mistake in what a user asked for: a name, an option, a file or a combination of them.

    Its message says what was expected, what was got and what to do next. The command line prints
    the message alone, without a traceback, and exits with status 2.
    """


class WriteError(UserError):
    """A file that cannot be written: the disk is full, or read-only, or somebody else's."""


class Interrupted(Exception):  # noqa: N818 (nothing is wrong)
    """The process was asked to stop, and has kept what it had: the same command goes on from there.

    The command line prints the message and exits with status 75.
    """


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what the system says against writing ``path`` within the block into a message.

    Raises:
        WriteError: the disk is full or read-only, or the folder is not ours. Other errors of the
            system pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _REMEDIES:
            raise
        raise WriteError(
            f"{path}: expected to write this file, got {os.strerror(error.errno)}; "
            f"{_REMEDIES[error.errno]}"
        ) from error
