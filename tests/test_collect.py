"""Tables of many jobs as one: the bytes of what is sorted in memory, however jobs were packed."""

import numpy as np
import pyarrow.parquet
import pytest

from fake_training import FakeTraining, run_spec
from nup.jobs import execute
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job
from nup.tables import collect, store


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Tables of three jobs, and the ids of their runs by the folder of each."""
    folder = tmp_path_factory.mktemp("jobs")
    found = {}
    for number in range(3):
        job = Job(TRAINING, tuple(run_spec(seed=3 * number + seed) for seed in range(3)))
        execute.run(job, folder / job.id, execute.Session(train=FakeTraining()))
        found[folder / job.id] = job.ids
    return found


def collected(name, jobs, out):
    files = {folder / f"{name}.parquet": ids for folder, ids in jobs.items()}
    return collect.collect(name, "run_id", files, out)


@pytest.mark.parametrize("name", TRAINING.tables)
def test_the_bytes_are_those_of_tables_sorted_in_memory(jobs, tmp_path, name):
    tables = [store.read_arrow(name, folder / f"{name}.parquet") for folder in jobs]
    store.write_table(name, store.concatenate(name, tables), tmp_path / "memory.parquet")
    rows = collected(name, jobs, tmp_path / "streamed.parquet")
    assert rows == sum(table.num_rows for table in tables)
    whole = (tmp_path / "memory.parquet").read_bytes()
    assert (tmp_path / "streamed.parquet").read_bytes() == whole
    turned = dict(reversed(jobs.items()))
    collected(name, turned, tmp_path / "turned.parquet")
    assert (tmp_path / "turned.parquet").read_bytes() == whole
    assert len(list(tmp_path.iterdir())) == 3  # nothing else is left


def test_many_rows_are_written_in_parts_of_the_same_bytes(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS", 4)
    tables = [store.read_arrow("runs", folder / "runs.parquet") for folder in jobs]
    joined = store.concatenate("runs", tables)
    store.write_table("runs", joined, tmp_path / "memory.parquet")
    assert collected("runs", jobs, tmp_path / "streamed.parquet") == 9
    streamed = tmp_path / "streamed.parquet"
    assert pyarrow.parquet.ParquetFile(streamed).metadata.num_row_groups == 3
    assert streamed.read_bytes() == (tmp_path / "memory.parquet").read_bytes()
    assert store.read_arrow("runs", streamed).equals(joined)


def test_no_job_gives_an_empty_table(tmp_path):
    assert collected("steps", {}, tmp_path / "steps.parquet") == 0
    assert store.read_arrow("steps", tmp_path / "steps.parquet").num_rows == 0


def test_only_what_is_to_be_taken_is_marked_and_written(jobs, tmp_path):
    folder, ids = next(iter(jobs.items()))
    files = {folder / "runs.parquet": ids[:2]}
    marks = {ids[0]: "other code"}
    out = tmp_path / "runs.parquet"
    assert collect.collect("runs", "run_id", files, out, every=True, marks=marks) == 2
    table = store.read_table("runs", out).set_index("run_id")["mixed"]
    assert set(table.index) == set(ids[:2])
    assert table[ids[0]] == "other code"
    assert not isinstance(table[ids[1]], str) and np.all(table[[ids[1]]].isna())
