import os
import subprocess
import sys
import time

import pytest

import nup
from fake_training import run_spec
from nup import cli
from nup.jobs.frozen import write_selection
from nup.jobs.kinds import INITIALIZATION, TRAINING
from nup.jobs.plan import Job
from nup.study import quick_run
from nup.tables import store


@pytest.fixture
def nup_command(capfd, monkeypatch, pytestconfig):
    """Run a command of the command line in the root: (status, stdout, stderr)."""
    monkeypatch.chdir(pytestconfig.rootpath)

    def run(*arguments):
        status = cli.main([str(argument) for argument in arguments])
        return status, *capfd.readouterr()

    return run


def test_help_is_light():
    heavy = (
        "import sys, nup.cli; nup.cli.parser().format_help()\n"
        "names = ('torch', 'numpy', 'pandas', 'pyarrow', 'pydantic')\n"
        "print([name for name in names if name in sys.modules])"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - began < 3


def test_version_and_usage(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"nup {nup.__version__}\n"
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fly"])


def test_a_study_is_checked_and_its_plan_printed(nup_command):
    status, out, _ = nup_command("check-config", "ci")
    assert status == 0
    assert "study 'ci'" in out
    status, out, _ = nup_command("plan", "ci")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()} == {
        "experiment",
        "depth",
        "catapult",
        "width",
        "scaling",
        "useful",
        "cells",
        "all,",
        "initialization",
        "eoc",
        "ntk-width",
        "ntk-depth",
        "ntk-spectrum",
        "edge-nets",
        "edge-limit",
        "phase",
    }


def test_mistakes_are_one_message_without_a_traceback(nup_command):
    status, out, err = nup_command("check-config", "thesis")
    assert (status, out) == (2, "")
    assert err.startswith("nup check-config: study 'thesis': no file config/thesis.yaml; expected")
    assert "Traceback" not in err


def test_one_configuration_is_trained(nup_command, tmp_path):
    small = ("--data", "teacher", "--n-train", 32, "--steps", 5, "--seeds", 2, "--width", 4)
    status, out, err = nup_command("train", *small, "--lr", 0.1, 0.2, "--out", tmp_path)
    assert status == 0, err
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:3] == ["net", "depth", "width"]
    runs = store.read_table("runs", tmp_path / "runs.parquet")
    assert sorted(runs["learning_rate"]) == [0.1, 0.1, 0.2, 0.2]
    assert len(store.read_table("steps", tmp_path / "steps.parquet")) == 4 * 6


def test_train_in_units_of_the_edge(tmp_path, capsys):
    settings = [
        "--data",
        "teacher",
        "--n-train",
        "16",
        "--width",
        "4",
        "--steps",
        "3",
        "--seeds",
        "2",
    ]
    more = ["--set", "learning_rate={edge: [0.5, 1]}", "--set", "data.seed=run"]
    assert cli.main(["train", *settings, *more, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3  # a line a configuration, though every seed has an η of its own
    assert "edge" in printed[0].split()
    runs = store.read_table("runs", tmp_path / "runs.parquet")
    assert sorted(runs["edge"]) == [0.5, 0.5, 1.0, 1.0]
    assert runs["learning_rate"].nunique() == 4
    assert (runs["data_seed"] == runs["seed"]).all()


def test_schedules_and_matched_nets_from_the_command_line(nup_command):
    small = ("--data", "teacher", "--n-train", 32, "--steps", 3, "--seeds", 1, "--width", 4)
    schedule = ("--schedule", "sharpness", "--c", 1.5, 2.5)
    net = ("--parameterization", "mup", "--match", "nup")
    status, out, err = nup_command("train", *small, *schedule, *net)
    assert status == 0, err
    assert "sharpness(c=1.5)" in out
    assert "sharpness(c=2.5)" in out
    assert "mup matched to nup(r=2)" in out


def test_adamw_from_the_command_line(nup_command, tmp_path):
    small = ("--data", "teacher", "--n-train", 32, "--steps", 3, "--seeds", 1, "--width", 4)
    adamw = ("--parameterization", "sp", "--optimizer", "adamw", "--lr", 0.01)
    status, out, err = nup_command("train", *small, *adamw, "--out", tmp_path)
    assert status == 0, err
    runs = store.read_table("runs", tmp_path / "runs.parquet")
    assert list(runs["optimizer"]) == ["adamw"]
    status, out, err = nup_command("train", *small, *adamw, "--weight-decay", 0)
    assert status == 0, err
    assert "adamw(weight_decay=0)" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--optimizer", "adam"), "unknown optimizer 'adam': expected one of adamw, sgd"),
        (("--optimizer", "adamw"), "the layers' factors c_k of parameterization 'nup' would have"),
        (("--weight-decay", "0.1"), "unknown option 'weight_decay': optimizer 'sgd' takes no opt"),
        (("--activation", "gelu"), "unknown activation 'gelu'"),
        (("--depth", "0"), "greater than 0 (got 0)"),
        (("--parameterization", "mup", "--r", "2"), "unknown option 'r'"),
        (("--schedule", "sharpness"), "needs option 'c'"),
        (("--set", "depth"), "--set: expected KEY=VALUE, such as record.hessian=10; got 'depth'"),
        (("--set", "dpth=2"), "got unknown key 'dpth'; expected one of data, param"),
        (("--set", "data.n_trian=2"), "got unknown key 'n_trian'; expected one of name, n_train"),
        (("--set", "schedule={name: "), "--set schedule: expected a value in YAML, got"),
        (("--set", "depth.name=2"), "--set depth.name: expected a mapping at 'depth', got 4"),
        (("--plugin", "absent.py"), "plug-in absent.py: expected a Python file, got no such"),
        (("--device", "tpu"), "expected one of auto, cpu, cuda, got 'tpu'"),
    ],
)
def test_options_are_checked_like_a_study(nup_command, options, message):
    status, _, err = nup_command("train", *options)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_a_job_from_its_file(nup_command, tmp_path):
    path = Job(TRAINING, (run_spec(steps=2), run_spec(steps=2, seed=1))).write(tmp_path)
    options = ("--out", tmp_path / "out", "--checkpoints", tmp_path / "checkpoints")
    status, _, err = nup_command("job", path, *options, "--log", tmp_path / "job.log")
    assert status == 0, err
    assert "peak memory" in err
    assert "2 runs in 1 blocks" in (tmp_path / "job.log").read_text()
    assert len(store.read_table("runs", tmp_path / "out" / "runs.parquet")) == 2


