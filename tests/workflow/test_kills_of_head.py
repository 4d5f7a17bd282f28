"""Snakemake is killed with all its processes, stage by stage: its results are the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from project import copied

STUDY = """
study: killed
defaults: {data: {name: digits, n_train: 32, n_test: 32}, seeds: 1, activation: abs, width: 4}
initialization:
  eoc: {parameterization: mup, depth: 3, weight_variance: [0.8, 1.0, 1.25]}
"""
#: A stage, and the file by which it is known to have begun.
STAGES = {
    "planning": "plan/init/*/*.json",
    "a job": "checkpoints/*/*/.lock",
    "judging of claims": "logs/claims.log",
    "execution of notebooks": "logs/notebooks/*.ipynb",
}


@pytest.fixture
def checkout(tmp_path, pytestconfig):
    return copied(pytestconfig.rootpath, tmp_path, study="killed")


def results(checkout):
    """Bytes of all that is made for reading."""
    folders = ("tables", "notebooks", "figures")
    paths = [path for name in folders for path in (checkout.folder / name).iterdir()]
    return {str(path.relative_to(checkout.folder)): path.read_bytes() for path in paths}


def kill(checkout, setting, pattern):
    """Start Snakemake and kill its group of processes once there is such a file."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", setting]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (checkout.root / "killed.log").open("w") as said:
        head = subprocess.Popen(
            command,
            cwd=checkout.root,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    while not list(checkout.folder.glob(pattern)):
        assert head.poll() is None, (checkout.root / "killed.log").read_text()
        time.sleep(0.05)
    os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    checkout.snakemake("--unlock", "--config", setting)


def test_results_are_the_same_bytes_whatever_stage_was_killed(checkout, fault):
    (checkout.root / "killed.yaml").write_text(STUDY)
    setting = f"study={checkout.root / 'killed.yaml'}"
    checkout.snakemake("--config", setting)
    expected = results(checkout)
    assert {"tables/claims.parquet", "notebooks/01_initialization.html"} < set(expected)
    shutil.rmtree(checkout.folder)
    for stage, pattern in STAGES.items():
        kill(checkout, setting, pattern)
        fault("SIGKILL", f"Snakemake and all its processes in {stage}", "the same bytes")
    checkout.snakemake("--config", setting)
    assert results(checkout) == expected
