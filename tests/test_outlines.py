"""Outlines that are kept: read where planning anew would give the same, and only there."""

import json
from dataclasses import replace

import pytest

from fake_training import run_spec, runs_by_id
from nup.jobs import kinds, outlines, places, plan
from nup.jobs.plan import Limits
from nup.specs import DataSpec

LIMITS = Limits(0.01, 50)


@pytest.fixture
def study(tmp_path):
    """A study of a few runs: ``outline`` counts how often its runs are asked for."""

    class Study:
        file = tmp_path / "study.yaml"
        place = outlines.Place(kinds.TRAINING, tmp_path / "plan", tmp_path / "runs")
        specs = tuple(run_spec(seed=seed, depth=depth) for depth in (2, 3) for seed in range(6))
        asked = 0

        def wanted(self):
            self.asked += 1
            return runs_by_id(self.specs)

        def outline(self, limits=LIMITS):
            found = outlines.outline(self.place, self.wanted, limits, self.file)
            return found.to_dict()

        def planned(self):
            """What planning without anything kept gives."""
            folders = self.place.jobs, self.place.out
            made = plan.reconcile(kinds.TRAINING, runs_by_id(self.specs), *folders, LIMITS)
            return sorted(made.jobs)

        def finish(self, job):
            path = kinds.TRAINING.files(self.place.out, job)["runs"]
            path.parent.mkdir(parents=True)
            path.touch()

        def job_file(self, job):
            return places.place(self.place.jobs, job, ".json")

    Study.file.write_text("one")
    return Study()


def test_an_unchanged_study_is_not_planned_again(study):
    first = study.outline()
    assert sorted(first["jobs"]) == study.planned()
    assert len(first["jobs"]) > 1
    assert study.outline() == first
    assert study.asked == 1


def test_jobs_that_end_change_nothing(study):
    first = study.outline()
    for job in sorted(first["jobs"], reverse=True)[:2]:
        study.finish(job)
        assert study.outline() == first
        assert sorted(first["jobs"]) == study.planned()
    assert study.asked == 1


@pytest.mark.parametrize("change", ["study", "limits", "file", "gone", "lost", "kept", "selection"])
def test_what_plans_follow_from_is_planned_again(study, change):
    first = study.outline()
    job = sorted(first["jobs"])[0]
    path = study.job_file(job)
    study.finish(job)
    limits = LIMITS
    match change:
        case "study":
            study.file.write_text("another")
        case "limits":
            limits = replace(LIMITS, seconds=1.0)
        case "file":
            path.write_text(path.read_text() + "\n")
        case "gone":
            path.unlink()
        case "lost":  # first seen as done, then not
            study.place.file.unlink()
            study.outline()
            kinds.TRAINING.files(study.place.out, job)["runs"].unlink()
        case "kept":
            values = json.loads(study.place.file.read_text())
            values["outline"]["jobs"][job]["memory_mb"] += 1
            study.place.file.write_text(json.dumps(values))
        case "selection":
            for each in study.place.selections.glob("*.json"):
                each.unlink()
    before = study.asked
    found = study.outline(limits)
    assert study.asked == before + 1
    assert sorted(found["jobs"]) == study.planned()
    both = found["jobs"].keys() & first["jobs"].keys()
    assert both
    assert all(found["jobs"][each] == first["jobs"][each] for each in both)


def test_a_job_of_another_plan_that_ends_is_of_use(study):
    whole = study.outline()
    study.file.write_text("a smaller one")
    everything, study.specs = study.specs, study.specs[:1]
    study.outline()
    contents = {job: plan.Job.read(study.job_file(job)).ids for job in whole["jobs"]}
    (other,) = [job for job, ids in contents.items() if study.specs[0].id in ids]
    study.finish(other)
    asked = study.asked
    found = study.outline()
    assert study.asked == asked + 1
    assert list(found["jobs"]) == [other] == study.planned()
    assert len(everything) > 1


def test_files_of_a_user_that_change_are_planned_again(study, monkeypatch):
    contents = {"now": "0123456789ab"}

    def resolve(spec):
        return replace(spec, contents=contents["now"])

    monkeypatch.setattr(outlines.datasets, "resolve", resolve)
    data = DataSpec("digits", contents=contents["now"])
    study.specs = (replace(study.specs[0], data=data),)
    study.outline()
    study.outline()
    assert study.asked == 1
    contents["now"] = "another"
    study.outline()
    assert study.asked == 2
