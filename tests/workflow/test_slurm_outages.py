"""`snakemake --profile slurm` on a real SLURM of which something is lost."""

from __future__ import annotations

import signal
import time

import pytest

import slurm
from slurm_study import LONG, assert_equal, trained

pytestmark = pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is one")


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
    cluster.start_node(node.rpartition("-")[2])
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
