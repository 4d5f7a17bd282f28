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
    "docs",
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


def ready(checkout: Path) -> Path:
    """The file that says that the environment of a checkout is made."""
    listed = make(checkout, "--dry-run", "setup").stdout
    return checkout / re.findall(r"touch (\S+)", listed)[-1]


@pytest.mark.parametrize("target", ["reproduce", "figures"])
@pytest.mark.parametrize("study", ["ci", "my study; touch owned"])
def test_study_and_cores_reach_the_workflow(checkout, target, study):
    """As they were written: no shell reads what the user wrote."""
    program = checkout / ".venv" / "bin" / "snakemake"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    program.chmod(0o755)
    ready(checkout).touch()
    done = make(checkout, "--silent", target, "CORES=3", f"STUDY={study}")
    further = "<figures>" if target == "figures" else ""
    assert done.stdout == f"<--config><study={study}><--cores><3>{further}", done.stderr
    assert not (checkout / "owned").exists()


def test_set_up_comes_before_the_workflow(checkout):
    planned = make(checkout, "--dry-run", "reproduce").stdout
    assert planned.index("-m venv --clear .venv") < planned.index("snakemake --config")


def test_an_environment_that_the_shell_names_is_not_cleared(checkout, monkeypatch):
    monkeypatch.setenv("VENV", "/opt/mine")
    planned = make(checkout, "--dry-run", "setup").stdout
    assert "-m venv --clear .venv" in planned
    assert "/opt/mine" not in planned


def test_a_moved_checkout_makes_its_own_environment(checkout, tmp_path_factory):
    (checkout / ".venv").mkdir()
    ready(checkout).touch()
    assert "-m venv" not in make(checkout, "--dry-run", "reproduce").stdout
    moved = tmp_path_factory.mktemp("moved") / "checkout"
    shutil.copytree(checkout, moved)
    assert "-m venv --clear .venv" in make(moved, "--dry-run", "reproduce").stdout


def test_cores_are_not_those_of_openmp(checkout, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CORES", raising=False)
    plain = make(checkout, "help").stdout
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    assert make(checkout, "help").stdout == plain


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
    (checkout / ".venv").mkdir()
    ready(checkout).touch()
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
