"""A user without entry, name or home, as in a container: commands work all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fake_training import run_spec
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job

#: Only the user's number is another one, so that the files of this user can be read.
NOBODY = ["unshare", "--map-user=12345", "--map-group=12345"]
NAMES = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "NUP_DATA")


@pytest.fixture(scope="module")
def nobody(tmp_path_factory):
    """Runs Python in an empty folder as a user whom the system does not know."""
    around = {name: value for name, value in os.environ.items() if name not in NAMES}
    around["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    folder = tmp_path_factory.mktemp("nobody")

    def run(*arguments):
        command = [*NOBODY, sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True)

    try:
        known = run("-c", "import os, pwd; pwd.getpwuid(os.getuid())")
    except FileNotFoundError:
        pytest.skip("there is no program unshare here")
    if "uid not found: 12345" not in known.stderr:
        pytest.skip("no other user can be made here")
    run.folder = folder
    return run


def test_it_trains(nobody, fault):
    options = ["--data", "teacher", "--n-train", 16, "--depth", 2, "--width", 4, "--seeds", 1]
    done = nobody("-m", "nup", "train", *options, "--steps", 3, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in nobody.folder.iterdir()) == ["out"]
    fault("surroundings", "user without name and home", "training works")


def test_it_computes_jobs(nobody, tmp_path, fault):
    path = Job(TRAINING, (run_spec(steps=2),)).write(tmp_path)
    given = ["job", path, "--out", tmp_path / "out", "--checkpoints", tmp_path / "kept"]
    done = nobody("-m", "nup", *given, "--no-compiled")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    fault("surroundings", "user without name and home", "jobs work")


def test_downloads_have_no_place(nobody, fault):
    """Not a folder that is called ~."""
    # Where the data set is installed on this machine, nothing needs to be downloaded.
    code = (
        "from nup import cli\nfrom nup.data import downloads\ndownloads.find = lambda *_: None\n"
        "cli.main(['train', '--data', 'fashion-mnist', '--steps', '1'])"
    )
    done = nobody("-c", code)
    assert "nup train: expected a home folder to keep downloads in" in done.stderr
    assert "Traceback" not in done.stderr
    assert "set HOME or XDG_CACHE_HOME" in done.stderr
    assert not (nobody.folder / "~").exists()
    fault("surroundings", "user without name and home", "downloads say what to set")


def test_kernels_are_kept_elsewhere_where_nothing_can_be_written(nobody, tmp_path, fault):
    """Neither beside the sources nor in a home: in a folder of this process."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom nup.kernels import jit\n"
        "jit.__file__ = sys.argv[1] + '/jit.py'\njit._folder.cache_clear()\nprint(jit._folder())"
    )
    sources = tmp_path / "kernels"
    sources.mkdir()
    sources.chmod(0o555)
    done = nobody("-c", code, sources)
    assert done.returncode == 0, done.stderr
    kernels = Path(done.stdout.strip())
    assert kernels.name.startswith("nup-")
    assert tmp_path not in kernels.parents
    fault("surroundings", "cache that cannot be written", "kernels are compiled for the process")
