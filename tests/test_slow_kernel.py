"""A kernel that takes long to start, as on a busy machine, is waited for."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest


@pytest.fixture
def execute(tmp_path):
    """Executes a notebook with papermill on a kernel that starts after three seconds."""
    kernel = tmp_path / "kernels" / "slow" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    late = f"sleep 3; exec '{sys.executable}' -m ipykernel_launcher -f \"$0\""
    argv = ["sh", "-c", late, "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "slow", "language": "python"}))
    cell = nbformat.v4.new_code_cell("1 + 1")
    (tmp_path / "in.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    around = {**os.environ, "JUPYTER_PATH": str(tmp_path)}

    def run(timeout):
        command = [sys.executable, "-m", "papermill", "-k", "slow", "--start-timeout", str(timeout)]
        command += ["--no-progress-bar", "in.ipynb", "out.ipynb"]
        return subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True)

    return run


def test_the_workflow_waits_for_a_slow_kernel(execute, pytestconfig, fault):
    rule = (pytestconfig.rootpath / "workflow" / "rules" / "notebooks.smk").read_text()
    (patience,) = map(int, re.findall(r"--start-timeout (\d+)", rule))
    assert patience > 300  # papermill's own is a minute
    assert execute(1).returncode != 0
    done = execute(patience)
    assert done.returncode == 0, done.stderr
    fault("surroundings", "kernel that starts late", "it is waited for")
