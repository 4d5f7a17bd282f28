"""Studies with mistakes, written to files and read; commands that stop before they train."""

import contextlib
import copy
import io
import signal

import pytest
import yaml

from nup import cli
from nup.errors import UserError
from nup.jobs import devices, execute, training
from nup.study import grid
from nup.study.load import load

DATA = {"name": "teacher", "n_train": 32, "n_validation": 16, "n_test": 16, "n_probe": 8}
NET = {"parameterization": "mup", "depth": 3, "width": 4}
STUDY = {
    "study": "test",
    "defaults": {"data": DATA, "steps": 4, "learning_rate": 0.5},
    "experiments": {"depth": {"parameterization": "nup", "depth": 2, "width": 4}},
}
#: No input takes longer to be refused, on a machine that is busy with something else.
SECONDS = 20.0


class TooSlow(BaseException):
    """Not an Exception, so that nothing takes it for another failure."""


@contextlib.contextmanager
def in_time():
    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def planned(path):
    """How much a study's file asks for."""
    with in_time():
        study = load(path)
        return tuple(
            len(of(study, path)) for of in (grid.runs, grid.initializations, grid.phase_diagrams)
        )


def changed(keys, value, study=STUDY):
    """The study with another value at a dotted key."""
    values = copy.deepcopy(study)
    *parents, last = keys.split(".") if isinstance(keys, str) else keys
    inner = values
    for key in parents:
        inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
    inner[last] = value
    return values


def written(values, folder):
    """A file with values in YAML, or a text or bytes as they are."""
    path = folder / "study.yaml"
    if not isinstance(values, (str, bytes)):
        values = yaml.dump(values, Dumper=yaml.SafeDumper)
    path.write_bytes(values.encode() if isinstance(values, str) else values)
    return path


def refused(values, folder, message):
    path = written(values, folder)
    with pytest.raises(UserError, match=message) as error:
        planned(path)
    assert path.name in str(error.value)
    assert len(str(error.value)) < 3000


INF, NAN, LONG = float("inf"), float("nan"), "x" * 300


# --- the command line


class Planned(BaseException):
    """Instead of training; not an Exception, so that no command takes it for a failure."""


def stopped(*_):
    raise Planned


@contextlib.contextmanager
def nothing_is_trained():
    """Within the block commands plan, and stop where they would compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "execute", stopped)
        patch.setattr(execute, "run", stopped)
        patch.setattr(execute, "prepare_torch", lambda threads: None)
        patch.setattr(devices, "_gpus", lambda: 0)  # asking takes importing torch
        yield


def command(*arguments):
    """The exit status of a command and its message; ``trained`` if it would have computed runs."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()), in_time():
        try:
            status = cli.main([str(argument) for argument in arguments])
        except Planned:
            return "trained", ""
        except SystemExit as end:
            status = end.code
    return status, error.getvalue()


SMALL = ("--data", "teacher", "--n-train", 16, "--depth", 2, "--width", 4, "--seeds", 1)
