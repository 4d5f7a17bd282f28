"""Tables of earlier versions are read as today's: columns are derived where possible, else null."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nup.errors import UserError
from nup.tables import store
from nup.tables.schema import TABLES

SHIPPED = sorted((Path(__file__).parents[1] / "results" / "reference").glob("*/tables/*.parquet"))
LATER = (
    "edge",
    "net",
    "net_options",
    "schedule_options",
    "optimizer_options",
    "data_options",
    "backend",
    "blas",
)


def _nup(r: float, scale: str) -> str:
    return f'{{"normalize":"input","r":{r},"scale":"{scale}"}}'


#: Old columns of a run, and what follows from them.
CASES = [
    (("nup", 2.0, "", "sgd"), "nup(r=2)", _nup(2.0, "base")),
    (("mup", 0.0, "nup(r=2)", "sgd"), "mup matched to nup(r=2)", "{}"),
    (("nup_last_width", 2.0, "", "sgd"), "nup(r=2,scale=last)", _nup(2.0, "last")),
    (("nup_kernel_scale", 1.0, "", "sgd"), "nup(r=1,scale=kernel)", _nup(1.0, "kernel")),
    # A net that matched another's size took its own width as scale.
    (
        ("nup", 1.0, "nup(r=2)", "sgd"),
        "nup(r=1,scale=own) matched to nup(r=2)",
        _nup(1.0, "own"),
    ),
    (("sp", 0.0, "nup(r=2)", "adamw"), "sp+adamw matched to nup(r=2)", "{}"),
    (("nup", 0.0, None, None), "nup(r=0)", _nup(0.0, "base")),
]
#: Name, c and scaling of an old schedule with its old label; the label now and the options.
SCHEDULES = [
    (("constant", None, "none", "constant"), "constant", "{}"),
    (("sharpness", 2.5, "depthwise", "sharpness(2.5)+depthwise"), None, '{"c":2.5}'),
    (("taylor", 1.0, "none", "taylor(1)"), "taylor(c=1)", '{"c":1.0}'),
    (("cosine", None, "none", "cosine"), "cosine", None),
]


def old_runs(path: Path, **columns: list[object]) -> Path:
    """A file of ``runs`` as an earlier version wrote it, null where no column is given."""
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({name: [None] * rows for name in TABLES["runs"] if name not in LATER})
    required = {"run_id": [str(i) for i in range(rows)], "experiment": "depth", "depth": 2}
    required |= {"width": 4, "seed": 0, "status": "ok", "stable": True, "parameterization": "mup"}
    full = store.as_table("runs", frame.assign(**required).reindex(columns=list(TABLES["runs"])))
    table = full.drop_columns([name for name in LATER if name in full.column_names])
    for name, values in columns.items():
        kind = pa.float64() if name == "schedule_c" else table.schema.field(name).type
        index = table.column_names.index(name) if name in table.column_names else None
        array = pa.array(values, kind)
        table = (
            table.append_column(name, array)
            if index is None
            else table.set_column(index, name, array)
        )
    pq.write_table(table, path)
    return path


def test_nets_follow_from_the_old_columns(tmp_path):
    names, exponents, matches, optimizers = zip(*(case[0] for case in CASES), strict=True)
    path = old_runs(
        tmp_path / "runs.parquet",
        parameterization=list(names),
        width_exponent=list(exponents),
        matched_to=list(matches),
        optimizer=list(optimizers),
        schedule_c=[None] * len(CASES),
    )
    frame = store.read_table("runs", path)
    assert list(frame.columns) == list(TABLES["runs"])
    assert frame["net"].tolist() == [case[1] for case in CASES]
    assert frame["net_options"].tolist() == [case[2] for case in CASES]
    assert set(frame["parameterization"]) == {"nup", "mup", "sp"}
    assert frame["optimizer_options"].tolist()[0] == "{}"
    adamw = [case[0][3] == "adamw" for case in CASES].index(True)
    assert '"weight_decay":0.01' in frame["optimizer_options"].tolist()[adamw]
    assert frame["data_options"].isna().all()
    assert frame["edge"].isna().all()


def test_schedules_follow_from_the_old_columns(tmp_path):
    names, constants, scalings, labels = zip(*(case[0] for case in SCHEDULES), strict=True)
    path = old_runs(
        tmp_path / "runs.parquet",
        schedule=list(labels),
        schedule_name=list(names),
        schedule_c=list(constants),
        gradient_scaling=list(scalings),
    )
    frame = store.read_table("runs", path)
    expected = [label or "sharpness(c=2.5)+depthwise" for _, label, _ in SCHEDULES]
    assert frame["schedule"].tolist() == expected
    assert frame["schedule_options"].astype(object).where(
        frame["schedule_options"].notna(), None
    ).tolist() == [options for _, _, options in SCHEDULES]


def test_some_columns_of_an_old_table_are_read_alone(tmp_path):
    path = old_runs(tmp_path / "runs.parquet", schedule_c=[None, None])
    frame = store.read_table("runs", path, columns=["run_id", "net"])
    assert frame.to_dict("list") == {"run_id": ["0", "1"], "net": ["mup", "mup"]}
    assert store.read_arrow("runs", path).schema.equals(store.schema("runs"))


def test_a_column_that_no_version_had_is_refused(tmp_path):
    path = old_runs(tmp_path / "runs.parquet", schedule_c=[None])
    table = pq.read_table(path)
    pq.write_table(table.append_column("lost", pa.array([1.0])), path)
    with pytest.raises(UserError, match=r"unexpected columns .*'lost'"):
        store.read_table("runs", path)
    pq.write_table(table.drop_columns(["run_id"]), path)
    with pytest.raises(UserError, match=r"missing columns .*'run_id'"):
        store.read_table("runs", path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_shipped_tables_are_read(path):
    table = store.read_arrow(path.stem, path)
    assert table.schema.equals(store.schema(path.stem))
    for column in ("net", "net_options"):
        if column in table.column_names:
            assert table[column].null_count == 0


def test_columns_come_in_the_order_of_the_schema(tmp_path):
    path = old_runs(tmp_path / "runs.parquet", schedule_c=[None])
    table = store.read_arrow("runs", path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    assert store.read_arrow("runs", path).column_names == list(TABLES["runs"])
