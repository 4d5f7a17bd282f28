import errno
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fake_training import run_spec, runs_by_id
from nup.errors import UserError
from nup.jobs import frozen, kinds, locks, memory, places, plan
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job, Limits
from nup.registry import plugin_files
from nup.specs import digest


@pytest.fixture
def study(tmp_path):
    """A study's folder: ``plan`` for runs, and ``finish`` to pretend that a job has run."""

    class Study:
        jobs = tmp_path / "plan"
        runs = tmp_path / "runs"

        def plan(self, specs, seconds=0.01, memory_mb=None):
            limits = Limits(seconds, 50, memory_mb)
            return plan.reconcile(TRAINING, runs_by_id(specs), self.jobs, self.runs, limits)

        def finish(self, job):
            path = TRAINING.files(self.runs, job)["runs"]
            path.parent.mkdir(parents=True)
            path.touch()

        def files(self):
            paths = places.listed(self.jobs, ".json")
            return {path.name: path.stat().st_mtime_ns for path in paths}

        def file(self, job):
            return places.place(self.jobs, job, ".json")

    return Study()


def specs(seeds, depths=(2, 3)):
    return [run_spec(seed=seed, depth=depth) for depth in depths for seed in seeds]


def selected(planned):
    return sorted(run for ids in planned.selection.values() for run in ids)


def ids(runs):
    return sorted(run.id for run in runs)


def test_every_run_is_planned_once(study):
    planned = study.plan(specs(range(6)))
    assert selected(planned) == ids(specs(range(6)))
    assert len(planned.jobs) > 1


def test_job_files_hold_everything(study):
    planned = study.plan(specs(range(3)))
    for job in planned.jobs.values():
        read = Job.read(study.file(job.id))
        assert read == job
        assert (read.id, read.digest, read.ids) == (job.id, job.digest, job.ids)


def test_planning_again_changes_nothing(study):
    first, files = study.plan(specs(range(6))), study.files()
    done = sorted(first.jobs)[1]
    study.finish(done)
    for _ in range(2):
        again = study.plan(specs(range(6))[::-1])
        assert again.selection == first.selection
    assert study.files() == files


def test_planning_at_once_gives_one_plan(study):
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda _: study.plan(specs(range(6))), range(4)))
    assert all(each.selection == plans[0].selection for each in plans)
    assert {f"{job}.json" for job in plans[0].jobs} == set(study.files())


def test_growing_trains_only_what_is_missing(study):
    first = study.plan(specs(range(4)))
    for job in first.jobs:
        study.finish(job)
    files = study.files()
    grown = study.plan(specs(range(5), depths=(2, 3, 4)))
    new = set(grown.jobs) - set(first.jobs)
    trained = sorted(run for job in new for run in grown.jobs[job].ids)
    assert set(first.jobs) <= set(grown.jobs)
    assert trained == sorted(
        set(ids(specs(range(5), depths=(2, 3, 4)))) - set(ids(specs(range(4))))
    )
    assert files.items() <= study.files().items()


def test_shrinking_takes_less_from_the_jobs_there_are(study):
    first = study.plan(specs(range(4)))
    for job in first.jobs:
        study.finish(job)
    files = study.files()
    shrunk = study.plan(specs(range(2), depths=(2,)))
    assert selected(shrunk) == ids(specs(range(2), depths=(2,)))
    assert set(shrunk.jobs) <= set(first.jobs)
    assert study.files() == files


def test_jobs_not_yet_run_are_dropped_when_they_hold_unwanted_runs(study):
    first = study.plan(specs(range(4)), seconds=10)
    assert len(first.jobs) == 1
    shrunk = study.plan(specs(range(2)), seconds=10)
    assert set(shrunk.jobs).isdisjoint(first.jobs)
    assert selected(shrunk) == ids(specs(range(2)))
    study.finish(next(iter(shrunk.jobs)))
    regrown = study.plan(specs(range(4)), seconds=10)
    assert set(shrunk.jobs) < set(regrown.jobs)
    assert selected(regrown) == ids(specs(range(4)))


def test_jobs_stay_near_their_length_and_start_with_the_longest():
    runs = specs(range(40), depths=(2, 3, 4, 5))
    jobs = plan.pack(TRAINING, runs, Limits(0.1, 50))
    lengths = [TRAINING.seconds(job.specs, 50) for job in jobs]
    assert max(lengths) < 0.15
    assert lengths[0] == max(lengths)
    assert len(jobs) <= 2 + 2 * TRAINING.seconds(runs, 50) / 0.1


def test_a_run_longer_than_a_job_has_one_of_its_own():
    jobs = plan.pack(TRAINING, specs(range(3), depths=(2,)), Limits(1e-9, 50))
    assert [len(job.specs) for job in jobs] == [1, 1, 1]


def test_limits_leave_room():
    job = Job(TRAINING, (run_spec(),))
    assert job.limit_minutes(50) >= 5
    assert job.memory_mb(Limits()) > memory.START_BYTES / 1e6


def test_jobs_keep_to_the_memory_they_are_given(study):
    runs = [replace(run, steps=200_000) for run in specs(range(8))]
    (free,) = study.plan(runs, seconds=1e6).jobs.values()
    start, compiling = memory.START_BYTES / 1e6, memory.COMPILE_BYTES / 1e6
    limit = compiling + (1 + memory.MARGIN) * (start + 225)
    assert free.memory_mb(Limits()) > limit
    planned = study.plan(runs, seconds=1e6, memory_mb=limit)
    assert free.id not in planned.jobs  # planned without the limit, and not yet run
    assert selected(planned) == ids(runs)
    assert all(job.memory_mb(Limits(memory_mb=limit)) <= limit for job in planned.jobs.values())
    assert 2 <= len(planned.jobs) < len(runs)
    study.finish(free.id)
    assert set(study.plan(runs, seconds=1e6, memory_mb=limit).jobs) == {free.id}
    with pytest.raises(UserError, match=r"about \d+ MB for .*, got .* MB; raise jobs.memory_mb"):
        plan.pack(TRAINING, runs, Limits(1e6, 50, compiling + (1 + memory.MARGIN) * (start + 9)))


