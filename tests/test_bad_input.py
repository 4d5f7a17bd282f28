"""Bad input ends in one message that names its key: never a traceback, a hang, or a plan of it."""

import contextlib
import copy
import io
import signal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nup import cli, inputs
from nup.errors import UserError
from nup.jobs import devices, execute, training
from nup.study import grid, quick_run
from nup.study.load import load

DATA = {"name": "teacher", "n_train": 32, "n_validation": 16, "n_test": 16, "n_probe": 8}
NET = {"parameterization": "mup", "depth": 3, "width": 4}
STUDY = {
    "study": "test",
    "defaults": {"data": DATA, "steps": 4, "learning_rate": 0.5},
    "experiments": {"depth": {"parameterization": "nup", "depth": 2, "width": 4}},
}
#: No input takes longer to be refused, on a machine that is busy with something else.
SECONDS = 20.0


class TooSlow(BaseException):
    """Not an Exception, so that nothing takes it for another failure."""


@contextlib.contextmanager
def in_time():
    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def planned(path):
    """How much a study's file asks for."""
    with in_time():
        study = load(path)
        return tuple(
            len(of(study, path)) for of in (grid.runs, grid.initializations, grid.phase_diagrams)
        )


def changed(keys, value, study=STUDY):
    """The study with another value at a dotted key."""
    values = copy.deepcopy(study)
    *parents, last = keys.split(".") if isinstance(keys, str) else keys
    inner = values
    for key in parents:
        inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
    inner[last] = value
    return values


def written(values, folder):
    """A file with values in YAML, or a text or bytes as they are."""
    path = folder / "study.yaml"
    if not isinstance(values, (str, bytes)):
        values = yaml.dump(values, Dumper=yaml.SafeDumper)
    path.write_bytes(values.encode() if isinstance(values, str) else values)
    return path


def refused(values, folder, message):
    path = written(values, folder)
    with pytest.raises(UserError, match=message) as error:
        planned(path)
    assert path.name in str(error.value)
    assert len(str(error.value)) < 3000


