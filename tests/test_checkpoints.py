"""What a job keeps: on its way, when it is asked to stop, and when it has finished."""

import errno
import io
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fake_training import FakeTraining, run_spec
from nup import cli
from nup.errors import Interrupted, WriteError
from nup.jobs import checkpoints, execute, locks, places, snapshot_files, stopping
from nup.jobs.checkpoints import Checkpoint
from nup.jobs.frozen import write_selection
from nup.jobs.kinds import INITIALIZATION, PHASES, TRAINING
from nup.jobs.plan import Job
from nup.jobs.stopping import Stop
from nup.specs import DataSpec, InitSpec, PhaseSpec, ScheduleSpec
from nup.tables import atomic_files, store
from nup.training.snapshots import Snapshot, take

SNAPSHOT = Snapshot(
    {"step": 3, "nan": float("nan")},
    {"a": np.arange(6.0).reshape(2, 3), "none": np.empty((2, 0)), "text": np.array(["a", "bc"])},
)
OF = {"unit": "u", "code": ["c"]}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "job" / f"u{snapshot_files.SUFFIX}"
    Checkpoint(path, OF, 0, Stop()).put(SNAPSHOT)
    return path


class Asked(Stop):
    """Asked to stop when the process has been at so many moments for that."""

    def __init__(self, moments):
        super().__init__()
        self.moments = moments

    def heed(self, kept=""):
        self.moments -= 1
        if self.moments == 0:
            self.signal = "SIGTERM"
        super().heed(kept)


def session(folder, job, **changes):
    given = {"compiled": False, "every": 0.0} | changes
    return execute.Session(job.id, job.digest, "cpu", folder / "checkpoints", **given)