def test_selections_are_named_by_content(study, tmp_path):
    planned = study.plan(specs(range(2)))
    path = planned.write_selection(tmp_path)
    kind, selection = frozen.read_selection(path)
    assert kind is TRAINING
    assert selection == {job: list(runs) for job, runs in planned.selection.items()}
    assert study.plan(specs(range(2))).write_selection(tmp_path) == path
    assert study.plan(specs(range(3))).write_selection(tmp_path) != path
    path.write_text("{}")
    with pytest.raises(UserError, match=r"expected a file of the plan with jobs, kind, got \[\]"):
        frozen.read_selection(path)


def test_jobs_of_an_earlier_plan_are_read_from_their_files(study):
    first = study.plan(specs(range(4)), seconds=10)
    (name,) = first.jobs
    shrunk = study.plan(specs(range(2)), seconds=10)
    assert name not in shrunk.jobs
    assert shrunk.job(name) == first.jobs[name]


def test_a_plan_takes_no_jobs_of_another_kind(study):
    study.plan(specs(range(2)))
    other = plan.reconcile(kinds.PHASES, {}, study.jobs, study.runs, Limits())
    assert (other.jobs, other.selection) == ({}, {})


def test_jobs_of_a_plugin_are_apart_and_end_with_it(study, tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    digest = plugin_files.load(path).digest
    own = [replace(run, plugins={"schedule mine": digest}) for run in specs(range(2))]
    first = study.plan(specs(range(2)) + own, seconds=10)
    assert len(first.jobs) == 2
    for job in first.jobs:
        study.finish(job)
    assert study.plan(specs(range(2)) + own, seconds=10).selection == first.selection
    monkeypatch.setattr(plugin_files, "_LOADED", {})  # as after an edit of the file
    edited = [replace(run, plugins={"schedule mine": "edited"}) for run in specs(range(2))]
    second = study.plan(specs(range(2)) + edited, seconds=10)
    assert len(second.jobs.keys() & first.jobs.keys()) == 1
    assert selected(second) == ids(specs(range(2)) + edited)


def test_a_planner_waits_for_another_and_says_so(study, monkeypatch, caplog):
    monkeypatch.setattr(locks, "PATIENCE", 0.01)
    caplog.set_level("INFO", "nup")
    with ThreadPoolExecutor(1) as pool:
        with locks.alone(study.jobs / ".lock", "planning"):
            waiting = pool.submit(study.plan, specs(range(2)))
            while not caplog.messages:
                assert not waiting.done()
        assert selected(waiting.result()) == ids(specs(range(2)))
    assert "waiting for another process to finish planning" in caplog.text


def test_a_file_system_without_locks_is_named(study, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    planned = study.plan(specs(range(2)))
    assert selected(planned) == ids(specs(range(2)))
    assert "expected a file system with locks, got [Errno 37] No locks available" in caplog.text


def test_jobs_of_other_versions_are_left_alone_in_planning(study):
    planned = study.plan(specs(range(2)))
    old = [{"experiment": "old"}]
    name = frozen.job_id([digest(each) for each in old])
    path = study.file(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"job": name, "kind": "train", "specs": old}))
    with pytest.raises(frozen.OtherVersionError, match="planned by this version of nup"):
        Job.read(path)
    with pytest.raises(UserError, match="no such file; plan first"):
        Job.read(study.file("89ab"))
    assert study.plan(specs(range(2))).selection == planned.selection


@pytest.mark.parametrize("damage", [b"{", b"\xff", b"[]", b'{"job": 1}', b"NaN", b""])
def test_a_damaged_file_stops_planning_and_is_named(study, damage):
    planned = study.plan(specs(range(2)))
    path = study.file(min(planned.jobs))
    for content in (damage, path.read_bytes().replace(b"test", damage, 1)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"{path}: .*delete it and run the same command again"):
            study.plan(specs(range(2)))
    path.unlink()
    assert study.plan(specs(range(2))).selection == planned.selection


def test_an_edited_job_is_not_taken_for_the_planned_one(study):
    planned = study.plan(specs(range(2)))
    path = study.file(min(planned.jobs))
    path.write_text(path.read_text().replace('"steps":10', '"steps":11'))
    with pytest.raises(UserError, match=rf"{path}: changed since it was planned: expected the con"):
        Job.read(path)


@pytest.mark.parametrize("of", ["job", "selection"])
def test_every_flipped_bit_of_a_plan_is_noticed(study, tmp_path, of):
    planned = study.plan(specs(range(2), depths=(2,)), seconds=10)
    (job,) = planned.jobs.values()
    if of == "job":
        path, read = study.file(job.id), frozen.read_job
    else:
        path, read = planned.write_selection(tmp_path), frozen.read_selection
    content, whole = path.read_bytes(), read(path)
    noticed = 0
    bits = range(0, 8 * len(content), 7)
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read(path) == whole, bit  # as where a space becomes another one
        except UserError as error:
            assert str(path) in str(error)
            noticed += 1
    assert noticed > 0.9 * len(bits)
