"""Where the files of jobs lie: no folder of a study has as many entries as the study has jobs."""

import os

import pytest

from fake_training import run_spec, runs_by_id
from nup.jobs import head, places, plan
from nup.jobs.kinds import INITIALIZATION, TRAINING
from nup.jobs.plan import Limits

#: Jobs of the large study, and the entries that a folder of it may have.
JOBS, ENTRIES = 3_000, 300


def test_a_job_is_in_the_subfolder_of_its_first_digits(tmp_path):
    job = "3fa0c1d2e4b5"
    assert places.within(job) == "3f/3fa0c1d2e4b5"
    assert places.place("logs", job, ".log").as_posix() == "logs/3f/3fa0c1d2e4b5.log"
    assert TRAINING.files("runs", job)["steps"].as_posix() == f"runs/3f/{job}/steps.parquet"
    assert INITIALIZATION.files("init", job)["init"].as_posix() == f"init/3f/{job}.parquet"
    wildcards = places.place("logs", places.JOB, ".log").as_posix()
    assert wildcards == "logs/{subfolder}/{job}.log"
    assert wildcards.format(subfolder=places.subfolder(job), job=job) == f"logs/3f/{job}.log"


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_files_of_jobs_are_listed_by_job_alone(tmp_path, suffix):
    jobs = ["3fa0c1d2e4b5", "3fb0c1d2e4b5", "01a0c1d2e4b5"]
    for job in jobs:
        path = places.place(tmp_path, job, suffix)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / ".lock").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "3f" / ".3fa0c1d2e4b5.json.0123").touch()
    assert [path.stem for path in places.listed(tmp_path, suffix)] == sorted(jobs)
    assert places.listed(tmp_path / "absent") == []


def test_readers_find_what_an_earlier_version_has_put_elsewhere(tmp_path):
    job = "3fa0c1d2e4b5"
    place = places.place(tmp_path, job, ".json")
    assert places.find(tmp_path, job, ".json") == place
    earlier = tmp_path / f"{job}.json"
    earlier.touch()
    assert places.find(tmp_path, job, ".json") == earlier
    place.parent.mkdir()
    place.touch()
    assert places.find(tmp_path, job, ".json") == place


def test_no_folder_of_a_large_study_has_an_entry_for_each_job(tmp_path):
    wanted = runs_by_id([run_spec(seed=seed, depth=2) for seed in range(JOBS)])
    limits = Limits(1e-9, 50)  # a job for each
    planned = plan.reconcile(TRAINING, wanted, tmp_path / "plan/train", tmp_path / "runs", limits)
    assert len(planned.jobs) == JOBS
    head.outline(planned, limits, tmp_path / "plan/selections")
    for job in planned.jobs:
        for path in (
            *TRAINING.files(tmp_path / "runs", job).values(),
            places.place(tmp_path / "logs/train", job, ".log"),
            places.place(tmp_path / "checkpoints", job) / ".lock",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    sizes = {folder: len(folders) + len(files) for folder, folders, files in os.walk(tmp_path)}
    assert len(sizes) > 2 * JOBS
    assert max(sizes.values()) <= ENTRIES