def tables(path):
    """All columns but those that say how long it took."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    found = {}
    for file in files:
        name = file.stem if path.is_dir() else "phases" if "phases" in file.stem else "init"
        table = store.read_arrow(name, file)
        if "wall_time_s" in table.column_names:
            table = table.drop_columns("wall_time_s")
        sink = io.BytesIO()
        import pyarrow.ipc

        with pyarrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        found[name] = sink.getvalue()
    return found


# -- files -----------------------------------------------------------------------------------------


def test_files_hold_snapshots(file):
    found = Checkpoint(file, OF, 0, Stop()).load()
    assert repr(found.values) == repr(SNAPSHOT.values)
    assert found.arrays.keys() == SNAPSHOT.arrays.keys()
    for name, array in SNAPSHOT.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def damaged(content):
    for place in (0, 70, len(content) // 2, len(content) - 1):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    yield content[:-1]
    yield content + b"x"
    yield content[:20]
    yield b""


def test_a_damaged_checkpoint_is_set_aside(file, caplog, fault):
    for content in damaged(file.read_bytes()):
        file.write_bytes(content)
        caplog.clear()
        assert Checkpoint(file, OF, 0, Stop()).load() is None
        assert "of no use, it is damaged: its digest is not that of its content" in caplog.text
        assert f"set aside as {file.stem}.aside" in caplog.text
        assert not file.exists()
        assert file.with_suffix(".aside").read_bytes() == content
        fault("bytes lost or added", "checkpoint", "set aside with a message, computed anew")


@pytest.mark.parametrize("name", ["unit", "code"])
def test_a_checkpoint_of_something_else_is_set_aside(file, name, caplog):
    assert Checkpoint(file, OF | {name: "other"}, 0, Stop()).load() is None
    assert f"it is of another {name}; it is set aside" in caplog.text
    assert Checkpoint(file, OF, 0, Stop()).load() is None


def test_checkpoints_are_written_when_it_is_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    path, taken = tmp_path / "u.snapshot", []

    def snapshot():
        taken.append(now[0])
        now[0] += 5.0  # a slow disk
        return SNAPSHOT

    kept = Checkpoint(path, OF, 90.0, Stop())
    for now[0] in range(0, 1000, 10):
        kept.offer(snapshot)
    assert taken[0] == 90
    assert np.diff(taken).min() >= 5 / checkpoints.SHARE
    assert Checkpoint(path, OF, 90.0, Stop()).load().values["step"] == 3


def test_time_adds_up_over_processes(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    first = Checkpoint(tmp_path / "u.snapshot", OF, 1.0, Stop())
    now[0] = 5.0
    first.offer(lambda: SNAPSHOT)
    now[0] = 100.0
    second = Checkpoint(tmp_path / "u.snapshot", OF, 1.0, Stop())
    second.load()
    now[0] = 102.0
    assert second.elapsed == 7.0


def test_parts_end_with_the_whole(file):
    kept = Checkpoint(file, OF, 0, Stop())
    part = kept.part("training")
    part.offer(lambda: SNAPSHOT)
    assert kept.part("training").load() is not None
    kept.put(SNAPSHOT)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_cannot_be_kept_stops_nothing(tmp_path, caplog):
    kept = Checkpoint(tmp_path / "u.snapshot", OF, 0, Stop())
    kept.offer(lambda: take({"memories": {"mine": object()}}))
    assert "no checkpoint is kept, computing goes on: memories.mine: expected tensors" in (
        caplog.text
    )


# -- jobs ------------------------------------------------------------------------------------------


def training_job():
    """Two blocks; runs that diverge at once and later; λ_0 shared by blocks."""
    plain = [run_spec(seed=seed, learning_rate=rate) for seed in (0, 1) for rate in (0.1, 1e6)]
    edge = [
        run_spec(seed=seed, learning_rate=None, edge=c, steps=6, experiment=name)
        for seed in (0, 1)
        for name, c in (("test", 1.0), ("two", 2.5))
    ]
    schedule = ScheduleSpec("sharpness", {"c": 1.5})
    return Job(
        TRAINING,
        (
            *plain,
            *edge,
            *(run_spec(schedule=schedule, learning_rate=None, seed=seed) for seed in (0, 1)),
            run_spec(batch_size=4, depth=2, record={"steps": 1, "hessian": 3, "taylor": 2}),
        ),
    )


def phases_job():
    data = DataSpec("teacher", n_train=8, n_validation=4, n_test=4, n_probe=4)
    return Job(
        PHASES,
        tuple(
            PhaseSpec(
                "test", data, "mup", 3, width, "abs", seed, steps=6, early=2, log2_to=2.0, scan=1
            )
            for width in (4, 6)
            for seed in (0, 1)
        ),
    )


def initialization_job():
    sets = [run_spec().data, DataSpec("teacher", 8, 4, 4, 4)]
    return Job(
        INITIALIZATION,
        tuple(
            InitSpec("eoc", data, "mup", 3, 4, "abs", 1.0, seed, kernel="net")
            for data in sets
            for seed in (0, 1)
        ),
    )


@pytest.mark.parametrize(
    ("job", "out"),
    [
        (training_job(), "out"),
        (phases_job(), "phases.parquet"),
        (initialization_job(), "init.parquet"),
    ],
    ids=["train", "phases", "init"],
)
def test_a_job_that_is_stopped_goes_on_to_the_same_tables(job, out, tmp_path, caplog, fault):
    """Stopped at every so many moments: many times over, in one job."""
    whole = tmp_path / "whole"
    execute.run(job, whole / out, session(whole, job))
    folder, stops = tmp_path / "stopped", 0
    while True:
        try:
            execute.run(job, folder / out, session(folder, job, stop=Asked(4)))
            break
        except Interrupted as stopped:
            assert "stopped by SIGTERM: what was computed is kept in" in str(stopped)
            assert "give the same command to go on" in str(stopped)
            stops += 1
    assert stops > (3 if job.kind is TRAINING else 0)
    assert tables(folder / out) == tables(whole / out)
    assert "set aside" not in caplog.text
    left = {path.name for path in (folder / "checkpoints" / job.id).iterdir()}
    assert left - {"progress.json"} == {".lock", "finished"}  # that of a job that has compiled
    fault("asked to stop", f"job: {job.kind.name}", "goes on to the same tables", stops)


def test_stopped_without_a_folder_a_job_says_that_nothing_is_kept(tmp_path):
    stop = Stop()
    stop.ask(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"SIGINT: nothing is kept; give .* start anew; --check"):
        execute.run(training_job(), tmp_path, execute.Session(compiled=False, stop=stop))


def test_a_job_that_waits_for_another_process_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.01)
    job = initialization_job()
    stop = Stop()
    stop.ask(signal.SIGTERM)
    mine = session(tmp_path, job, stop=stop)
    with (
        locks.alone(mine.folder / ".lock", "computing"),
        pytest.raises(Interrupted, match="stopped by SIGTERM"),
    ):
        execute.run(job, tmp_path / "init.parquet", mine)


# -- finished jobs ---------------------------------------------------------------------------------


def test_a_finished_job_is_not_computed_again(tmp_path, caplog):
    """As where the workflow was killed first: it deletes the tables and starts the job again."""
    job, train = Job(TRAINING, (run_spec(), run_spec(seed=1))), FakeTraining()
    caplog.set_level(logging.INFO, "nup")
    rows = execute.run(job, tmp_path / "out", session(tmp_path, job, train=train))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for path in (tmp_path / "out").iterdir():
        assert path.stat().st_nlink == 2
        path.unlink()
    assert execute.run(job, tmp_path / "out", session(tmp_path, job, train=train)) == rows
    assert len(train.calls) == 1
    assert "finished before, its tables are those in" in caplog.text
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_finished_job_of_other_code_or_with_damage_is_computed_again(
    tmp_path, monkeypatch, fault
):
    job, train = Job(TRAINING, (run_spec(),)), FakeTraining()

    def compute(**changes):
        execute.run(job, tmp_path / "out", session(tmp_path, job, train=train, **changes))
        return len(train.calls)

    assert compute() == 1
    kept = tmp_path / "checkpoints" / job.id / "finished" / "steps.parquet"
    content = kept.read_bytes()
    kept.unlink()
    assert compute() == 2
    kept.unlink()
    kept.write_bytes(content[:-1])
    assert compute() == 3
    (kept.parent / "manifest.json").write_text("{")
    assert compute() == 4
    assert compute(compiled=True) == 5
    monkeypatch.setattr("nup.jobs.provenance.code_digest", lambda *modules: "edited")
    assert compute(compiled=True) == 6
    assert compute(compiled=True) == 6
    fault("file lost or damaged", "tables of a finished job", "computed anew", 3)
    fault("code or backend changed", "tables of a finished job", "computed anew", 2)


def test_tables_are_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    job = Job(TRAINING, (run_spec(),))
    execute.run(job, tmp_path / "out", session(tmp_path, job, train=FakeTraining()))
    assert len(store.read_table("runs", tmp_path / "out" / "runs.parquet")) == 1


@pytest.mark.parametrize("by", ["this version", "an earlier one"])
def test_collecting_drops_what_is_kept(tmp_path, by):
    job = Job(TRAINING, (run_spec(),))
    folder = TRAINING.files(tmp_path / "runs", job.id)["runs"].parent
    kept = tmp_path / "checkpoints"
    beside = kept if by == "an earlier one" else places.place(kept, job.id).parent
    mine = execute.Session(job.id, job.digest, checkpoints=beside, train=FakeTraining())
    execute.run(job, folder, mine)
    assert list(beside.iterdir()) == [beside / job.id]
    job.write(tmp_path / "plan" / TRAINING.name)
    selection = write_selection(TRAINING, {job.id: job.ids}, tmp_path / "plan" / "selections")
    options = ["--jobs", tmp_path / "runs", "--out", tmp_path / "tables", "--checkpoints", kept]
    assert cli.main(list(map(str, ["tables", selection, *options]))) == 0
    assert list(beside.iterdir()) == []
    assert len(store.read_table("runs", folder / "runs.parquet")) == 1


# -- disks -----------------------------------------------------------------------------------------


class Full:
    """A file system on which nothing more can be written, from so many files on."""

    def __init__(self, monkeypatch, number=errno.ENOSPC):
        self.left, self.number = 10**9, number
        write = Path.write_bytes

        def write_bytes(path, content):
            if self.left <= 0:
                raise OSError(self.number, os.strerror(self.number))
            return write(path, content)

        class Out(io.FileIO):
            def write(out, data):  # noqa: N805
                self.left -= 1
                if self.left < 0:
                    raise OSError(self.number, os.strerror(self.number))
                return super().write(data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        plain = Path.open

        def opened(path, mode="r", *arguments, **named):
            if mode == "wb":
                return Out(path, "w")
            return plain(path, mode, *arguments, **named)

        monkeypatch.setattr(Path, "open", opened)


def leftovers(folder):
    return [path for path in folder.rglob(".*") if path.name != ".lock"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "No space left on device; free space on its disk, then give the same"),
        (errno.EROFS, "Read-only file system; mount its file system for writing, or work in"),
        (errno.EACCES, "Permission denied; make its folder writable for you, or work in another"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_message(
    number, message, tmp_path, monkeypatch, capsys, fault
):
    path = Job(TRAINING, (run_spec(steps=2),)).write(tmp_path)
    Full(monkeypatch, number).left = 0
    options = ["--out", tmp_path / "out", "--checkpoints", tmp_path / "kept"]
    assert cli.main(list(map(str, ["job", path, *options]))) == 2
    err = capsys.readouterr().err
    assert f"expected to write this file, got {message}" in err
    assert "Traceback" not in err
    assert leftovers(tmp_path) == []
    fault("disk", f"nup job, {os.strerror(number)}", "one message, no litter")


def test_a_disk_that_fills_up_stops_no_training(tmp_path, monkeypatch, caplog, fault):
    job = Job(TRAINING, (run_spec(steps=6), run_spec(steps=6, depth=2)))
    full = Full(monkeypatch)
    kept = Checkpoint(tmp_path / "a.snapshot", OF, 0, Stop())
    full.left = 0
    kept.offer(lambda: SNAPSHOT)
    assert "no checkpoint is kept, computing goes on: " in caplog.text
    assert "No space left on device; free space on its disk" in caplog.text
    assert leftovers(tmp_path) == []
    full.left = 10**9
    execute.run(job, tmp_path / "out", session(tmp_path, job))
    fault("disk", "checkpoint, No space left on device", "a message, training goes on")


def test_a_real_disk_that_is_full(tmp_path, fault):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        big = Snapshot({}, {"a": np.zeros(10**6)})
        with pytest.raises(WriteError, match="No space left on device; free space on its disk"):
            snapshot_files.write(big, OF, disk / "a.snapshot")
        with pytest.raises(WriteError, match="No space left on device; free space on its disk"):
            columns = {"run_id": [str(i) for i in range(10**5)]}
            rows = store.schema("steps").empty_table()
            import pyarrow

            random = np.random.default_rng(0).normal(size=10**5).astype(np.float32)
            filled = {
                field.name: pyarrow.array(columns["run_id"])
                if field.name == "run_id"
                else pyarrow.array(range(10**5)).cast(field.type)
                if field.name == "step"
                else pyarrow.array(random).cast(field.type)
                if pyarrow.types.is_floating(field.type)
                else pyarrow.nulls(10**5, field.type)
                for field in rows.schema
            }
            store.write_table("steps", filled, disk / "steps.parquet")
        assert list(disk.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(WriteError, match="Read-only file system; mount its file system"):
            atomic_files.check_writable(disk / "out" / "runs.parquet")
        fault("disk", "mounted disk that is full", "one message, no litter", 2)
        fault("disk", "mounted disk that is read-only", "one message, no litter")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_killed_processes_left_is_deleted(tmp_path):
    job = Job(TRAINING, (run_spec(),))
    mine = session(tmp_path, job, train=FakeTraining())
    out = tmp_path / "out"
    out.mkdir()
    mine.folder.mkdir(parents=True)
    (out / f".runs.parquet.{'0' * 32}").touch()
    (mine.folder / f".u.snapshot.{'a' * 32}").touch()
    (mine.folder / f".finished.{'b' * 32}").mkdir()
    execute.run(job, out, mine)
    assert leftovers(tmp_path) == []


# -- processes -------------------------------------------------------------------------------------


def started(path, folder):
    command = [sys.executable, "-m", "nup", "job", path, "--out", folder / "out", "--no-compiled"]
    command += ["--checkpoints", folder / "kept", "--checkpoint-every", "0.2"]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


def wait_for_a_checkpoint(folder, process, than=0.0):
    while True:
        assert process.poll() is None, process.stderr.read()
        found = [path.stat().st_mtime for path in folder.glob("kept/*/*/*.snapshot")]
        if found and max(found) > than:
            return max(found)
        time.sleep(0.02)


def test_processes_that_are_killed_go_on(tmp_path, fault):
    job = Job(TRAINING, tuple(run_spec(seed=seed, steps=3000) for seed in (0, 1)))
    path = job.write(tmp_path)
    whole = tmp_path / "whole"
    execute.run(job, whole / "out", session(whole, job, every=1e9))
    process = started(path, tmp_path)
    wait_for_a_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)  # as Ctrl-C and a workflow do, one after the other
    _, err = process.communicate()
    assert process.returncode == cli.RESUME == 75, err
    assert re.search(r"stopped by SIG(TERM|INT): what was computed is kept in", err)
    assert "Traceback" not in err
    last = max(path.stat().st_mtime for path in tmp_path.glob("kept/*/*/*.snapshot"))
    process = started(path, tmp_path)
    wait_for_a_checkpoint(tmp_path, process, last)
    process.kill()
    _, err = process.communicate()
    assert "going on from this checkpoint" in err
    process = started(path, tmp_path)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "going on from this checkpoint" in err
    assert tables(tmp_path / "out") == tables(whole / "out")
    fault("asked to stop", "process: train", "goes on to the same tables")
    fault("SIGKILL", "job: training, between checkpoints", "goes on to the same tables")


def test_signals_are_as_before_after_a_command():
    earlier = [signal.getsignal(number) for number in stopping.SIGNALS]
    stop = Stop()
    with stopping.heeding(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal in ("SIGTERM", "SIGINT")
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == earlier
