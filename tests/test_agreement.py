"""No table holds results of different code or versions unless that was accepted and marked."""

import json

import pytest

from fake_training import FakeTraining, run_spec
from nup import cli
from nup.jobs import agreement, execute, frozen, places, provenance
from nup.jobs.kinds import INITIALIZATION, TRAINING
from nup.jobs.plan import Job
from nup.report import contents, scorecard
from nup.report.page import Page
from nup.specs import InitSpec, ScheduleSpec
from nup.tables import store


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study's folder, in which jobs are trained, by other code or versions where told so."""

    class Study:
        runs, tables = tmp_path / "runs", tmp_path / "tables"

        def __init__(self):
            self.selection = {}

        def train(self, *specs, **provenance):
            job = Job(TRAINING, specs)
            job.write(tmp_path / "plan" / "train")
            path = TRAINING.files(self.runs, job.id)["runs"]
            execute.run(job, path.parent, execute.Session(job.id, train=FakeTraining()))
            changed = store.read_table("runs", path).assign(**provenance)
            store.write_table("runs", changed, path)
            self.selection[job.id] = list(job.ids)
            return job

        def collect(self, *options):
            selections = tmp_path / "plan" / "selections"
            path = frozen.write_selection(TRAINING, self.selection, selections)
            folders = ["--jobs", str(self.runs), "--out", str(self.tables)]
            return cli.main(["tables", str(path), *folders, *options])

        def table(self):
            return store.read_table("runs", self.tables / "runs.parquet").set_index("run_id")

    return Study()


def specs(*seeds, **changes):
    return [run_spec(seed=seed, **changes) for seed in seeds]


def test_runs_that_use_other_entries_rightly_have_other_code(study):
    study.train(*specs(0))
    study.train(*specs(0, schedule=ScheduleSpec("cosine")))
    assert study.collect() == 0
    assert study.table()["code_digest"].nunique() == 2
    assert study.table()["mixed"].isna().all()


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("code_digest", "code other instead of "),
        ("torch_version", "torch other beside 2."),
        ("numba_version", "numba other beside 0."),
    ],
)
def test_mixed_runs_are_refused_and_listed(study, capfd, column, reason):
    study.train(*specs(0, 1, 2))
    job = study.train(*specs(3), **{column: "other"})
    assert study.collect() == 2
    error = capfd.readouterr().err
    assert f"{study.runs}: 1 of 4 results are not of one code and the same versions\n" in error
    assert f"  1: {reason}" in error
    assert f"({job.ids[0]})" in error
    assert f"run the same command again: {places.within(job.id)}. Or accept" in error
    assert not study.tables.exists()
    assert study.collect("--accept-mixed") == 0
    marks = study.table()["mixed"]
    assert marks[job.ids[0]].startswith(reason)
    assert marks.notna().sum() == 1


def test_a_list_of_many_is_short(study, capfd):
    for seed in range(8):
        study.train(*specs(seed), code_digest=f"other{seed}")
    assert study.collect() == 2
    error = capfd.readouterr().err
    assert "8 of 8 results" in error
    assert "and 3 further reasons" in error
    assert "and 3 more. Or accept" in error


def test_runs_that_a_job_lacks_are_named(study, capfd):
    job = study.train(*specs(0, 1))
    path = TRAINING.files(study.runs, job.id)["runs"]
    table = store.read_table("runs", path)
    store.write_table("runs", table[table["run_id"] != job.ids[1]], path)
    assert study.collect() == 2
    assert f"{path}: expected the 2 ids that the tables are to take from it, got none of " + (
        job.ids[1]
    ) in (capfd.readouterr().err)


def test_a_job_refuses_other_code_than_it_was_planned_with(tmp_path, capfd, monkeypatch):
    job = Job(TRAINING, tuple(specs(0)))
    agreement.refuse_other_code(job, job.code_digest)
    agreement.refuse_other_code(job, "")
    path = job.write(tmp_path)
    monkeypatch.setattr("nup.training.loop.train", FakeTraining())
    arguments = ["job", str(path), "--out", str(tmp_path / "out"), "--code"]
    assert cli.main([*arguments, "0123456789ab"]) == 2
    error = capfd.readouterr().err
    assert f"job {job.id}: expected the code that it was planned with (0123456789ab), got" in error
    assert "run the same command again, which plans it anew" in error
    assert not (tmp_path / "out").exists()
    assert cli.main([*arguments, job.code_digest]) == 0


def test_initializations_say_what_measured_them(tmp_path):
    job = Job(INITIALIZATION, (InitSpec("eoc", run_spec().data, "mup", 3, 4, "abs", 1.0, 0),))
    execute.run(job, tmp_path / "init.parquet", execute.Session())
    found = agreement.rows(INITIALIZATION, [tmp_path / "init.parquet"])
    assert set(found["code_digest"].to_pylist()) == {job.code_digest}
    assert set(found["torch_version"].to_pylist()) == {provenance.installed("torch")}
    code = agreement.expected(INITIALIZATION, job.specs)
    assert agreement.disagreements(found, "cell_id", code) == {}
    other = agreement.disagreements(found, "cell_id", {job.ids[0]: "edited"})
    assert other == {job.ids[0]: f"code {job.code_digest} instead of edited"}


def test_runs_hold_their_whole_specification(study):
    job = study.train(*specs(0))
    assert study.collect() == 0
    spec = job.kind.spec.from_dict(json.loads(study.table()["specification"].iloc[0]))
    assert (spec, spec.id) == (job.specs[0], job.ids[0])


def test_pages_and_verdicts_say_what_was_accepted(study):
    study.train(*specs(0, 1))
    study.train(*specs(2), torch_version="other")
    assert study.collect("--accept-mixed") == 0
    reason = f"torch other beside {provenance.installed('torch')}"
    note = f"Mixed results, which were accepted: 1 of 3 rows of `runs` ({reason}). See"
    assert contents.accepted(study.tables).startswith(note)
    claims = study.tables / "claims.parquet"
    row = {"claim": "a", "criterion": "overall", "activation": "abs", "setting": "mse"}
    row |= {"provenance": "v1", "verdict": "supported", "figure": "a.png", "notebook": "a.ipynb"}
    columns = store.schema("claims").names
    store.write_table("claims", {name: [row.get(name)] for name in columns}, claims)
    assert scorecard.text(claims).splitlines()[-1].startswith(note)
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "write", lambda self, text: shown.append(text))
        Page(study.tables, study.tables, "config/claims.yaml", reads=["claims"])
    assert shown[0].startswith(f"**{note}")
