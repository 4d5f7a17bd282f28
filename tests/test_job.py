import errno
import json
import logging
import subprocess
import sys

import pyarrow.compute as pc
import pytest

from fake_training import FakeTraining, run_spec
from nup.claims import load_catalogue
from nup.errors import UserError
from nup.jobs import devices, execute, places, progress, training
from nup.jobs.kinds import INITIALIZATION, TRAINING
from nup.jobs.plan import Job
from nup.registry import plugin_files
from nup.report import notebook
from nup.report.contents import Contents
from nup.specs import DataSpec, InitSpec
from nup.study import quick_run
from nup.tables import collect, store
from nup.training.snapshots import Snapshot


@pytest.fixture
def two_stacks():
    """A job of two stacks of two runs."""
    return Job(
        TRAINING,
        tuple(run_spec(seed=seed, depth=depth) for depth in (2, 3) for seed in (0, 1)),
    )


def session(tmp_path, train, **changes):
    return execute.Session("job", "digest", "cpu", tmp_path / "checkpoints", train, **changes)


def test_a_job_leaves_three_tables_and_no_checkpoints(tmp_path, two_stacks):
    train = FakeTraining()
    execute.run(two_stacks, tmp_path / "out", session(tmp_path, train))
    runs = store.read_table("runs", tmp_path / "out" / "runs.parquet")
    assert sorted(runs["run_id"]) == sorted(two_stacks.ids)
    assert len(train.calls) == 2
    assert set(runs["depth"]) == {2, 3}
    assert set(runs["stack_size"]) == {2}
    assert set(runs["job_id"]) == {"job"}
    assert set(runs["n_parameters"]) == {16 * 4 + 4, 16 * 4 + 16 + 4}
    assert (runs["wall_time_s"] >= 0).all()
    assert runs["batch_size"].isna().all()
    for name in ("steps", "layers"):
        table = store.read_table(name, tmp_path / "out" / f"{name}.parquet")
        assert set(table["run_id"]) == set(two_stacks.ids)
    kept = tmp_path / "checkpoints" / "job"
    assert {path.name for path in kept.iterdir()} == {".lock", "finished"}


def test_an_interrupted_job_goes_on_where_it_stopped(tmp_path, two_stacks):
    with pytest.raises(RuntimeError, match="interrupted"):
        execute.run(two_stacks, tmp_path / "out", session(tmp_path, FakeTraining(fail_at_call=1)))
    assert not (tmp_path / "out").exists()
    again = FakeTraining()
    execute.run(two_stacks, tmp_path / "out", session(tmp_path, again))
    assert len(again.calls) == 1
    runs = store.read_table("runs", tmp_path / "out" / "runs.parquet")
    assert sorted(runs["run_id"]) == sorted(two_stacks.ids)


def test_checkpoints_of_other_code_are_not_used(tmp_path, two_stacks, monkeypatch):
    with pytest.raises(RuntimeError, match="interrupted"):
        execute.run(two_stacks, tmp_path / "out", session(tmp_path, FakeTraining(fail_at_call=1)))
    monkeypatch.setattr("nup.jobs.provenance.code_digest", lambda *modules: "edited")
    again = FakeTraining()
    execute.run(two_stacks, tmp_path / "out", session(tmp_path, again))
    assert len(again.calls) == 2


def test_checkpoints_are_of_a_backend(two_stacks, tmp_path):
    block = two_stacks.specs[:2]
    kernels = session(tmp_path, None)
    torch = session(tmp_path, None, compiled=False)
    training.checkpoint(block, kernels).put(Snapshot({}, {}))
    assert training.checkpoint(block, session(tmp_path, None)).load() is not None
    assert training.checkpoint(block, torch).load() is None


def test_runs_name_what_took_their_steps():
    def backends(**how):
        runs = [run_spec(seed=seed) for seed in (0, 1)]
        table = training.execute(runs, execute.Session(train=FakeTraining(), **how))["runs"]
        return table["backend"].to_pylist()

    assert backends() == ["numba", "numba"]
    assert backends(compiled=False) == ["torch", "torch"]