INF, NAN, LONG = float("inf"), float("nan"), "x" * 300
DEPTH = "experiments.depth."
OPTION = {"name": "sharpness"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (f"{DEPTH}depth", 10**12, r"depth\.depth\.0: .* less than or equal to 10000 \(got 10000"),
        (f"{DEPTH}depth", True, r"depth\.depth\.0: .*valid integer \(got True\)"),
        (f"{DEPTH}depth", "4", r"depth\.depth\.0: .*valid integer \(got '4'\)"),
        (f"{DEPTH}depth", [], r"depth\.depth: .*at least 1 item"),
        (f"{DEPTH}width", 10**9, r"depth\.width\.0: .* less than or equal to 1000000"),
        (f"{DEPTH}width", [INF], r"depth\.width\.0: .*integer \(got inf\)"),
        (f"{DEPTH}seeds", 10**7, r"depth\.seeds: expected how many seeds \(at most 10000\)"),
        (f"{DEPTH}seeds", [2**63], r"depth\.seeds\.0: .*less than or equal to 92233720368547758"),
        (f"{DEPTH}seeds", [-1], r"depth\.seeds\.0: .*greater than or equal to 0 \(got -1\)"),
        (f"{DEPTH}seeds", [True], r"depth\.seeds\.0: .*integer \(got True\)"),
        (f"{DEPTH}seeds", None, r"depth: expected a value of seeds here or in the defaults"),
        (f"{DEPTH}loss", None, r"depth: expected a value of loss here or in the defaults"),
        (f"{DEPTH}schedule", None, r"depth: expected a value of schedule here or in the def"),
        (f"{DEPTH}activation", None, r"depth: expected a value of activation here or in the def"),
        (f"{DEPTH}steps", 10**12, r"depth\.steps: .*less than or equal to 1000000"),
        (f"{DEPTH}batch_size", True, r"depth\.batch_size: .*integer \(got True\)"),
        (f"{DEPTH}record", {"layers": True}, r"depth\.record\.layers: .*integer \(got True\)"),
        (f"{DEPTH}record", {"layers": 10**30}, r"depth\.record\.layers: .*less than or equal to"),
        (f"{DEPTH}activation", 5, r"depth\.activation\.0: .*string \(got 5\)"),
        (f"{DEPTH}activation", [[1e308, 1e308]], r"expected numbers that are 0 or from 1e-06"),
        (f"{DEPTH}activation", [[1, True]], r"unknown activation '\(1,True\)'"),
        (f"{DEPTH}weight_variance", INF, r"weight_variance\.0: .*finite number \(got inf\)"),
        (f"{DEPTH}weight_variance", True, r"weight_variance\.0: .*number \(got True\)"),
        (f"{DEPTH}learning_rate", NAN, r"learning_rate\.0: .*finite number \(got nan\)"),
        (f"{DEPTH}learning_rate", 1e300, r"learning_rate\.0: expected a number that float32 holds"),
        (f"{DEPTH}learning_rate", 1e-300, r"learning_rate\.0: expected a number that float32 hol"),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0, "to": 5000}},
            r"learning_rate: log2\.to: .*less than or equal to 127 \(got 5000\)",
        ),
        (
            f"{DEPTH}learning_rate",
            {"edge": {"from": -INF, "to": 0}},
            r"learning_rate: edge\.from: .*finite number \(got -inf\)",
        ),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0, "to": 1, "per_octave": 10**12}},
            r"learning_rate: log2\.per_octave: .*less than or equal to 100",
        ),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0.2, "to": 0.4}},
            r"learning_rate: log2: expected a multiple of 1/1 between from and to",
        ),
        (f"{DEPTH}schedule", {**OPTION, "c": INF}, r"option 'c': expected at most 1e\+09 in size"),
        (f"{DEPTH}schedule", {**OPTION, "c": NAN}, r"option 'c' of schedule .*> 0, got nan"),
        (f"{DEPTH}schedule", {**OPTION, "c": []}, r"option 'c': expected a value or a list of at"),
        (f"{DEPTH}schedule", {**OPTION, "c": True}, r"option 'c' of schedule .*> 0, got True"),
        (f"{DEPTH}schedule", {**OPTION, "options": 5}, r"schedule\.0\.options: .*dictionary"),
        (f"{DEPTH}schedule", LONG, r"schedule\.0\.name: .*at most 200 characters"),
        (
            f"{DEPTH}optimizer",
            {"name": "adamw", "beta1": NAN},
            r"option 'beta1' of optimizer 'adamw': expected .* got nan",
        ),
        (f"{DEPTH}parameterization", {"name": "nup", "r": []}, r"option 'r': expected a value or"),
        (f"{DEPTH}parameterization", {"name": "nup", "depth": 3}, r"unknown option 'depth': param"),
        (
            f"{DEPTH}parameterization",
            {"name": "mup", "match": {"name": "nup", "options": {"name": "x"}}},
            r"unknown option 'name': parameterization 'nup' takes r",
        ),
        (
            f"{DEPTH}parameterization",
            {"name": "mup", "match": {"name": "nup", "r": 10**6}},
            None,  # at depth 2 there is one hidden layer, of the base width whatever r
        ),
        (
            "experiments.depth",
            {"parameterization": {"name": "nup", "r": 10**6}, "depth": 3, "width": 4},
            r"depth: parameterization 'nup': expected finite widths .* at depth 3 and width 4",
        ),
        (f"{DEPTH}data", {**DATA, "n_train": True}, r"data\.0\.n_train: .*integer \(got True\)"),
        (f"{DEPTH}data", {**DATA, "seed": 2**70}, r"data\.0\.seed: .*less than or equal to"),
        (
            f"{DEPTH}data",
            {**DATA, "options": {"samples": 10**9, "d_in": 10**9}},
            r"data set 'teacher': expected at most 100 GB of samples, got 8e\+09 GB",
        ),
        (
            f"{DEPTH}data",
            {"name": "file", "options": {"path": f"{LONG}.npz"}},
            r"option 'path' of data set 'file': .*got no such file",
        ),
        (f"{DEPTH}grids", [], r"depth\.grids: .*at least 1 item"),
        ("study", "reference", r"study: expected another name: results/reference/ holds the ship"),
        ("study", "Reference", r"study: expected another name"),
        ("study", "a/b", r"study: String should match pattern"),
        ("study", "$(x)", r"study: String should match pattern"),
        ("study", LONG, r"study: .*at most 64 characters"),
        ("experiments", {LONG: {**NET}}, r"experiments\.xxx.*: .*at most 64 characters"),
        ("experiments", {"a/b": {**NET}}, r"experiments\.a/b.*: String should match pattern"),
        ("experiments", {}, r"expected at least one entry of experiments, initialization or phase"),
        ("plugins", ["nope.py"], r"plugins: expected a Python file, got no such file: 'nope\.py'"),
        ("plugins", [f"{LONG}.py"], r"plugins: expected a Python file, got no such file"),
        ("jobs.minutes", INF, r"jobs\.minutes: .*finite number"),
        ("jobs.minutes", 1e-320, r"jobs\.minutes: .*greater than or equal to 0\.001"),
        ("jobs.minutes", True, r"jobs\.minutes: .*number \(got True\)"),
        ("jobs.gflops", INF, r"jobs\.gflops: .*finite number"),
        ("jobs.threads", 10**12, r"jobs\.threads: .*less than or equal to 1024"),
        ("jobs.memory_mb", INF, r"jobs\.memory_mb: .*finite number"),
        ("jobs.compiled", "maybe", r"jobs\.compiled: .*boolean \(got 'maybe'\)"),
        ("limits.runs", 0, r"limits\.runs: .*greater than 0"),
        ("initialization.eoc", {**NET, "depth": 10**12}, r"initialization\.eoc\.depth\.0: .*10000"),
        (
            "phase_diagrams.depth",
            {**NET, "log2_c": {"from": 0, "to": 5000}},
            r"phase_diagrams\.depth\.log2_c\.to: .*127",
        ),
        ("phase_diagrams.depth", {**NET, "resolution": 10**9}, r"depth\.resolution: .*100"),
        ("phase_diagrams.depth", {**NET, "loss": None}, r"expected a value of loss here or in"),
    ],
)
def test_values(tmp_path, key, value, message):
    values = changed(key, value)
    if message is None:
        assert planned(written(values, tmp_path))[0] > 0
    else:
        refused(values, tmp_path, message)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"\(top level\): expected a mapping .* \(got None\)"),
        ("5", r"\(top level\): expected a mapping .* \(got 5\)"),
        (b"study: \xff\xfe", "expected text in UTF-8, got byte 0xff at position 7; save it as"),
        ("study: test".encode("utf-16"), "expected text in UTF-8"),
        ("study: a\nstudy: b\n", "each key once, got 'study' again, first in line 1; keep"),
        ("study: a\ndefaults: {steps: 1, steps: 2}", "each key once, got 'steps' again"),
        (LAUGHS, "at most 50,000 values, aliases counted as often as they are used"),
        (MERGES, "at most 50,000 values, aliases counted as often as they are used"),
        ("study: &a [*a]", "expected an alias of something else, got one within itself"),
        ("study: " + "[" * 50_000, "at most 32 levels of nesting"),
        ("study: " + "[" * 50 + "]" * 50, "at most 32 levels of nesting"),
        ("study: " + "x" * 6_000, "at most 5,000 characters in one value"),
        ("study: " + "9" * 4_999, "expected a value of type int, got '9999"),
        ("study: 2020-13-45", "expected a value of type timestamp, got '2020-13-45'"),
        ("study: !!bool perhaps", "expected a value of type bool, got 'perhaps'"),
        ("study: !!python/object:os.system x", "could not determine a constructor"),
        ("# " + "x" * 1_000_000, "expected at most 1,000,000 bytes, got 1,000,002"),
        (
            "study: t\n" + "".join(f"k{i}: 1\n" for i in range(100)),
            "unknown key 'k0'.* and 80 more",
        ),
        ("study: t", "expected at least one entry of experiments, initialization or phase_diag"),
    ],
)
def test_files(tmp_path, content, message):
    refused(content, tmp_path, message)


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "study.yaml").mkdir()
    with pytest.raises(UserError, match="expected a text file, got a folder"):
        load(tmp_path / "study.yaml")


