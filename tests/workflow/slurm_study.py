"""A small study on a real SLURM: what its tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from project import copied

STUDY = """
study: small
experiments:
  short:
    data: {{name: teacher, n_train: 16, n_validation: 8, n_test: 8, n_probe: 4, seed: run}}
    parameterization: {{name: mup}}
    depth: 3
    width: 4
    activation: abs
    learning_rate: 0.1
    steps: {steps}
    seeds: 2
jobs: {{compiled: false{jobs}}}
"""
RUNS = "results/small/tables/runs.parquet"
LONG = 5_000


def environment_of(cluster):
    """What commands for the cluster run among: the programs of this Python lead."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
    return environment | cluster.environment | {"PATH": path}


def head_of(cluster, tmp_path, project):
    """A checkout whose Snakemake submits to the cluster."""
    checkout = copied(project, tmp_path, study="small")
    environment = environment_of(cluster)

    class Head:
        folder = checkout.folder
        table = staticmethod(checkout.table)
        log = tmp_path / "head.log"
        local = staticmethod(checkout.snakemake)

        def study(self, steps, jobs=""):
            (tmp_path / "small.yaml").write_text(STUDY.format(steps=steps, jobs=jobs))
            return self

        def start(self, more=()):
            """Snakemake in the background, with all that it prints in ``log``."""
            command = [sys.executable, "-m", "snakemake", RUNS]
            command += ["--profile", "slurm", "--config", f"study={tmp_path / 'small.yaml'}"]
            command += ["--latency-wait", "5", "--default-resources", "mem_mb=2000", "runtime=5"]
            command += more
            with self.log.open("w") as log:
                return subprocess.Popen(
                    command, cwd=tmp_path, env=environment, stdout=log, stderr=log
                )

        def run(self, more=()):
            assert self.start(more).wait() == 0, self.log.read_text()

        def again(self):
            """What has to be done after a head that was killed."""
            settings = ["--config", f"study={tmp_path / 'small.yaml'}"]
            checkout.snakemake("--unlock", *settings)
            self.run()

        def train_job(self, cluster, before=()):
            """Id of a training job that has begun to train, but for those known before."""
            seconds = time.monotonic() + 120
            while time.monotonic() < seconds:
                begun = [*self.folder.glob("checkpoints/*/*/.lock")]
                running = [job for job in cluster.jobs("RUNNING") if job not in before]
                if begun and running:
                    return running[0]
                time.sleep(0.3)
            raise AssertionError(self.log.read_text())

    return Head()


def trained(head):
    """The tables, but for what differs between any two runs."""
    runs = head.table("runs").drop(columns=["wall_time_s"])
    return runs, head.table("steps")


def assert_equal(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)
