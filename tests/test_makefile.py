"""The Makefile's promises that can be checked without installing anything."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = {
    "setup",
    "compare",
    "reproduce",
    "figures",
    "bench",
    "test",
    "smoke",
    "check",
    "format",
    "lock",
    "clean",
    "help",
}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # An outer `make test CORES=…` hands its own settings on in the environment.
    plain = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    """A copy of what set-up depends on, without an environment."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_help_lists_every_target(checkout):
    listed = make(checkout).stdout
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared and set(declared[1].split()) >= TARGETS
    for target in declared[1].split():
        assert re.search(rf"^  {target} +\S", listed, re.MULTILINE), target


@pytest.mark.parametrize("target", ["reproduce", "figures"])
def test_study_and_cores_reach_the_workflow(checkout, target):
    planned = make(checkout, "--dry-run", target, "CORES=3", "STUDY=ci").stdout
    wanted = "snakemake --config study=ci --cores 3" + (" figures" if target == "figures" else "")
    assert planned.rstrip().endswith(wanted)
    assert planned.index("-m venv --clear .venv") < planned.index("snakemake --config")


def test_the_benchmark_is_quick_on_request(checkout):
    (checkout / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "requirements.txt", checkout / "benchmarks")
    planned = make(checkout, "--dry-run", "bench").stdout
    assert "--target build/benchmarks --requirement benchmarks/requirements.txt" in planned
    assert "PYTHONPATH=build/benchmarks .venv/bin/python -m benchmarks" in planned
    assert "--effort quick" not in planned
    quick = make(checkout, "--dry-run", "bench", "QUICK=1").stdout
    assert quick.rstrip().endswith("--effort quick --out build/bench-quick")


def test_set_up_happens_once(checkout):
    environment = checkout / ".venv"
    environment.mkdir()
    (environment / ".ready").touch()
    assert "-m venv" not in make(checkout, "--dry-run", "reproduce").stdout


def test_environments_lie_side_by_side(checkout):
    planned = make(checkout, "--dry-run", "test", "VENV=build/other").stdout
    assert "-m venv --clear build/other" in planned
    assert f'PATH="{checkout}/build/other/bin:$PATH" pytest' in planned
    assert "build/smoke/bin/pytest" in make(checkout, "--dry-run", "smoke").stdout


def test_an_unfit_python_is_named(checkout):
    done = make(checkout, "setup", "PYTHON=false")
    assert done.returncode != 0
    expected = PROJECT["requires-python"].removeprefix(">=").replace(",<", " on and before ")
    assert f"nup needs a Python from {expected}, but PYTHON=false is" in done.stderr
    assert "make setup PYTHON=python3.11" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "fits"), [("3.11.1", False), ("3.11.2", True), ("3.13.9", True), ("3.14.0", False)]
)
def test_declared_pythons_are_let_in(checkout, version, fits):
    """A stand-in that claims ``version`` and then cannot make an environment."""
    stand_in = checkout / "python"
    code = f"import sys; sys.version_info = ({version.replace('.', ', ')}); exec(sys.argv[2])"
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    stand_in.chmod(0o755)
    (checkout / "ensurepip.py").write_text("raise ImportError")
    done = make(checkout, "setup", f"PYTHON={stand_in}")
    assert done.returncode != 0
    assert ("nup needs a Python from" in done.stderr) != fits
    assert ("apt-get install python3-venv" in done.stderr) == fits


def test_ci_runs_checks_and_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script
    assert re.findall(r"^ *make (\w+)", script, re.MULTILINE) == ["check", "test", "smoke"]