def test_an_unexpected_error_is_logged_with_its_traceback(nup_command, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("nup.jobs.execute.run", fail)
    path = Job(TRAINING, (run_spec(),)).write(tmp_path)
    status, _, err = nup_command("job", path, "--out", tmp_path, "--log", tmp_path / "job.log")
    assert status == 1
    assert "RuntimeError: out of luck" in err
    assert "RuntimeError: out of luck" in (tmp_path / "job.log").read_text()


def test_tables_and_verdicts_from_files(nup_command, tmp_path):
    job = Job(TRAINING, (run_spec(steps=2),))
    nup_command("job", job.write(tmp_path / "train"), "--out", tmp_path / "runs" / job.id)
    selection = write_selection(TRAINING, {job.id: job.ids}, tmp_path / "selections")
    tables = tmp_path / "tables"
    status, _, err = nup_command("tables", selection, "--jobs", tmp_path / "runs", "--out", tables)
    assert (status, err) == (0, "tables: runs 1 rows, steps 3 rows, layers 6 rows\n")
    nothing = write_selection(INITIALIZATION, {}, tmp_path / "selections")
    assert nup_command("tables", nothing, "--jobs", tmp_path, "--out", tables)[0] == 0
    judged = tables / "claims.parquet"
    status, _, err = nup_command("claims", "--tables", tables, "--out", judged)
    assert status == 0, err
    table = tables / "readings.parquet"
    assert status == 0, err
    assert set(store.read_table("readings", table)["verdict"]) == {"not run"}
    status, out, _ = nup_command("verdicts", judged)
    assert status == 0
    assert "eoc-init" in out
    assert "not run" in out.splitlines()[-1]


def test_every_setting_is_reached_by_its_key(nup_command, tmp_path):
    small = ("--data", "teacher", "--n-train", 32, "--steps", 6, "--seeds", 1, "--width", 4)
    settings = (
        "record.hessian=2",
        "record.curvature=3",
        "schedule={name: sharpness, c: [1, 1.5]}",
        "schedule.gradient_scaling=depthwise",
        "data.n_probe=8",
        "batch_size=16",
    )
    given = [part for setting in settings for part in ("--set", setting)]
    status, _, err = nup_command("train", *small, *given, "--no-compiled", "--out", tmp_path)
    assert status == 0, err
    runs = store.read_table("runs", tmp_path / "runs.parquet")
    labels = {f"sharpness(c={c})+depthwise" for c in ("1", "1.5")}
    assert (set(runs["schedule"]), set(runs["batch_size"])) == (labels, {16})
    assert set(runs["backend"]) == {"torch"}
    steps = store.read_table("steps", tmp_path / "steps.parquet")
    measured = steps.loc[steps["hessian_sharpness"].notna(), "step"]
    assert set(measured) == {0, 2, 4, 6}


def test_a_name_on_the_way_of_a_key_stands_for_a_mapping():
    found = quick_run.runs([("data", "teacher"), ("data.n_train", 16), ("seeds", 1)])
    assert [(run.data.name, run.data.n_train) for run in found] == [("teacher", 16)]


def test_plugins_of_the_command_line(nup_command, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from nup.plugin import schedule\n\n@schedule()\ndef halving(moment):\n"
        '    """Halves the rate at every step."""\n'
        "    return moment.learning_rate / 2**moment.step\n"
    )
    small = ("--data", "teacher", "--n-train", 32, "--steps", 3, "--seeds", 1, "--width", 4)
    own = ("--plugin", plugin, "--schedule", "halving", "--lr", 0.1, "--out", tmp_path)
    status, out, err = nup_command("train", *small, *own)
    assert status == 0, err
    assert "halving" in out
    steps = store.read_table("steps", tmp_path / "steps.parquet")
    assert steps["learning_rate"].iloc[:3].tolist() == pytest.approx([0.1, 0.05, 0.025])


def test_every_command_has_its_options():
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            cli.main([name, "--help"])


def test_the_schema_is_printed(nup_command):
    status, out, _ = nup_command("schema")
    assert status == 0
    assert out.startswith("# The tables\n")
    status, out, _ = nup_command("schema", "--config")
    assert status == 0
    assert out.startswith("### A study\n")


def test_a_terminal_without_greek_gets_codes():
    command = [sys.executable, "-m", "nup", "schema"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"\\u03bb" in done.stdout
