"""Snakemake is killed and its jobs are not: what they leave is found by the next Snakemake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from project import copied

STUDY = """
study: killed
experiments:
  short:
    data: {name: teacher, n_train: 16, n_validation: 8, n_test: 8, n_probe: 4}
    parameterization: {name: mup}
    depth: 3
    width: 4
    activation: abs
    learning_rate: 0.1
    steps: 2500
    seeds: 2
jobs: {compiled: false}
"""
TABLE = "results/killed/tables/runs.parquet"


@pytest.fixture
def checkout(tmp_path, pytestconfig):
    return copied(pytestconfig.rootpath, tmp_path, study="killed")


def test_a_job_that_outlives_snakemake_is_not_computed_again(checkout, fault):
    """Whether it still runs then, and is waited for, or has finished."""
    study = checkout.root / "killed.yaml"
    study.write_text(STUDY)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", TABLE]
    command += ["--config", f"study={study}"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    head = subprocess.Popen(
        command,
        cwd=checkout.root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = []
    while not locks:  # the job has begun
        assert head.poll() is None
        locks = list(checkout.folder.glob("checkpoints/*/*/.lock"))
        time.sleep(0.1)
    head.send_signal(signal.SIGKILL)
    head.wait()
    checkout.snakemake("--unlock", "--config", f"study={study}")
    text = checkout.snakemake(TABLE, "--config", f"study={study}")
    assert "rule train" in text
    assert "finished before, its tables are those in" in text
    assert len(checkout.table("runs")) == 2
    assert list(checkout.folder.glob("checkpoints/*/*")) == []
    fault("SIGKILL", "Snakemake alone, its jobs live on", "jobs are waited for, nothing is lost")