def test_numbers_may_be_written_with_an_exponent():
    assert inputs.parse_yaml("[1e-3, 1.5e3, -2E+2, 1e]") == [0.001, 1500.0, -200.0, "1e"]


def test_aliases_and_merged_keys_are_no_repetition():
    found = inputs.parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: *a")
    assert found == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize("kind", ["initialization", "phase_diagrams"])
def test_studies_without_experiments(tmp_path, kind):
    values = {"study": "test", kind: {"depth": {**NET, "data": DATA}}}
    assert sum(planned(written(values, tmp_path))) == 1


def test_a_plan_that_is_too_large_is_counted_and_not_made(tmp_path):
    axes = {"seeds": 1000, "depth": list(range(2, 102)), "width": list(range(1, 101))}
    large = changed("experiments.depth", {"parameterization": "nup", **axes})
    refused(large, tmp_path, r"experiments\.depth: expected at most 200,000 runs in all, got 10,0")
    nets = changed("initialization.eoc", {"parameterization": "mup", **axes})
    refused(nets, tmp_path, r"initialization\.eoc: expected at most 200,000 nets at init")
    cells = changed("phase_diagrams.depth", {"parameterization": "mup", **axes})
    refused(cells, tmp_path, r"phase_diagrams\.depth: expected at most 200,000 values of c")


