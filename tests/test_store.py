import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nup.errors import UserError
from nup.tables import atomic_files, documentation, store
from nup.tables.schema import REQUIRED, STEPS, TABLES


def steps(**changes):
    columns = {name: np.array([1.0, np.nan]) for name in STEPS}
    return {**columns, "run_id": ["b", "a"], "step": [0, 1], **changes}


def test_a_table_comes_back_as_it_was(tmp_path):
    path = tmp_path / "new" / "steps.parquet"
    store.write_table("steps", steps(), path)
    frame = store.read_table("steps", path)
    assert list(frame.columns) == list(STEPS)
    assert frame["step"].dtype == np.int32
    assert frame["loss"].dtype == np.float32
    assert frame["loss"].isna().tolist() == [False, True]
    assert pq.read_table(path)["loss"].null_count == 1
    assert [file.name for file in path.parent.iterdir()] == ["steps.parquet"]


def test_only_named_columns_are_read(tmp_path):
    store.write_table("steps", steps(), tmp_path / "steps.parquet")
    frame = store.read_table("steps", tmp_path / "steps.parquet", columns=["run_id", "loss"])
    assert list(frame.columns) == ["run_id", "loss"]


def test_equal_rows_give_equal_bytes(tmp_path):
    store.write_table("steps", steps(), tmp_path / "one.parquet")
    frame = store.read_table("steps", tmp_path / "one.parquet")
    store.write_table("steps", frame, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": [0, None]}, "column 'step': expected a value in every row, got 1 null"),
        ({"step": [0.5, 1.0]}, "column 'step': expected int32, got other values"),
        ({"loss": ["low", "high"]}, "column 'loss': expected float, got other values"),
        ({"loss": [1.0]}, "different lengths"),
        ({"lost": [1.0, 2.0]}, r"unexpected columns \['lost'\]"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(tmp_path, changes, message):
    path = tmp_path / "steps.parquet"
    with pytest.raises(UserError, match=message):
        store.write_table("steps", steps(**changes), path)
    assert not path.exists()


def test_a_missing_column_is_refused():
    columns = steps()
    del columns["loss"]
    with pytest.raises(UserError, match=r"missing columns \['loss'\]"):
        store.as_table("steps", columns)


def test_unknown_tables_are_refused():
    with pytest.raises(UserError, match=r"unknown table 'epochs'; expected one of runs, steps"):
        store.schema("epochs")


def test_reading_says_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "steps.parquet"
    with pytest.raises(UserError, match="got no such file"):
        store.read_table("steps", path)
    path.write_text("not parquet")
    with pytest.raises(UserError, match="expected a parquet file"):
        store.read_table("steps", path)
    table = store.as_table("steps", steps())
    pq.write_table(table.set_column(1, "step", pa.array([0, 1], pa.int64())), path)
    with pytest.raises(UserError, match=r"column 'step': expected type int32, got int64"):
        store.read_table("steps", path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "note.txt"
    atomic_files.write_text("old", path)
    with pytest.raises(RuntimeError, match="halfway"), atomic_files.atomic(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError("halfway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_joined_tables_are_sorted_whatever_the_order_of_their_parts():
    one = store.as_table("steps", steps())
    two = store.as_table("steps", steps(run_id=["c", "a"], step=[5, 0]))
    joined = store.concatenate("steps", [one, two])
    assert joined.equals(store.concatenate("steps", [two, one]))
    keys = list(zip(joined["run_id"].to_pylist(), joined["step"].to_pylist(), strict=True))
    assert keys == [("a", 0), ("a", 1), ("b", 0), ("c", 5)]
    assert store.concatenate("steps", []).num_rows == 0


def test_every_table_has_a_schema_with_its_required_columns():
    for name in TABLES:
        nullable = {field.name: field.nullable for field in store.schema(name)}
        assert {label for label, allowed in nullable.items() if not allowed} == set(REQUIRED[name])


def test_the_page_on_tables_is_current(pytestconfig):
    page = pytestconfig.rootpath / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == documentation.tables(), (
        "run: nup schema > docs/tables.md"
    )
