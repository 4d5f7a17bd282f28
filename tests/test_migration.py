"""Results of versions that put all jobs into one folder: moved, and nothing is computed again."""

import base64
import errno
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_training import run_spec, runs_by_id
from flat import flatten
from nup.errors import WriteError
from nup.jobs import kinds, migration, outlines, places
from nup.jobs.plan import Limits
from nup.jobs.verification import FOLDERS
from nup.specs import InitSpec

RUNS = [run_spec(seed=seed, depth=depth) for depth in (2, 3) for seed in range(4)]
NETS = [
    InitSpec("eoc", run_spec().data, "mup", depth, 4, "abs", 1.0, seed)
    for depth in (2, 3)
    for seed in (0, 1)
]
WANTED = {kinds.TRAINING: runs_by_id(RUNS), kinds.INITIALIZATION: {net.id: net for net in NETS}}
RECORD = {
    "rule": "train",
    "input": ["results/small/plan/train/{job}.json"],
    "log": ["results/small/logs/train/{job}.log"],
    "params": ["'results/small/checkpoints'", "PosixPath('results/small/runs/{job}')"],
    "shellcmd": "nup job results/small/plan/train/{job}.json --out results/small/runs/{job}",
}


class Study:
    """A study below the current folder, every second job of which is done."""

    folder, records = Path("results", "small"), migration.RECORDS

    def __init__(self):
        self.asked = 0

    def outlines(self):
        """The outlines of all work; ``asked`` counts how often its content is asked for."""
        Path("small.yaml").touch()
        return {of.name: self._outline(of).to_dict() for of in WANTED}

    def _outline(self, of):
        def wanted():
            self.asked += 1
            return WANTED[of]

        place = outlines.Place(of, self.folder / "plan", self.folder / FOLDERS[of])
        return outlines.outline(place, wanted, Limits(1e-9, 50), Path("small.yaml"))

    def finish(self, of, job):
        for path in (
            *of.files(self.folder / FOLDERS[of], job).values(),
            places.place(self.folder / "logs" / of.name, job, ".log"),
            places.place(self.folder / "checkpoints", job) / "progress.json",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name} of {job}")

    def record(self, job):
        """What Snakemake keeps of a job that was trained."""
        self.records.mkdir(parents=True, exist_ok=True)
        for name in kinds.TRAINING.tables:
            text = json.dumps(RECORD).replace("{job}", places.within(job))
            file = kinds.TRAINING.files(self.folder / "runs", job)[name]
            (self.records / encoded(file)).write_text(text)

    def content(self):
        """Content of all files, with the times of those of the study."""
        paths = [path for path in self.folder.rglob("*") if path.is_file() and path.name != ".lock"]
        found = {str(path): (path.read_text(), path.stat().st_mtime_ns) for path in paths}
        return found | {str(path): (path.read_text(), 0) for path in self.records.iterdir()}


def encoded(path):
    return base64.urlsafe_b64encode(str(path).encode()).decode()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study whose jobs are all in one folder, and what it was before."""
    monkeypatch.chdir(tmp_path)
    found = Study()
    found.first = found.outlines()
    for of in WANTED:
        for job in sorted(found.first[of.name]["jobs"])[::2]:
            found.finish(of, job)
            if of is kinds.TRAINING:
                found.record(job)
    found.first = found.outlines()
    found.asked = 0
    (found.records / encoded("results/other/tables/runs.parquet")).write_text('{"rule": "tables"}')
    found.before = found.content()
    flatten(found.folder, found.records)
    assert (
        found.content()
        .keys()
        .isdisjoint(path for path in found.before if "/runs/" in path or "/train/" in path)
    )
    return found


def test_everything_moves_once_and_nothing_is_planned_again(study):
    assert migration.migrate(study.folder) > 0
    assert study.content() == study.before
    assert study.outlines() == study.first
    assert study.asked == 0  # even the outlines that were kept still hold
    assert migration.migrate(study.folder) == 0
    assert study.content() == study.before


def test_results_of_no_version_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert migration.migrate(Path("results", "small")) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_move_is_finished_by_the_next(study, monkeypatch):
    rename, write = Path.rename, Path.replace
    flat = shutil.copytree(".", "../flat")
    total = migration.migrate(study.folder)
    steps = range(0, total + len(list(study.records.iterdir())) - 1)
    for last in steps:
        monkeypatch.chdir(shutil.copytree(flat, f"../killed-{last}"))
        left = iter(range(last))

        def counted(path, target, move=rename, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return move(path, target)

        with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
            dying.setattr(Path, "rename", counted)
            dying.setattr(Path, "replace", lambda *paths, to=counted: to(*paths, move=write))
            migration.migrate(study.folder)
        assert study.content() != study.before
        assert migration.migrate(study.folder) > 0
        assert study.content() == study.before
        assert study.outlines() == study.first
    assert study.asked == 0


def test_several_that_plan_at_once_move_everything_once(study):
    folders = migration.job_folders(study.folder)
    flat = sum(len(list(folder.glob(12 * "[0-9a-f]" + "*"))) for folder in folders)
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(migration.migrate, [study.folder] * 4))
    assert sum(moved) == flat
    assert study.content() == study.before


def test_what_is_there_already_stays(study):
    job = min(study.first["train"]["jobs"])
    path = kinds.TRAINING.files(study.folder / "runs", job)["runs"]
    path.parent.mkdir(parents=True)
    path.write_text("newer")
    migration.migrate(study.folder)
    assert path.read_text() == "newer"
    assert (study.folder / "runs" / job / "runs.parquet").exists()  # lost is neither


def test_a_folder_that_cannot_be_written_is_one_message(study, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(WriteError, match=r"results/small: .*Read-only file system; mount"):
        migration.migrate(study.folder)
