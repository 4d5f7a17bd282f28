"""A table of claims against another: the same, another verdict, disjoint intervals, absent rows."""

import pandas as pd
import pyarrow.parquet
import pytest

from nup import cli
from nup.report import comparison
from nup.tables import store
from nup.tables.schema import CLAIMS, REQUIRED, RUNS


def table(**changes):
    """Two criteria of one claim; ``changes`` are made to the first."""
    row = {
        "claim": "a-claim",
        "reading": "",
        "activation": "abs",
        "setting": "mse, full batch",
        "criterion": "slope",
        "provenance": "v1",
        "estimate": 0.5,
        "low": 0.4,
        "high": 0.6,
        "threshold": "[0, 1]",
        "n_seeds": 4,
        "verdict": "supported",
        "reason": "",
        "figure": "a.png",
        "notebook": "a.ipynb",
    }
    assert set(row) == set(CLAIMS)
    silent = {"criterion": "gain", "estimate": None, "low": None, "high": None}
    return pd.DataFrame([row | changes, row | silent | {"verdict": "not run"}])


@pytest.fixture
def compare(tmp_path):
    def run(new, reference):
        store.write_table("claims", new, tmp_path / "new.parquet")
        store.write_table("claims", reference, tmp_path / "reference.parquet")
        return comparison.differences(tmp_path / "new.parquet", tmp_path / "reference.parquet")

    return run


def test_equal_and_overlapping_tables_agree(compare):
    assert compare(table(), table()) == []
    assert compare(table(estimate=0.65, low=0.59, high=0.7), table()) == []


def test_other_machines_are_named(tmp_path, capsys):
    """But not what an earlier version did not record."""
    for name, blas in (("new", "openblas 1 Zen"), ("same", "openblas 1 Zen"), ("old", None)):
        runs = dict.fromkeys(RUNS) | dict.fromkeys(REQUIRED["runs"], "x")
        runs |= {"depth": 2, "width": 4, "seed": 0, "stable": True, "blas": blas, "device": "cpu"}
        store.write_table("runs", pd.DataFrame([runs]), tmp_path / name / "runs.parquet")
        store.write_table("claims", table(), tmp_path / name / "claims.parquet")
    other = store.read_table("runs", tmp_path / "new" / "runs.parquet").assign(blas="mkl")
    store.write_table("runs", other, tmp_path / "other" / "runs.parquet")
    store.write_table("claims", table(), tmp_path / "other" / "claims.parquet")
    new = str(tmp_path / "new" / "claims.parquet")
    said = {}
    for name in ("same", "old", "other"):
        assert cli.main(["compare", new, str(tmp_path / name / "claims.parquet")]) == 0
        said[name] = capsys.readouterr().out.splitlines()
    agree = "same verdicts, and intervals overlap"
    assert said["same"] == said["old"] == [agree]
    assert said["other"] == ["computed otherwise, blas: openblas 1 Zen, reference mkl", agree]


def test_another_verdict_is_a_difference(compare):
    assert compare(table(verdict="contradicted"), table()) == [
        "a-claim / abs / mse, full batch / slope: contradicted 0.5 [0.4, 0.6], "
        "reference supported 0.5 [0.4, 0.6]"
    ]


def test_disjoint_intervals_are_a_difference(compare):
    (line,) = compare(table(estimate=0.8, low=0.7, high=0.9), table())
    name = "a-claim / abs / mse, full batch / slope"
    assert line.startswith(f"{name}: intervals do not overlap: supported 0.8 [0.7")


def test_rows_of_one_side_are_differences(compare):
    name = "a-claim / abs / mse, full batch / gain"
    assert compare(table(), table().iloc[:1]) == [f"{name}: only in the new table"]
    assert compare(table().iloc[:1], table()) == [f"{name}: only in the reference table"]


def test_a_setting_is_held_against_the_same_one(compare):
    other = table(verdict="contradicted").assign(setting="mse, batch 256")
    both = pd.concat([table(), other])
    assert compare(both, both) == []
    lines = compare(both, table())
    assert [line.split(" / ")[2:] for line in lines] == [
        ["mse, batch 256", "slope: only in the new table"],
        ["mse, batch 256", "gain: only in the new table"],
    ]


def test_another_deciding_reading_is_a_difference(compare):
    overall = table().iloc[:1].assign(criterion="overall", reading="base scale")
    other = overall.assign(reading="kernel scale")
    assert compare(overall, overall) == []
    assert compare(other, overall) == [
        "a-claim / abs / mse, full batch / overall: kernel scale decides, reference base scale"
    ]


def test_a_table_of_the_first_registration_can_be_compared(compare, tmp_path):
    compare(table(), table())
    path = tmp_path / "older.parquet"
    older = pyarrow.parquet.read_table(tmp_path / "new.parquet").drop_columns(["reading"])
    pyarrow.parquet.write_table(older, path)
    assert comparison.differences(tmp_path / "new.parquet", path) == []


def test_the_command_says_so_and_fails(compare, tmp_path, capsys):
    compare(table(verdict="contradicted"), table())
    paths = [str(tmp_path / "new.parquet"), str(tmp_path / "reference.parquet")]
    assert cli.main(["compare", *paths]) == 1
    assert "contradicted 0.5" in capsys.readouterr().out
    assert cli.main(["compare", paths[0], paths[0]]) == 0
    assert capsys.readouterr().out == "same verdicts, and intervals overlap\n"