def test_the_count_is_that_of_the_plan(tmp_path):
    axes = {
        "parameterization": [{"name": "nup", "r": [1, 2]}, {"name": "mup", "match": [None, "nup"]}],
        "depth": [2, 3],
        "width": [4, 5],
        "activation": ["abs", "relu"],
        "weight_variance": [1, 2],
        "seeds": 2,
        "learning_rate": [1, 2],
        "schedule": [
            {"name": "constant", "gradient_scaling": ["none", "equal"]},
            {"name": "sharpness", "c": [1, 2, 3]},
        ],
    }
    values = changed("experiments.depth", axes)
    assert planned(written(values, tmp_path))[0] == 4 * 2**5 * (2 * 2 + 3)
    limits = {"runs": 4 * 2**5 * (2 * 2 + 3)}
    assert planned(written({**values, "limits": limits}, tmp_path))[0] == limits["runs"]
    fewer = {**values, "limits": {"runs": limits["runs"] - 1}}
    refused(fewer, tmp_path, r"at most 895 runs in all, got 896 up to here; .* raise limits\.runs")


def test_nets_that_are_too_large(tmp_path):
    large = {"parameterization": "nup", "depth": 64, "width": 1000}
    message = r"expected nets of at most 1,000,000,000 weights, got 198,403,971,985,000 in nup\(r=2"
    refused(changed("experiments.depth", large), tmp_path, rf"experiments\.depth: {message}")
    refused(changed("initialization.edge", large), tmp_path, rf"initialization\.edge: {message}")
    refused(changed("phase_diagrams.depth", large), tmp_path, rf"phase_diagrams\.depth: {message}")
    # Of infinite width, no weights are drawn.
    limit = changed("initialization.edge", {**large, "kernel": "limit"})
    assert planned(written(limit, tmp_path)) == (1, 1, 0)
    meant = changed("limits.weights", 10**15, changed("experiments.depth", large))
    assert planned(written(meant, tmp_path))[0] == 1


# --- the command line


class Planned(BaseException):
    """Instead of training; not an Exception, so that no command takes it for a failure."""


