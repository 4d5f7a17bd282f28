"""Not one flipped bit of a plan, a checkpoint or a manifest goes unnoticed."""

import numpy as np
import pytest

from fake_training import FakeTraining, run_spec
from nup.errors import UserError
from nup.jobs import execute, head, snapshot_files
from nup.jobs.checkpoints import Checkpoint
from nup.jobs.finished import Finished
from nup.jobs.frozen import read_selection, write_selection
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job, Limits, reconcile
from nup.jobs.stopping import Stop
from nup.training.snapshots import Snapshot

#: Flips in each file.
FLIPS = 300
LIMITS = Limits()
JOB = Job(TRAINING, (run_spec(), run_spec(seed=1)))


def flips(path):
    """Write a file with one bit flipped, time and again, all over it; then put it back."""
    content = path.read_bytes()
    for bit in map(int, np.linspace(0, 8 * len(content) - 1, FLIPS, dtype=int)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        yield bit
    path.write_bytes(content)


def plan_file(folder):
    return JOB.write(folder), Job.read


def selection(folder):
    return write_selection(TRAINING, {JOB.id: JOB.ids}, folder), read_selection


@pytest.mark.parametrize("make", [plan_file, selection])
def test_every_flipped_bit_of_a_plan_is_refused(tmp_path, make, fault):
    path, read = make(tmp_path)
    for bit in flips(path):
        with pytest.raises(UserError, match=f"{path}: .*delete it and run the same command again"):
            read(path)
            raise AssertionError(bit)
    read(path)
    fault("bit flipped", f"plan: {make.__name__}", "one message that names the file", FLIPS)


def test_every_flipped_bit_of_what_the_head_tells_its_jobs_is_noticed(tmp_path, fault):
    planned = reconcile(TRAINING, {spec.id: spec for spec in JOB.specs}, tmp_path, tmp_path, LIMITS)
    path = tmp_path / "head.json"
    head.write({"train": head.outline(planned, LIMITS, tmp_path)}, {"tables": "tables"}, path)
    whole = contents(path)
    for _ in flips(path):
        try:
            assert contents(path) == whole  # of space between values
        except UserError as error:
            assert str(path) in str(error)
    fault("bit flipped", "plan: what the head tells its jobs", "one message, or the same", FLIPS)


def contents(path):
    outlines, told = head.read(path)
    return told, {
        kind: (each.selection, [(job, each.needs(job)) for job in each.jobs])
        for kind, each in outlines.items()
    }


def test_every_flipped_bit_of_a_checkpoint_sets_it_aside(tmp_path, caplog, fault):
    of = {"unit": "u"}
    path = tmp_path / f"u{snapshot_files.SUFFIX}"
    Checkpoint(path, of, 0, Stop()).put(Snapshot({"step": 3}, {"a": np.arange(64.0)}))
    for _ in flips(path):
        caplog.clear()
        assert Checkpoint(path, of, 0, Stop()).load() is None
        assert "of no use, it is damaged" in caplog.text
    assert Checkpoint(path, of, 0, Stop()).load() is not None
    fault("bit flipped", "checkpoint", "set aside with a message, computed anew", FLIPS)


def test_a_flipped_bit_of_a_manifest_gives_the_same_tables(tmp_path, fault):
    train = FakeTraining()
    session = execute.Session(JOB.id, JOB.digest, checkpoints=tmp_path, train=train, compiled=False)
    execute.run(JOB, tmp_path / "out", session)
    of = {"job": JOB.digest, **session.maker(session.code)}
    finished = Finished(session.folder, of, TRAINING.tables)
    whole = finished.rows()
    assert whole == {"runs": 2, "steps": 2, "layers": 2}
    manifest = finished.folder / "manifest.json"
    for bit in flips(manifest):
        assert finished.rows() in (None, whole), bit
    assert finished.rows() == whole
    manifest.write_text(manifest.read_text().replace('"layers"', '"steps"'))
    assert finished.rows() is None
    fault("bit flipped", "manifest of a finished job", "computed anew, or the same tables", FLIPS)
