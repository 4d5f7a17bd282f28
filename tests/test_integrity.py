"""`nup verify` and `nup rerun` on a small study in a temporary folder."""

import shutil

import numpy as np
import pytest

from fake_training import run_spec
from flat import flatten
from nup import cli
from nup.jobs import execute, frozen, kinds, verification
from nup.jobs.plan import Job
from nup.registry import Entry
from nup.specs import InitSpec
from nup.tables import collect, ranges, store
from nup.training.schedules import SCHEDULES

RUNS = [run_spec(seed=seed, steps=12, learning_rate=rate) for seed in (0, 1) for rate in (0.1, 1e6)]
NETS = [InitSpec("eoc", run_spec().data, "mup", 3, 4, "abs", 1.0, seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a study whose jobs were computed and collected."""
    folder = tmp_path_factory.mktemp("results") / "small"
    for of, specs in {kinds.TRAINING: RUNS, kinds.INITIALIZATION: NETS}.items():
        job = Job(of, tuple(specs))
        job.write(folder / "plan" / of.name)
        files = of.files(folder / verification.FOLDERS[of], job.id)
        path = files[of.tables[0]]
        out = path if len(files) == 1 else path.parent
        execute.run(job, out, execute.Session(job.id, job.digest))
        frozen.write_selection(of, {job.id: job.ids}, folder / "plan" / "selections")
        for name, file in files.items():
            out = folder / "tables" / f"{name}.parquet"
            collect.collect(name, of.key, {file: job.ids}, out)
    return folder


@pytest.fixture
def study(finished, tmp_path, capsys):
    """A copy of it that may be damaged, and `nup verify` on it."""

    class Study:
        folder = tmp_path / "small"
        tables = folder / "tables"

        def verify(self):
            status = cli.main(["verify", str(self.folder)])
            return status, capsys.readouterr().out.splitlines()

        def change(self, name, change, folder="tables"):
            path = self.folder / folder / f"{name}.parquet"
            store.write_table(name, change(store.read_table(name, path)), path)

        def problem(self):
            status, lines = self.verify()
            assert status == 1
            assert lines[-1] == f"{self.folder}: {len(lines) - 1} problem(s)"
            return lines[:-1]

    shutil.copytree(finished, Study.folder)
    return Study()


# -- verify ----------------------------------------------------------------------------------------


def test_a_whole_study_is_said_to_be_whole(study):
    status, lines = study.verify()
    assert status == 0
    assert len(lines) == 1
    assert lines[0].startswith(f"{study.folder} is whole: runs 4 rows, steps ")


def test_a_flipped_bit_anywhere_is_a_problem(study, fault):
    for path in sorted(study.folder.rglob("*.parquet")) + sorted(study.folder.rglob("*.json")):
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 2] ^= 1
        path.write_bytes(changed)
        assert any(str(path) in line for line in study.problem()), path
        path.write_bytes(content)
        fault("bit flipped", "any file of a study", "a problem that `nup verify` prints")
    assert study.verify()[0] == 0


def test_results_of_an_earlier_layout_are_looked_at_where_they_are(study):
    _, whole = study.verify()
    flatten(study.folder)
    assert study.verify() == (0, whole)
    for path in (study.folder / "runs").glob("*/steps.parquet"):
        path.write_bytes(path.read_bytes()[:-1])
        assert str(path) in study.problem()[0]


def test_missing_runs_are_a_problem(study, fault):
    gone = RUNS[2].id
    study.change("runs", lambda table: table[table["run_id"] != gone])
    first, *others = study.problem()
    assert first == f"{study.tables}/runs.parquet: 1 of 4 are missing: {gone}"
    assert len(others) == 2  # steps and layers have rows of it
    (study.tables / "runs.parquet").unlink()
    assert study.problem() == [f"{study.tables}: no table 'runs'"]
    fault("file lost or damaged", "table of a study", "a problem that `nup verify` prints")
    fault("rows lost", "table of a study", "a problem that `nup verify` prints")


def test_missing_rows_are_a_problem(study, fault):
    study.change("steps", lambda table: table[table["step"] != 5])
    (line,) = study.problem()
    assert "steps.parquet: 2 runs have too few or too many rows: " in line
    fault("rows lost", "table of a study", "a problem that `nup verify` prints")


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("runs", {"late_loss": -1.0}, "column 'late_loss': expected values from 0 on, got 4 other"),
        ("runs", {"flops": np.inf}, "column 'flops': expected values from 0 on, got 4 others, suc"),
        ("runs", {"status": "fine"}, "4 runs, such as"),
        ("runs", {"final_loss": None}, "2 runs, such as"),
        ("runs", {"specification": "{}"}, "4 runs are not what their ids say"),
        ("steps", {"cosine": 1.5}, "column 'cosine': expected values from -1.001 to 1.001, got"),
        ("layers", {"alignment": np.inf}, "column 'alignment': expected values from -1.001 to 1."),
        ("init", {"cosine": 2.0}, "column 'cosine': expected values from -1.001 to 1.001, got 6"),
        ("init", {"code_digest": "a"}, "note: "),
    ],
)
def test_values_that_cannot_be_are_problems(study, table, changes, message, fault):
    study.change(table, lambda frame: frame.assign(**changes))
    _, lines = study.verify()
    assert any(message in line for line in lines), lines
    fault("values edited", f"table {table}", "a problem or a note that `nup verify` prints")


def test_mixed_code_is_a_problem_and_accepted_code_a_note(study, fault):
    def edited(table):
        return table.assign(code_digest=table["code_digest"].mask(table["seed"] == 1, "other"))

    study.change("runs", edited)
    (line,) = study.problem()
    assert "runs.parquet: mixed, 2: code other instead of " in line
    fault("code or backend changed", "rows of a table", "a problem that `nup verify` prints")
    study.change("runs", lambda table: table.assign(mixed=["accepted"] * len(table)))
    status, lines = study.verify()
    assert status == 0
    assert lines[0].startswith(f"note: {study.tables}/runs.parquet: accepted, 4: accepted (")


def test_results_of_one_earlier_code_are_a_note(study):
    study.change("runs", lambda table: table.assign(code_digest="earlier"))
    status, lines = study.verify()
    assert status == 0
    assert "all of it is of other code than this version of nup has" in lines[0]


def test_an_entry_that_no_run_uses_mixes_nothing(study, monkeypatch):
    monkeypatch.setitem(SCHEDULES._entries, "new", Entry("new", module="nup.training.loop"))
    assert study.verify()[0] == 0


def test_a_study_that_was_not_run_is_named(tmp_path, capsys, pytestconfig, monkeypatch):
    monkeypatch.chdir(pytestconfig.rootpath)
    assert cli.main(["verify", "ci", "--results", str(tmp_path)]) == 2
    assert f"{tmp_path}/ci: expected the results of a study" in capsys.readouterr().err


def test_shipped_tables_are_whole(capsys, pytestconfig, monkeypatch):
    monkeypatch.chdir(pytestconfig.rootpath)
    assert cli.main(["verify", "results/reference/benchmark"]) == 0
    assert "no plan beside the tables" in capsys.readouterr().out


def test_ranges_are_of_columns_that_there_are():
    for name, columns in ranges.RANGES.items():
        assert set(columns) <= set(store.schema(name).names), name


# -- rerun -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", RUNS[:2], ids=["ok", "diverged"])
def test_a_run_trained_again_is_equal_bit_for_bit(study, capsys, spec):
    assert cli.main(["rerun", spec.id, "--tables", str(study.tables)]) == 0
    assert capsys.readouterr().out == f"run {spec.id}: equal, bit for bit\n"


def test_differences_are_printed_the_largest_first(study, capsys):
    run = RUNS[0].id
    study.change("runs", lambda table: table.assign(final_loss=table["final_loss"] * 1.5))
    study.change("steps", lambda table: table.assign(loss=table["loss"] * (1 + 1e-3)))
    study.change("layers", lambda table: table.assign(cosine=np.nan))
    command = ["rerun", run, "--tables", str(study.tables)]
    assert cli.main(command) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split(",")[0] for line in lines[:3]] == [
        "layers.cosine",
        "runs.final_loss",
        "steps.loss",
    ]
    assert lines[-1] == f"run {run}: differs in 3 column(s)"
    study.change("steps", lambda table: table.assign(loss=np.inf))
    assert cli.main([*command, "--tolerance", "1e9"]) == 1
    assert "steps.loss, step 0: stored inf, again " in capsys.readouterr().out
    assert cli.main([*command, "--tolerance", "inf"]) == 0
    assert f"run {run}: equal within inf of every column" in capsys.readouterr().out


def test_older_tables_take_the_specification_from_the_plan(study, capsys):
    study.change("runs", lambda table: table.assign(specification=None))
    command = ["rerun", RUNS[0].id, "--tables", str(study.tables)]
    assert cli.main(command) == 0
    flatten(study.folder)
    assert cli.main(command) == 0
    shutil.rmtree(study.folder / "plan")
    assert cli.main(command) == 2
    assert "expected a file of the plan, got no such file" in capsys.readouterr().err


def test_a_run_that_is_not_stored_is_named(study, capsys):
    assert cli.main(["rerun", "nothing", "--tables", str(study.tables)]) == 2
    assert f"{study.tables}: expected one run 'nothing', got 0" in capsys.readouterr().err