def stopped(*_):
    raise Planned


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_trained():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "execute", stopped)
        patch.setattr(execute, "run", stopped)
        patch.setattr(execute, "prepare_torch", lambda threads: None)
        patch.setattr(devices, "_gpus", lambda: 0)  # asking takes importing torch
        yield


def command(*arguments):
    """The exit status of a command and its message; ``trained`` if it would have computed runs."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()), in_time():
        try:
            status = cli.main([str(argument) for argument in arguments])
        except Planned:
            return "trained", ""
        except SystemExit as end:
            status = end.code
    return status, error.getvalue()


SMALL = ("--data", "teacher", "--n-train", 16, "--depth", 2, "--width", 4, "--seeds", 1)


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
def test_train(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "runs.parquet").write_text("mine")
    status, text = command("train", *SMALL, *options)
    assert (status, message in text, "Traceback" in text) == (2, True, False), text


def test_train_leaves_other_files_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert command("train", *SMALL, "--out", tmp_path)[0] == "trained"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


TABLES = "results/reference/laptop/tables"
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
        ("tidy-notebook absent.ipynb --out out.ipynb", "absent.ipynb: expected an executed note"),
        ("tidy-notebook folder --out out.ipynb", "folder: expected an executed notebook"),
        ("tidy-notebook bytes --out out.ipynb", "bytes: expected an executed notebook (.ipynb)"),
        ("tidy-notebook deep.json --out out.ipynb", "deep.json: expected an executed notebook ("),
        ("tidy-notebook cells.ipynb --out out.ipynb", "cells.ipynb: expected an executed notebook"),
        ("tidy-notebook cells.ipynb --out text/out.ipynb", "--out text: expected a folder that"),
    ],
)
def test_paths_of_commands(tmp_path, monkeypatch, pytestconfig, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    if "claims --" in arguments or arguments.startswith("registrations"):
        (tmp_path / "config").symlink_to(pytestconfig.rootpath / "config")
    status, text = command(*arguments.split())
    assert (status, message in text, "Traceback" in text) == (2, True, False), text


# --- any value at any key

#: A study with every key; each is given any value in turn.
FULL = {
    "study": "test",
    "plugins": [],
    "jobs": {
        "minutes": 1,
        "gflops": 100,
        "threads": 1,
        "gpus": 0,
        "memory_mb": 4000,
        "compiled": True,
    },
    "limits": {"runs": 500, "weights": 10**7},
    "defaults": {
        "data": {**DATA, "seed": 0, "options": {"samples": 128, "centered": False}},
        "steps": 4,
        "seeds": 1,
        "loss": "mse",
        "dtype": "float32",
        "activation": "abs",
        "weight_variance": 1.0,
        "batch_size": None,
        "record": {"layers": 2, "hessian": 0},
    },
    "experiments": {
        "depth": {
            "parameterization": {
                "name": "nup",
                "r": 2,
                "options": {"scale": "base"},
                "match": [None, {"name": "nup", "r": 1}],
                "learning_rate": {"log2": {"from": -1, "to": 0, "per_octave": 1}},
            },
            "depth": 2,
            "width": 4,
            "schedule": {
                "name": "cosine",
                "warmup": 0.1,
                "gradient_scaling": {"name": "equal", "options": {}},
                "learning_rate": {"edge": {"from": -1, "to": 0}},
            },
            "grids": [{"learning_rate": {"edge": [1]}, "seeds": [0, 1]}],
        },
        "adamw": {
            **NET,
            "parameterization": "sp",
            "optimizer": {"name": "adamw", "beta1": 0.9, "learning_rate": 0.1},
            "record": {"curvature": 0, "hessian": 0},
        },
    },
    "initialization": {"eoc": {**NET, "kernel": "net"}},
    "phase_diagrams": {
        "depth": {
            **NET,
            "steps": 8,
            "early": 4,
            "sharpness": "hessian",
            "log2_c": {"from": 0, "to": 1, "per_octave": 1},
            "resolution": 2,
            "loss": "mse",
            "dtype": "float32",
        }
    },
}


def paths(values, above=()):
    """Every path of keys in nested mappings and lists."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*above, key))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 8)
    | st.integers()
    | st.sampled_from([10**12, 2**63, -(10**30), 10**400, 1e300, -1e300, 1e-300, INF, -INF, NAN])
    # A process that trained flushes subnormal numbers.
    | st.floats(allow_subnormal=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "a/b", "$(x)", LONG, "1e5", "nan", "run", "sp", "none", "reference"])
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(SCALARS.filter(lambda key: key == key), inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "log2", "edge", "from", "to"]), inner)
    ),
    max_leaves=6,
)
OFTEN = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


