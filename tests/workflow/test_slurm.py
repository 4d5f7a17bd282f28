"""`snakemake --profile slurm` on a real SLURM: equal tables, what fails there, and the docs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import slurm
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
#: What the page on clusters calls `paper`, at the size of a test.
PAPER = """
study: paper
defaults: {data: {name: digits, n_train: 32, n_test: 32}, seeds: 1, activation: abs, width: 4}
initialization:
  eoc: {parameterization: mup, depth: 3, weight_variance: [0.8, 1.0, 1.25]}
"""
RUNS = "results/small/tables/runs.parquet"
LONG = 5_000

pytestmark = pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is one")


@pytest.fixture(scope="module")
def cluster():
    with slurm.cluster() as found:
        yield found


@pytest.fixture(scope="module")
def accounted():
    """A cluster with accounting."""
    if slurm.missing(accounting=True):
        pytest.skip(slurm.missing(accounting=True))
    with slurm.cluster(accounting=True) as found:
        yield found


@pytest.fixture
def head(cluster, tmp_path, pytestconfig):
    return head_of(cluster, tmp_path, pytestconfig.rootpath)


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
                begun = [*self.folder.glob("checkpoints/*/.lock")]
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, pytestconfig):
    """The tables of the long study as a single machine makes them."""
    root = tmp_path_factory.mktemp("local")
    checkout = copied(pytestconfig.rootpath, root, study="small")
    (root / "small.yaml").write_text(STUDY.format(steps=LONG, jobs=""))
    checkout.snakemake(RUNS, "--config", f"study={root / 'small.yaml'}")
    return trained(checkout)


def test_tables_are_those_of_a_single_machine_at_the_first_try(cluster, head, undisturbed):
    before = cluster.jobs()
    head.study(LONG).run()
    assert_equal(trained(head), undisturbed)
    jobs = [job for job in cluster.jobs() if job not in before]
    # One that trains, nothing was tried twice; of so small a study the head itself collects.
    assert [cluster.details(job)["JobState"] for job in jobs] == ["COMPLETED"]
    assert not head.log.read_text().count("Trying to restart")


def test_a_cancelled_job_is_submitted_again_and_goes_on(cluster, head, undisturbed):
    before = cluster.jobs()
    process = head.study(LONG).start()
    cluster.command("scancel", head.train_job(cluster, before))
    assert process.wait() == 0, head.log.read_text()
    assert_equal(trained(head), undisturbed)
    states = [cluster.details(job)["JobState"] for job in cluster.jobs() if job not in before]
    assert states.count("CANCELLED") == 1
    assert states.count("COMPLETED") == 1


def test_jobs_of_a_node_that_is_lost_go_elsewhere(cluster, head, undisturbed):
    before = cluster.jobs()
    process = head.study(LONG).start()
    node = cluster.details(head.train_job(cluster, before))["NodeList"]
    cluster.lose_node(node)
    assert process.wait() == 0, head.log.read_text()
    assert_equal(trained(head), undisturbed)
    jobs = [cluster.details(job) for job in cluster.jobs() if job not in before]
    assert [job["JobState"] for job in jobs] == ["NODE_FAIL", "COMPLETED"]
    assert jobs[0]["NodeList"] == node != jobs[1]["NodeList"]
    cluster.start_node(int(node.removeprefix("n")))
    cluster.wait_for("idle", cluster.nodes)


def test_a_controller_that_is_away_is_waited_for(cluster, head, undisturbed):
    """While it is away jobs run, queries fail, and a submission waits."""
    before = cluster.jobs()
    process = head.study(LONG).start()
    head.train_job(cluster, before)
    cluster.kill("slurmctld")
    time.sleep(30)
    assert process.poll() is None, head.log.read_text()
    cluster.start_controller()
    assert process.wait() == 0, head.log.read_text()
    assert_equal(trained(head), undisturbed)


def test_a_head_that_was_killed_starts_again_over_its_jobs(cluster, head, undisturbed):
    before = cluster.jobs()
    process = head.study(LONG).start()
    head.train_job(cluster, before)
    process.send_signal(signal.SIGKILL)
    process.wait()
    head.again()
    assert_equal(trained(head), undisturbed)


def test_a_job_that_runs_out_of_memory_gets_more_at_its_second_try(cluster, head):
    before = cluster.jobs()
    head.study(300).run(more=["--set-resources", "train:mem_mb=100+(attempt-1)*3000"])
    jobs = [cluster.details(job) for job in cluster.jobs() if job not in before]
    tried = [(job["JobState"], job["MinMemoryNode"]) for job in jobs]
    assert [memory for _, memory in tried] == ["100M", "3100M"]
    assert tried[1][0] == "COMPLETED"
    assert tried[0][0] in ("OUT_OF_MEMORY", "CANCELLED", "FAILED")


def test_a_job_at_its_time_limit_goes_on_with_a_longer_one(cluster, head, undisturbed):
    before = cluster.jobs()
    process = head.study(LONG).start(more=["--set-resources", "train:runtime=attempt"])
    stuck = head.train_job(cluster, before)
    slurm.stop_processes(head.folder.parents[1], "nup job")
    assert process.wait() == 0, head.log.read_text()
    assert_equal(trained(head), undisturbed)
    jobs = [cluster.details(job) for job in cluster.jobs() if job not in before]
    assert (jobs[0]["JobId"], jobs[0]["JobState"], jobs[0]["TimeLimit"]) == (
        stuck,
        "TIMEOUT",
        "00:01:00",
    )
    assert [job["JobState"] for job in jobs[1:]] == ["COMPLETED"]
    assert jobs[1]["TimeLimit"] == "00:02:00"


def test_where_there_is_accounting_it_may_be_asked(accounted, undisturbed, tmp_path, pytestconfig):
    head = head_of(accounted, tmp_path, pytestconfig.rootpath)
    head.study(LONG).run(more=["--slurm-status-command", "sacct"])
    assert_equal(trained(head), undisturbed)
    said = accounted.command("sacct", "--noheader", "--allocations", "--format=State")
    assert said.split() == ["COMPLETED"]


def test_the_commands_of_the_page_do_what_it_says(cluster, tmp_path, pytestconfig):
    """From the first check to the last, in their order, on a study of that name."""
    page = (pytestconfig.rootpath / "docs" / "cluster.md").read_text()
    commands = re.findall(r"^```bash\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(commands) >= 6
    checkout = copied(pytestconfig.rootpath, tmp_path, study="paper")
    (tmp_path / "config" / "paper.yaml").write_text(PAPER)
    said = []
    for lines in commands:
        done = subprocess.run(
            ["bash", "-e", "-c", lines],
            cwd=tmp_path,
            env=environment_of(cluster),
            capture_output=True,
            text=True,
        )
        said.append(done.stdout + done.stderr)
        assert done.returncode == 0, said[-1]
    assert "Job stats" in said[0]
    assert "Open: results/paper/index.html" in said[1]
    assert "Nothing to be done" in said[2]
    assert (checkout.folder / "index.html").is_file()


def test_gpus_that_are_asked_for_are_used_or_the_job_fails(cluster, head):
    """The nodes' GPUs are fake: SLURM hands them out, and torch sees none."""
    process = head.study(300, ", gpus: 1").start(more=["--retries", "0"])
    assert process.wait() == 1
    text = head.log.read_text()
    logs = "\n".join(path.read_text() for path in head.folder.glob("logs/train/*.log"))
    assert "device 'cuda': expected a GPU, but torch sees none" in logs
    assert "gpu=1" in text
    assert not (head.folder / "tables" / "runs.parquet").exists()
