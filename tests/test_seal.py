"""Not one flipped bit of a table goes unnoticed."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from fake_training import FakeTraining, run_spec
from nup.errors import UserError
from nup.jobs import execute
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job
from nup.tables import seal, store

#: Flips in each table.
FLIPS = 500


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The folder of a tiny job's tables."""
    folder = tmp_path_factory.mktemp("job")
    specs = tuple(run_spec(seed=seed) for seed in range(3))
    execute.run(Job(TRAINING, specs), folder, execute.Session("job", train=FakeTraining()))
    return folder


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("name", TRAINING.tables)
def test_every_flipped_bit_is_noticed(job, tmp_path, name, fault):
    content = (job / f"{name}.parquet").read_bytes()
    path = tmp_path / f"{name}.parquet"
    # Spread over the whole file, and every bit of its end: the seal and what follows it.
    end = 8 * (len(content) - 200)
    bits = [*np.linspace(0, end, FLIPS, dtype=int), *range(end, 8 * len(content), 3)]
    for bit in map(int, bits):
        path.write_bytes(flipped(content, bit))
        with pytest.raises(UserError, match=rf"{path}: .*delete it and run the same command again"):
            store.read_table(name, path)
    fault("bit flipped", f"table {name}", "one message that names the file", len(bits))


@pytest.mark.parametrize("name", TRAINING.tables)
def test_damage_of_a_table_without_a_seal_gives_no_raw_exception(job, tmp_path, name, fault):
    path = tmp_path / f"{name}.parquet"
    pq.write_table(store.read_arrow(name, job / f"{name}.parquet"), path)
    content = path.read_bytes()
    for bit in map(int, np.linspace(0, 8 * len(content) - 1, FLIPS // 3, dtype=int)):
        path.write_bytes(flipped(content, bit))
        try:
            store.read_table(name, path)
        except UserError as error:
            assert str(path) in str(error)
    outcome = "no raw exception; not noticed where a value changes (no digest)"
    fault("bit flipped, old table", "table of an earlier version", outcome, FLIPS // 3)


def test_lost_and_added_bytes_are_noticed(job, tmp_path, fault):
    path = tmp_path / "runs.parquet"
    content = (job / "runs.parquet").read_bytes()
    half = len(content) // 2
    others = (b"", content[:half], content[half:], content + b"\0", content[:-1])
    for other in others:
        path.write_bytes(other)
        with pytest.raises(UserError, match=str(path)):
            store.read_table("runs", path)
    fault("bytes lost or added", "table", "one message that names the file", len(others))


def test_the_seal_moves_with_the_table(job, tmp_path):
    shutil.copytree(job, tmp_path / "moved")
    assert seal.check(tmp_path / "moved" / "runs.parquet")
    assert not any("seal" in path.name for path in (tmp_path / "moved").iterdir())


def test_tables_without_a_seal_are_read(job, tmp_path, pytestconfig):
    shipped = pytestconfig.rootpath / "results/reference/laptop/tables/claims.parquet"
    assert seal.check(shipped) in (True, False)
    store.check_file("claims", shipped)
    table = store.read_arrow("runs", job / "runs.parquet")
    pq.write_table(table, tmp_path / "runs.parquet")
    assert not seal.check(tmp_path / "runs.parquet")
    assert store.read_arrow("runs", tmp_path / "runs.parquet").equals(table)


def test_other_readers_find_checksums_of_pages(job):
    table = pq.read_table(job / "steps.parquet", page_checksum_verification=True)
    assert table.num_rows == 3
