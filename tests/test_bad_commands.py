"""Options and paths that a command may not have: one message, status 2, no traceback."""

import pytest

from bad_input import LONG, SMALL, command, nothing_is_trained

OUTCOME = "one message, status 2"


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_trained():
    with nothing_is_trained():
        yield


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threads", 0), "argument --threads: expected a whole number, 1 to 1024; got '0'"),
        (("--threads", -1), "argument --threads: expected a whole number, 1 to 1024; got '-1'"),
        (("--threads", "9" * 5000), "argument --threads: expected a whole number, 1 to 1024; got"),
        (("--device", "nonsense"), "device: expected one of auto, cpu, cuda, got 'nonsense'"),
        (("--set", "depth"), "--set: expected KEY=VALUE"),
        (("--set", "dpth=2"), "got unknown key 'dpth'"),
        (
            ("--set", "learning_rate=.nan"),
            "learning_rate.0: Input should be a finite number (got n",
        ),
        (("--set", "steps=1e99"), "steps: Input should be a valid integer (got 1e+99)"),
        (("--set", "a." * 5000 + "b=1"), "--set: expected a key of at most 8 parts"),
        (("--set", "schedule={name: constant, name: warmup}"), "each key once, got 'name' again"),
        (("--set", "record=5", "--optimizer", "adamw"), "train.record: expected a mapping with"),
        (("--lr", "inf"), "learning_rate.0: Input should be a valid number (got 'inf')"),
        (("--depth", 60, "--width", 5000), "expected nets of at most 1,000,000,000 weights"),
        (("--plugin", f"{LONG}.py"), "File name too long; check this path"),
        (("--out", "file"), "--out file: expected a folder that can be written to"),
        (("--out", "file/inside"), "--out file/inside: expected a folder that can be written to"),
        (("--out", "foreign"), "--out foreign: expected no runs.parquet, or the table 'runs' of"),
        (("--log", "file/log"), "move away the file that stands where a folder is expected"),
    ],
)
def test_train(tmp_path, monkeypatch, options, message, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "runs.parquet").write_text("mine")
    status, text = command("train", *SMALL, *options)
    assert (status, message in text, "Traceback" in text) == (2, True, False), text
    fault("bad input", "option of `nup train`", OUTCOME)


def test_train_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert command("train", *SMALL, "--out", tmp_path)[0] == "trained"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


#: Options that `nup notebook` needs beside the file.
DRAWN = "--tables folder --figures folder"
FILES = {
    "text": b"mine",
    "bytes": b"\xff\xfe",
    "deep.json": b"[" * 100_000,
    "list.json": b"[]",
    "none.json": b'{"kind": "train", "specs": []}',
    "kind.json": b'{"kind": [], "jobs": {}}',
    "jobs.json": b'{"kind": "train", "jobs": 5}',
    "cells.ipynb": b'{"cells": 5, "metadata": {}}',
    "twice.yaml": b"claims: []\nclaims: []\n",
    "claims.yaml": b"claims: [5]\n",
    "none.csv": b"",
    "other.csv": b"a,b\n1,2\n",
    "text.parquet": b"mine",
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("check-config none.yaml", "no file none.yaml; expected one of"),
        ("check-config folder", "no file config/folder.yaml; expected one of"),
        ("plan folder.yaml", "no file folder.yaml"),
        ("job none.json --out out", "none.json: expected a file of the plan with job, kind, specs"),
        ("job absent.json --out out", "absent.json: expected a file of the plan, got no such file"),
        ("job folder --out out", "folder: expected a file of the plan, got a folder"),
        ("job bytes --out out", "bytes: expected JSON"),
        ("job deep.json --out out", "deep.json: expected JSON"),
        (
            "job list.json --out out",
            "list.json: expected a file of the plan with job, kind, specs, got list",
        ),
        ("job list.json --out out --memory nan", "argument --memory: expected a number > 0"),
        ("job list.json --out out --memory -5", "argument --memory: expected a number > 0"),
        ("tables absent.json --jobs out --out out", "absent.json: expected a file of the plan"),
        ("tables kind.json --jobs out --out out", "kind.json: changed since it was planned"),
        ("tables jobs.json --jobs out --out out", "jobs.json: changed since it was planned"),
        ("claims --tables folder --out c.parquet", "runs.parquet: expected the table 'runs', got"),
        ("claims --tables folder --out text/c.parquet", "--out text: expected a folder that can"),
        ("claims --tables folder --out folder", "--out folder: expected the path of a file, got a"),
        ("claims --tables folder --out c --readings folder", "--readings folder: expected the pa"),
        ("verdicts absent.parquet", "absent.parquet: expected the table 'claims', got no such"),
        ("verdicts folder", "folder: expected the table 'claims', got no such file"),
        ("verdicts text.parquet", "text.parquet: expected a parquet file, got"),
        ("verdicts absent.parquet --markdown --catalogue folder", "claims file at folder"),
        ("verdicts x --markdown --catalogue bytes", "bytes: expected text in UTF-8"),
        ("verdicts x --markdown --catalogue twice.yaml", "each key once, got 'claims' again"),
        ("verdicts x --markdown --catalogue claims.yaml", "does not follow the schema of claims"),
        ("compare text.parquet text.parquet", "text.parquet: expected a parquet file, got"),
        ("registrations folder --first absent.csv --out page", "absent.csv: expected a text file"),
        ("registrations folder --first none.csv --out page", "none.csv: expected a table as .csv"),
        (
            "registrations folder --first other.csv --out page",
            "other.csv: expected rows of a table",
        ),
        ("registrations folder --first other.csv --out folder", "--out folder: expected the path"),
        (f"notebook absent.ipynb {DRAWN} --out o.ipynb", "absent.ipynb: expected a notebook (.ipy"),
        (
            f"notebook folder {DRAWN} --out out.ipynb",
            "folder: expected a notebook (.ipynb), got no",
        ),
        (f"notebook bytes {DRAWN} --out out.ipynb", "bytes: expected a notebook (.ipynb), got an"),
        (f"notebook deep.json {DRAWN} --out out.ipynb", "deep.json: expected a notebook (.ipynb)"),
        (f"notebook cells.ipynb {DRAWN} --out out.ipynb", "cells.ipynb: expected a notebook (.ipy"),
        (f"notebook cells.ipynb {DRAWN} --out text/o", "--out text: expected a folder that"),
    ],
)
def test_paths_of_commands(tmp_path, monkeypatch, pytestconfig, arguments, message, fault):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    if "claims --" in arguments or arguments.startswith("registrations"):
        (tmp_path / "config").symlink_to(pytestconfig.rootpath / "config")
    status, text = command(*arguments.split())
    assert (status, message in text, "Traceback" in text) == (2, True, False), text
    fault("bad input", "path of a command", OUTCOME)