def test_the_full_study_is_valid(folder):
    assert min(planned(written(FULL, folder))) > 0


@OFTEN
@given(path=st.sampled_from(list(paths(FULL))), value=VALUES)
def test_any_value_at_any_key_of_a_study(folder, path, value):
    try:
        content = yaml.dump(changed(path, value, FULL), Dumper=yaml.CSafeDumper)
        found = planned(written(content, folder))
    except UserError as error:
        # What is refused may be what a value makes of the key above it.
        named = [key.replace("_", " ") for key in path[-3:] if isinstance(key, str)]
        assert any(key in str(error).replace("_", " ") for key in named), error
        assert len(str(error)) < 5000
    else:
        assert all(isinstance(count, int) for count in found)
        assert sum(found) > 0


@OFTEN
@given(key=VALUES, value=VALUES)
def test_any_other_key_of_a_study(folder, key, value):
    try:
        hash(key)
    except TypeError:
        return
    with pytest.raises(UserError, match=r"unknown key|not valid YAML"):
        planned(written(yaml.dump({**STUDY, key: value}), folder))


KEYS = sorted(
    {
        ".".join(path)
        for path in paths(FULL["experiments"]["depth"])
        if all(isinstance(key, str) for key in path)
    }
    | {f"data.{key}" for key in FULL["defaults"]["data"]}
    | {
        "steps",
        "loss",
        "dtype",
        "batch_size",
        "record",
        "record.layers",
        "nonsense",
        "",
        ".",
        "a.b",
    }
)


def shown(value):
    """A value as one may write it on the command line."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, default_flow_style=True, width=10**6).strip()


TEXTS = VALUES.map(shown) | st.text(max_size=12) | SCALARS.map(str)


def check_command(arguments, *named):
    status, message = command(*arguments)
    if status in ("trained", 0):
        return
    assert status == 2, message
    assert "Traceback" not in message
    said = message.replace("-", " ").replace("_", " ")
    assert any(name.replace("-", " ").replace("_", " ") in said for name in named), message


@OFTEN
@given(key=st.sampled_from(KEYS), text=TEXTS)
def test_any_value_of_set(key, text):
    # A name alone is as good as the mapping; what is refused may be what the value makes of it.
    named = [part for part in key.split(".") if part] or ["''", "--set", "KEY=VALUE"]
    check_command(("train", *SMALL, f"--set={key}={text}"), *named)


@OFTEN
@given(flag=st.sampled_from(quick_run.FLAGS), text=TEXTS)
def test_any_value_of_a_short_form(flag, text):
    check_command(("train", *SMALL, f"--{flag.name}={text}"), flag.name, *flag.key.split("."))


@settings(OFTEN, max_examples=100)
@given(
    option=st.sampled_from(["--threads", "--device", "--plugin"]),
    text=TEXTS,
)
def test_any_value_of_options_of_the_process(option, text):
    check_command(("train", *SMALL, f"{option}={text}"), option.strip("-"), "plug-in", text)


@settings(OFTEN, max_examples=100)
@given(name=st.sampled_from(["check-config", "plan"]), text=TEXTS)
def test_any_name_of_a_study(name, text):
    check_command((name, "--", text), "study")
    check_command((name, f"--plugin={text}", "--", "nonsense"), "plug-in", "plugin", "study", text)