def test_a_job_wants_the_plugin_that_it_was_planned_with(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    digest = plugin_files.load(path).digest
    right, wrong = (
        Job(TRAINING, (run_spec(plugins={"schedule mine": each}),)) for each in (digest, "abc")
    )
    rows = execute.run(right, tmp_path / "out", execute.Session(train=FakeTraining()))
    assert rows["runs"] == 1
    with pytest.raises(UserError, match=r"'schedule mine' from a plug-in with digest abc, got .*m"):
        execute.run(wrong, tmp_path / "out", execute.Session(train=FakeTraining()))


def test_real_training_fits_the_tables(tmp_path):
    runs = [run_spec(seed=seed, learning_rate=rate) for seed in (0, 1) for rate in (0.01, 1e6)]
    found = training.execute(runs, execute.Session())
    assert found["runs"]["status"].to_pylist().count("diverged") == 2
    for name, table in found.items():
        assert table.schema.equals(store.schema(name))
    assert "stable" in quick_run.summary(found["runs"])


def collected(selection, folder, out):
    """Rows by table, of the runs that jobs have left in a folder."""
    return {
        name: collect.collect(
            name,
            TRAINING.key,
            {TRAINING.files(folder, job)[name]: ids for job, ids in selection.items()},
            out / f"{name}.parquet",
        )
        for name in TRAINING.tables
    }


def test_tables_take_the_selected_runs_however_they_were_packed(tmp_path, two_stacks):
    train = FakeTraining()
    one, two = Job(TRAINING, two_stacks.specs[:3]), Job(TRAINING, two_stacks.specs[3:])
    for name, part in {"all": two_stacks, "one": one, "two": two}.items():
        execute.run(part, places.place(tmp_path / "runs", name), session(tmp_path, train))
    chosen = list(two_stacks.ids[1:])
    rows = collected({"all": chosen}, tmp_path / "runs", tmp_path / "a")
    again = {"two": list(two.ids), "one": list(one.ids[1:])}
    collected(again, tmp_path / "runs", tmp_path / "b")
    assert rows == {"runs": 3, "steps": 3, "layers": 3}
    for name in ("steps", "layers"):
        files = [tmp_path / folder / f"{name}.parquet" for folder in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes()
    taken = store.read_table("runs", tmp_path / "b" / "runs.parquet")
    assert sorted(taken["run_id"]) == sorted(chosen)


def test_tables_need_every_job(tmp_path):
    with pytest.raises(UserError, match=r"absent/runs\.parquet: .* no such file; train first"):
        collected({"absent": ["run"]}, tmp_path, tmp_path / "out")


def test_no_selected_run_gives_empty_tables(tmp_path):
    assert collected({}, tmp_path, tmp_path) == {"runs": 0, "steps": 0, "layers": 0}


def test_initializations_of_several_data_sets(tmp_path):
    sets = [run_spec().data, DataSpec("teacher", 8, 4, 4, 4)]
    nets = tuple(InitSpec("eoc", each, "mup", 3, 4, "abs", 1.0, 0) for each in sets)
    path = tmp_path / "init.parquet"
    assert execute.run(Job(INITIALIZATION, nets), path, execute.Session()) == {"init": 6}
    table = store.read_table("init", path)
    assert table.groupby("cell_id")["layer"].max().to_dict() == {net.id: 3 for net in nets}


def test_progress_says_how_far_the_whole_job_is(monkeypatch, caplog):
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.0)
    caplog.set_level(logging.INFO, "nup")
    blocks = [[run_spec()], [run_spec(seed=1)]]
    bar = progress.Progress("abc", blocks)
    bar.start(blocks[0])
    bar.step(0, 10, 1)  # the first step alone may take longer than the time between two lines
    bar.start(blocks[1])
    bar.step(5, 10, 1)
    bar.end()
    assert "job abc: 75 %" in caplog.messages[0]
    assert (
        "block 2 of 2 (test: mup depth 3 width 4 abs constant), step 5 of 10" in caplog.messages[0]
    )
    assert caplog.messages[1].startswith("job abc: 2 runs in 2 blocks")


def test_progress_says_nothing_after_a_slow_first_step(monkeypatch, caplog):
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.0)
    bar = progress.Progress("abc", [[run_spec()]])
    bar.start([run_spec()])
    with caplog.at_level("INFO", "nup"):
        bar.step(0, 10, 1)
        assert not caplog.messages
        bar.step(1, 10, 1)
    assert "10 %" in caplog.text


def test_devices_without_a_gpu(monkeypatch):
    monkeypatch.setattr(devices, "_gpus", lambda: 0)
    with devices.device("auto") as name:
        assert name == "cpu"
    with (
        pytest.raises(UserError, match="expected a GPU, but torch sees none"),
        devices.device("cuda"),
    ):
        pass
    with pytest.raises(UserError, match="expected one of auto, cpu, cuda, got 'tpu'"):
        devices.device("tpu").__enter__()


