"""Processes killed at any change of a file: the same command then leaves the same bytes."""

import json
import shutil
import signal

import nbformat
import numpy as np
import pytest

import killing
from fake_training import FakeTraining, run_spec
from nup.jobs import execute, places
from nup.jobs.frozen import write_selection
from nup.jobs.kinds import INITIALIZATION, TRAINING
from nup.jobs.plan import Job
from nup.jobs.verification import FOLDERS
from warm import JOBS

OUTCOME = "the same command leaves the same bytes and no litter"
#: Kills of one kind of process, spread over its changes.
KILLS = 12


@pytest.fixture(scope="module")
def server():
    found = killing.Server()
    yield found
    found.close()


def spread(changes):
    """Numbers of the changes at which to kill."""
    return sorted(set(np.linspace(1, changes, KILLS).round().astype(int).tolist()))


def content(folder):
    """Bytes by path, of all files but empty ones of locks."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def killed_anywhere(server, arguments, template, tmp_path):
    """Kill a command at some of its changes, give it again, and count the kills.

    ``template`` is the folder that it starts from.
    """
    whole = shutil.copytree(template, tmp_path / "whole")
    status, changes, said = server.run(arguments, whole)
    assert status == 0, said
    assert changes >= KILLS
    expected = content(whole)
    moments = spread(changes)
    for at in moments:
        folder = shutil.copytree(template, tmp_path / f"killed-{at}")
        assert server.run(arguments, folder, at)[0] == -signal.SIGKILL
        status, _, said = server.run(arguments, folder)
        assert status == 0, said
        assert "Traceback" not in said
        assert "aside" not in said  # nothing was half written
        assert content(folder) == expected, at
    return len(moments)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_killed_anywhere_goes_on_to_the_same_bytes(name, server, tmp_path, fault):
    job = JOBS[name]
    template = tmp_path / "template"
    path = job.write(template / "plan").relative_to(template)
    out = "out" if len(job.kind.tables) > 1 else f"out/{job.kind.tables[0]}.parquet"
    arguments = ["job", path, "--out", out, "--no-compiled"]
    arguments += ["--checkpoints", "kept", "--checkpoint-every", 0]
    fault(
        "SIGKILL", f"job: {name}", OUTCOME, killed_anywhere(server, arguments, template, tmp_path)
    )


def test_a_job_killed_again_and_again_comes_to_its_end(server, tmp_path, fault):
    job = JOBS["training"]
    folder = tmp_path / "killed"
    path = job.write(folder / "plan")
    arguments = ["job", path, "--out", "out", "--no-compiled", "--checkpoints", "kept"]
    arguments += ["--checkpoint-every", 0]
    # Each comes further than the one before, and has less left to do.
    killed = [server.run(arguments, folder, at)[0] for at in (24, 27, 30, 33, 36, 39)]
    assert set(killed) == {-signal.SIGKILL}
    assert server.run(arguments, folder)[0] == 0
    whole = tmp_path / "whole"
    whole.mkdir()
    assert server.run(arguments, whole)[0] == 0
    assert content(folder / "out") == content(whole / "out")
    fault("SIGKILL", "job: training, again and again", OUTCOME, len(killed))


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """The folder of a study whose jobs were computed and not collected."""
    folder = tmp_path_factory.mktemp("study") / "template"
    runs = Job(TRAINING, (run_spec(), run_spec(seed=1)))
    for job in (runs, JOBS["initialization"]):
        first = job.kind.files(folder / FOLDERS[job.kind], job.id)[job.kind.tables[0]]
        out = first.parent if len(job.kind.tables) > 1 else first
        train = FakeTraining() if job.kind is TRAINING else None
        session = execute.Session(
            job.id,
            job.digest,
            checkpoints=places.place(folder / "kept", job.id).parent,
            train=train,
            compiled=False,
        )
        execute.run(job, out, session)
        job.write(folder / "plan" / job.kind.name)
        write_selection(job.kind, {job.id: job.ids}, folder / "plan" / "selections")
    return folder


def collecting(folder):
    """The commands that collect the tables of a study, of training first."""
    found = {}
    for path in (folder / "plan" / "selections").glob("*.json"):
        kind = json.loads(path.read_text())["kind"]
        jobs = "runs" if kind == TRAINING.name else "init"
        selection = f"plan/selections/{path.name}"
        found[kind] = ["tables", selection, "--jobs", jobs, "--out", "tables"]
        found[kind] += ["--checkpoints", "kept"]
    return [found[TRAINING.name], found[INITIALIZATION.name]]


def test_collecting_killed_anywhere_leaves_the_same_tables(computed, server, tmp_path, fault):
    kills = killed_anywhere(server, collecting(computed)[0], computed, tmp_path)
    fault("SIGKILL", "collecting of tables", OUTCOME, kills)


CLAIMS = """
claims:
  - id: tiny
    title: Nets on the Edge of Chaos keep their norms
    quote: as they say
    provenance: lit
    experiment: eoc
    figure: tiny.png
    notebook: tiny.ipynb
    criteria:
      - name: slope
        what: the slope is small
        estimator: log_norm_slope
        arguments: {net: mup, weight_variance: 1.0, direction: forward}
        threshold: {low: -1, high: 1}
"""


def test_judging_killed_anywhere_leaves_the_same_verdicts(computed, server, tmp_path, fault):
    template = shutil.copytree(computed, tmp_path / "template")
    for arguments in collecting(template):
        assert server.run(arguments, template)[0] == 0
    (template / "claims.yaml").write_text(CLAIMS)
    arguments = ["claims", "--tables", "tables", "--catalogue", "claims.yaml"]
    arguments += ["--out", "tables/claims.parquet"]
    fault(
        "SIGKILL",
        "judging of claims",
        OUTCOME,
        killed_anywhere(server, arguments, template, tmp_path),
    )


def test_pages_killed_anywhere_are_the_same(computed, server, tmp_path, fault):
    template = shutil.copytree(computed, tmp_path / "template")
    (template / "claims.yaml").write_text(CLAIMS)
    claims = ["claims", "--tables", "tables", "--catalogue", "claims.yaml"]
    for arguments in (*collecting(template), [*claims, "--out", "tables/claims.parquet"]):
        assert server.run(arguments, template)[0] == 0
    shutil.move(template / "tables", template / "small" / "tables")
    cell = nbformat.v4.new_markdown_cell("# A *title*", id="a")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (template / "small" / "notebooks").mkdir()
    for name in ("01_one", "02_two"):
        path = template / "small" / "notebooks" / f"{name}.ipynb"
        path.write_text(nbformat.writes(notebook))
    fault(
        "SIGKILL",
        "pages of a study",
        OUTCOME,
        killed_anywhere(
            server, ["pages", "small", "--catalogue", "claims.yaml"], template, tmp_path
        ),
    )
