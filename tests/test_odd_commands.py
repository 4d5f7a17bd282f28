"""What a hostile stranger gives to commands, and where: one message, no traceback."""

import re
import resource
import subprocess
import sys

import pytest

from fake_training import run_spec
from nup import cli
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job


def refused(capsys, *arguments):
    """The message of a command that is refused."""
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    err = capsys.readouterr().err
    assert status == 2, err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rerun x --threads 0", "argument --threads: expected a whole number, 1 to 1024; got '0'"),
        ("rerun x --show -1", "argument --show: expected a whole number ≥ 0; got '-1'"),
        ("rerun x --tolerance nan", "argument --tolerance: expected a number ≥ 0; got 'nan'"),
        (
            "job x --out y --checkpoint-every nan",
            "argument --checkpoint-every: expected a number ≥",
        ),
        ("job x --out y --checkpoint-every -1", "argument --checkpoint-every: expected a number ≥"),
        ("train --out bad\udcff", r"expected arguments in UTF-8, got 'bad\udcff'; rename this"),
        ("verdicts \udcff", r"expected arguments in UTF-8, got '\udcff'; rename this file"),
    ],
)
def test_options(arguments, message, capsys, fault):
    assert message in refused(capsys, *arguments.split())
    fault("bad input", "option of a command", "one message, status 2")


def test_a_current_folder_that_is_gone(tmp_path, monkeypatch, capsys, fault):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "got one that was deleted; change to another folder" in refused(capsys, "train")
    monkeypatch.chdir(tmp_path)
    fault("surroundings", "current folder that was deleted", "one message")


def test_files_that_may_not_grow(tmp_path, fault):
    """As under `ulimit -f`: no checkpoint is kept, and tables that cannot be written are named."""
    path = Job(TRAINING, (run_spec(steps=2),)).write(tmp_path)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))

    # Room for the file by which it is tried whether there is any, and for no more.
    code = (
        "import json, sys, types\nfrom nup import cli\nfrom nup.jobs import snapshot_files\n"
        "snapshot_files.json = types.SimpleNamespace(\n"
        "    dumps=lambda head: json.dumps(head) + ' ' * 100_000)\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    given = ["job", path, "--out", tmp_path / "out", "--checkpoints", tmp_path / "kept"]
    given += ["--no-compiled", "--checkpoint-every", 0]
    command = [sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"no checkpoint is kept, computing goes on: .*File too large", done.stderr)
    assert "raise the limit of file sizes (ulimit -f)" in done.stderr
    assert not list((tmp_path / "kept").rglob("*.snapshot*"))
    fault("disk", "limit of file sizes", "a message, training goes on")