def test_a_scheduler_assigns_the_device(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_gpus", lambda: 4)
    with devices.device("auto", {"SLURM_JOB_ID": "1"}, tmp_path) as name:
        assert name == "cuda:0"
    assert list(tmp_path.iterdir()) == []


def test_processes_take_different_devices(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_gpus", lambda: 2)
    environment = {"CUDA_VISIBLE_DEVICES": "3,5"}
    with devices.device("auto", environment, tmp_path) as first:
        with devices.device("auto", environment, tmp_path) as second:
            assert (first, second) == ("cuda:0", "cuda:1")
        with devices.device("cuda", environment, tmp_path) as third:
            assert third == "cuda:1"
    assert {path.name for path in tmp_path.iterdir()} == {"3.lock", "5.lock"}


def test_a_device_is_free_when_its_process_has_died(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_gpus", lambda: 2)
    hold = (
        "import sys, pathlib\nfrom nup.jobs import devices\ndevices._gpus = lambda: 2\n"
        "context = devices.device('cuda', {}, pathlib.Path(sys.argv[1]))\n"
        "print(context.__enter__())\nsys.stdout.flush()\nimport os; os._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", hold, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "cuda:0"
    with devices.device("cuda", {}, tmp_path) as name:
        assert name == "cuda:0"


def test_devices_are_not_shared_without_locks(monkeypatch, tmp_path):
    def refuse(*arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(devices, "_gpus", lambda: 2)
    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(UserError, match=r"expected a file system with locks, .* got .* set TMPDIR"),
        devices.device("cuda", {}, tmp_path),
    ):
        pass


def test_executed_notebooks_lose_times_and_random_ids(tmp_path):
    def executed(identity, moment):
        return {
            "metadata": {"papermill": {"start_time": moment}, "kernelspec": {"name": "python3"}},
            "cells": [
                {
                    "id": identity,
                    "cell_type": "code",
                    "source": ["x = 1"],
                    "metadata": {"tags": ["injected-parameters"], "papermill": {"t": moment}},
                }
            ],
        }

    for number in (1, 2):
        path = tmp_path / f"{number}.ipynb"
        path.write_text(json.dumps(executed(f"id{number}", number)))
        notebook.tidy(path, tmp_path / f"tidy{number}.ipynb")
    text = (tmp_path / "tidy1.ipynb").read_text()
    assert text == (tmp_path / "tidy2.ipynb").read_text()
    assert json.loads(text)["cells"][0]["metadata"] == {"tags": ["injected-parameters"]}
    assert json.loads(text)["metadata"] == {"kernelspec": {"name": "python3"}}


def test_figures_of_notebooks_are_those_of_their_claims(pytestconfig):
    root = pytestconfig.rootpath
    catalogue = load_catalogue(root / "config" / "claims.yaml")
    experiments = frozenset(claim.experiment for claim in catalogue.claims)
    everything = Contents(experiments, frozenset({"depth", "width"}))
    found = {
        path.name: notebook.figures(path, catalogue, everything)
        for path in (root / "notebooks").glob("*.ipynb")
    }
    for claim in catalogue.claims:
        assert claim.figure in found[claim.notebook]


def test_tables_of_notebooks_are_those_that_they_name(pytestconfig):
    folder = pytestconfig.rootpath / "notebooks"
    assert notebook.tables(folder / "01_initialization.ipynb") == ["init", "claims"]
    readings = ["runs", "steps", "claims", "readings"]
    assert notebook.tables(folder / "10_readings.ipynb") == readings


def test_rows_of_a_block_are_those_of_its_runs(two_stacks):
    found = training.execute(two_stacks.specs, execute.Session(train=FakeTraining()))
    for table in found.values():
        assert set(pc.unique(table["run_id"]).to_pylist()) == set(two_stacks.ids)


def test_subnormal_numbers_are_flushed_in_every_thread_of_a_job(tmp_path, two_stacks):
    path = two_stacks.write(tmp_path)
    # Large enough for torch to share it out among threads.
    script = f"""
import torch
import nup.training.loop
from nup import cli

def probe(*_arguments, **_how):
    tiny = torch.full((1 << 20,), 1e-30)
    print(torch.get_num_threads(), int((tiny * 1e-10).count_nonzero()))
    raise SystemExit(0)

nup.training.loop.train = probe
cli.main(["job", {str(path)!r}, "--out", {str(tmp_path / "out")!r}, "--threads", "2"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["2", "0"], done.stderr
