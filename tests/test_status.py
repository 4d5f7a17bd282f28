"""How far a study is, from files that stand for jobs in every state."""

import os
from dataclasses import replace

import pytest

from fake_training import run_spec, runs_by_id
from flat import flatten
from nup import cli
from nup.errors import UserError
from nup.jobs import head, locks, places, plan, progress, status
from nup.jobs.kinds import TRAINING

LIMITS = plan.Limits(5.0, 60.0)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of several jobs in ``results/mine`` of the current folder, which has just begun."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results" / "mine"
    wanted = runs_by_id([run_spec(seed=seed, steps=90_000) for seed in range(8)])
    planned = plan.reconcile(TRAINING, wanted, results / "plan" / "train", results / "runs", LIMITS)
    outline = head.outline(planned, LIMITS, results / "plan" / "selections")
    head.write({"train": outline}, {}, results / "plan" / "head.json")
    os.utime(results / "plan" / "head.json", (1000.0, 1000.0))
    return results


def finish(results, job, ended):
    path = TRAINING.files(results / "runs", job)["runs"]
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (ended, ended))


def log(results, job, text):
    path = places.place(results / "logs" / "train", job, ".log")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_every_job_has_its_state(study, capsys):
    first, second, third, *others = [job.name for job in status.read(study).jobs]
    assert len(others) > 0
    finish(study, first, 1100.0)
    log(study, second, "planned\nnup job: no room on the disk\n\n")
    folder = places.place(study / "checkpoints", third)
    folder.mkdir(parents=True)
    told = '{"share": 0.25, "training": "test: mup", "compiled": 17.0}'
    (folder / progress.FILE).write_text(told)
    log(study, third, "on the way")
    held = locks.hold(folder / ".lock")
    try:
        found = {job.name: job for job in status.read(study).jobs}
        assert [found[name].state for name in (first, second, third)] == [
            "done",
            "stopped",
            "running",
        ]
        assert {found[name].state for name in others} == {"left"}
        assert (found[third].share, found[third].training) == (0.25, "test: mup")
        assert found[third].compiled == 17.0
        assert cli.main(["status", "mine"]) == 0
    finally:
        held.release()
    said = capsys.readouterr().out
    assert f"1 of {3 + len(others)} jobs (1 done, 1 running" in said
    assert f"running: {third}: 25 % test: mup" in said
    path = places.place(study / "logs" / "train", second, ".log")
    assert f"stopped: {second}: {path.relative_to(study.parents[1])}: nup job: no room on" in said
    flatten(study)  # as an earlier version leaves them
    assert cli.main(["status", "mine"]) == 0
    assert "(1 done, " in (said := capsys.readouterr().out)
    assert "2 stopped)" in said
    # Its process is gone.
    assert {job.name: job for job in status.read(study).jobs}[third].state == "stopped"


def test_time_left_is_the_models_at_first_and_then_what_was_measured(study):
    begun = status.read(study)
    whole = begun.seconds("left")
    assert begun.left(1000.0) == pytest.approx(whole)  # a job at a time, a second a second
    done = begun.jobs[0]
    finish(study, done.name, 1000.0 + 1e6)
    # Far slower than foretold: the rest takes as much longer.
    found = status.read(study).left(1000.0 + 1e6)
    pace = (done.seconds + status.TRUSTED) / (1e6 + status.TRUSTED)
    assert found == pytest.approx((whole - done.seconds) / pace)
    # Tables of an earlier start say nothing about the pace of this one.
    os.utime(TRAINING.files(study / "runs", done.name)["runs"], (10.0, 10.0))
    assert status.read(study).left(1000.0) == pytest.approx(whole - done.seconds)


def test_time_to_compile_kernels_is_not_counted(study):
    begun = status.read(study)
    first, *rest = begun.jobs
    whole = begun.seconds("left")
    compiling = replace(begun, jobs=(replace(first, state="running"), *rest))
    # Nothing is done, however long it takes.
    assert compiling.left(1000.0 + 500.0) == pytest.approx(whole)
    # 500 s to compile, and then half the job at the pace that was foretold.
    half = replace(first, state="running", share=0.5, compiled=500.0)
    later = replace(begun, jobs=(half, *rest))
    assert later.left(1500.0 + first.seconds / 2) == pytest.approx(whole - first.seconds / 2)


def test_it_is_followed_until_all_is_done(study, capsys):
    jobs = status.read(study).jobs
    for job in jobs:
        finish(study, job.name, 1100.0)
    assert cli.main(["status", "mine", "--every", "0"]) == 0
    n = len(jobs)
    assert capsys.readouterr().out == (
        f"study mine: 100 % of the work, {n} of {n} jobs ({n} done)\n"
    )


def test_a_study_that_was_not_started_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status", "absent"]) == 2
    assert "results/absent/plan/head.json: expected a file of the plan" in capsys.readouterr().err
    with pytest.raises(UserError, match="expected a file of the plan"):
        status.read(tmp_path)


def test_an_early_estimate_is_the_models_and_a_late_one_is_measured():
    assert progress.remaining(0.0, 100.0, 0.0, 10.0) == pytest.approx(100.0)
    # A slow first step does not multiply: 20 s for a thousandth is not 5 h.
    assert progress.remaining(0.001, 54.0, 20.0, 10.0) == pytest.approx(161, abs=1)
    assert progress.remaining(0.5, 100.0, 500.0, 10.0) == pytest.approx(425)
    # The compiler's seconds are taken out before, and leave no negative time.
    assert progress.remaining(0.1, 100.0, -1.0, 10.0) == pytest.approx(45)
