"""What the head of a workflow hands to its jobs, and what it costs to plan many runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from fake_training import run_spec
from nup.errors import UserError
from nup.jobs import head
from nup.jobs.kinds import PHASES, TRAINING
from nup.jobs.plan import Limits, reconcile
from nup.specs import DataSpec, PhaseSpec, ScheduleSpec
from nup.training import costs

LIMITS = Limits(5.0, 60.0)
TOLD = {"tables": "results/small/tables", "from_tables": False}


@pytest.fixture
def planned(tmp_path):
    wanted = {spec.id: spec for spec in (run_spec(seed=seed, steps=90_000) for seed in range(6))}
    return reconcile(TRAINING, wanted, tmp_path / "plan" / "train", tmp_path / "runs", LIMITS)


@pytest.fixture
def outlined(planned, tmp_path):
    return head.outline(planned, LIMITS, tmp_path / "plan" / "selections")


def test_jobs_read_what_the_head_has_found_out(planned, outlined, tmp_path):
    head.write({"train": outlined}, TOLD, tmp_path / "head.json")
    found, told = head.read(tmp_path / "head.json")
    assert told == TOLD
    assert found["train"].jobs == outlined.jobs == tuple(sorted(planned.jobs))
    assert len(outlined.jobs) > 1
    assert Path(found["train"].selection).is_file()
    for name, job in planned.jobs.items():
        needs = found["train"].needs(name)
        assert needs == outlined.needs(name)
        assert needs.seconds == job.seconds(60.0)
        assert needs.memory_mb == job.memory_mb(LIMITS)
        assert needs.minutes == job.limit_minutes(60.0)
        assert needs.code == job.code_digest


def test_a_job_that_the_head_does_not_know_is_named(outlined, tmp_path):
    head.write({"train": outlined}, TOLD, tmp_path / "head.json")
    found, _ = head.read(tmp_path / "head.json")
    with pytest.raises(UserError, match=r"head.json: expected job abc, which the head has not"):
        found["train"].needs("abc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("{}", "a file without 'digest'"),
        ("[]", "told its jobs"),
        ('{"digest": "0", "kinds": {}, "told": {}}', "changed since the head"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    path = tmp_path / "head.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path}: .*{message}"):
        head.read(path)


def test_a_copy_that_shares_its_keys_is_the_same_as_a_new_one():
    spec = run_spec(learning_rate=0.1)
    other = spec.at(learning_rate=0.5, seed=3)
    fresh = replace(spec, learning_rate=0.5, seed=3)
    assert other == fresh
    assert (other.id, other.group_key) == (fresh.id, fresh.group_key)
    assert (other.net_key, other.start_key) == (fresh.net_key, fresh.start_key)
    assert other.id != spec.id
    with pytest.raises(TypeError, match=r"expected fields of .*got \['depth'\]"):
        spec.at(depth=5)


def test_costs_are_computed_once_a_stack_and_differ_between_stacks():
    specs = [run_spec(seed=seed, depth=depth) for depth in (3, 4) for seed in range(3)]
    calls = []
    counted = costs.once_a_stack(lambda spec: calls.append(spec) or spec.depth)
    assert [counted(spec) for spec in specs] == [3, 3, 3, 4, 4, 4]
    assert len(calls) == 2
    # A rate in units of the edge needs λ_0, which is no part of what a stack has in common.
    assert counted(replace(specs[0], learning_rate=None, edge=1.0)) == 3
    assert len(calls) == 3


def test_a_start_is_told_by_the_net_and_what_is_drawn_not_by_how_it_is_trained():
    spec = run_spec()
    for same in (
        replace(spec, learning_rate=0.3, steps=7),
        replace(spec, schedule=ScheduleSpec("sharpness", {"c": 2.0}), learning_rate=None),
    ):
        assert same.start_key == spec.start_key
    for other in (
        replace(spec, seed=5),
        replace(spec, data=replace(spec.data, seed=5)),
        replace(spec, depth=spec.depth + 1),
    ):
        assert other.start_key != spec.start_key


def test_the_runs_of_a_scan_have_the_keys_of_new_ones():
    cell = PhaseSpec("phases", DataSpec("digits"), "nup", 3, 4, "abs", 0)
    runs = PHASES.runs([cell])
    for run in runs:
        fresh = replace(run)
        assert (run.id, run.group_key) == (fresh.id, fresh.group_key)
    assert len({run.group_key for run in runs}) == 3
