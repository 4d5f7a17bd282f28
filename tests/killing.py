"""Commands in processes of their own that are killed at a given change of a file.

Every change that Python makes to a folder (opening a file for writing, renaming, linking, deleting)
raises an audit event before it happens. A process counts them and kills itself by SIGKILL at the
one that it was given, so every window between two changes can be hit, and is hit every time.

Torch, Arrow and the rest take seconds to be imported and used for the first time. So this file is
also a program, which does that once and then forks a process for each command.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: Audit events of changes, whose first argument is the path.
CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.utime"}
#: A process that takes longer hangs.
SECONDS = 120


class Server:
    """Runs commands in forks of one process."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).absolute())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, arguments: Sequence[object], folder: Path, at: int = 0) -> tuple[int, int, str]:
        """Run ``nup`` in ``folder``, killed at its change number ``at``, if given.

        Returns:
            The exit status, negative for a signal; how many changes it made under the folder, if it
            came to its end; and what it printed.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        values = [[str(each) for each in arguments], str(folder), at]
        print(json.dumps(values), file=self._process.stdin, flush=True)
        status, changes = json.loads(self._process.stdout.readline())
        return status, changes, _log(folder).read_text()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def serve() -> None:
    """Fork a process for each line of standard input, and print what came of it."""
    import warm  # noqa: F401

    replies = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        arguments, folder, at = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            _command(arguments, folder, at, writer)
        os.close(writer)
        with os.fdopen(reader) as changes:
            counted = int(changes.read() or 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, counted]), file=replies, flush=True)


def _command(arguments: list[str], folder: str, at: int, writer: int) -> None:
    signal.alarm(SECONDS)
    out = os.open(_log(Path(folder)), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(folder)
    from nup import cli
    from nup.jobs import checkpoints

    # A clock that stands still: tables then do not differ in how long they took.
    checkpoints.time = SimpleNamespace(monotonic=lambda: 0.0)
    numbers = itertools.count(1)
    last = 0

    def count(event: str, values: tuple[Any, ...]) -> None:
        nonlocal last
        if _changes(event, values, folder):
            last = next(numbers)
            if last == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    status = cli.main(arguments)
    os.write(writer, str(last).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _changes(event: str, values: tuple[Any, ...], folder: str) -> bool:
    """Whether an audit event is a change under the folder."""
    if event == "open":
        flags = values[2]
        if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
            return False
    elif event not in CHANGES:
        return False
    path = values[0]
    return isinstance(path, (str, os.PathLike)) and Path(path).absolute().is_relative_to(folder)


if __name__ == "__main__":
    serve()
