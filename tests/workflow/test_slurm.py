"""`snakemake --profile slurm` on a real SLURM: equal tables, limits, GPUs, and the docs."""

from __future__ import annotations

import re
import subprocess

import pytest

import slurm
from project import copied
from slurm_study import LONG, assert_equal, environment_of, head_of, trained

#: What the page on clusters calls `paper`, at the size of a test.
PAPER = """
study: paper
defaults: {data: {name: digits, n_train: 32, n_test: 32}, seeds: 1, activation: abs, width: 4}
initialization:
  eoc: {parameterization: mup, depth: 3, weight_variance: [0.8, 1.0, 1.25]}
"""

pytestmark = pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is one")


def test_tables_are_those_of_a_single_machine_at_the_first_try(cluster, head, undisturbed):
    before = cluster.jobs()
    head.study(LONG).run()
    assert_equal(trained(head), undisturbed)
    jobs = [job for job in cluster.jobs() if job not in before]
    # One that trains, nothing was tried twice; of so small a study the head itself collects.
    assert [cluster.details(job)["JobState"] for job in jobs] == ["COMPLETED"]
    assert not head.log.read_text().count("Trying to restart")


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
    logs = "\n".join(path.read_text() for path in head.folder.glob("logs/train/*/*.log"))
    assert "device 'cuda': expected a GPU, but torch sees none" in logs
    assert "gpu=1" in text
    assert not (head.folder / "tables" / "runs.parquet").exists()
