"""The tables name the BLAS in force, and a job announces one that leaves the processor unused."""

import os
import subprocess
import sys

import pytest
import torch

from fake_training import run_spec
from nup.jobs import training
from nup.jobs.execute import Session
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Job
from nup.jobs.rerun import circumstances
from nup.tables import store
from nup.training.backends import blas

needs_openblas = pytest.mark.skipif(
    not blas.architecture() or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="SciPy's BLAS is not OpenBLAS, or the processor has no AVX2",
)


def capability(monkeypatch, chosen, has):
    monkeypatch.setattr(blas, "architecture", lambda: chosen)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: has)
    return blas.shortfall()


@pytest.mark.parametrize(
    ("chosen", "has"),
    [
        ("Haswell", "AVX2"),
        ("Zen", "AVX2"),
        ("SkylakeX", "AVX2"),
        ("SapphireRapids", "AVX512"),
        ("", "AVX512"),  # another BLAS
        ("neoversen1", "DEFAULT"),
        ("Prescott", "DEFAULT"),
    ],
)
def test_kernels_that_use_the_processor_are_not_announced(monkeypatch, chosen, has):
    assert capability(monkeypatch, chosen, has) == ""


@pytest.mark.parametrize(
    ("chosen", "has"), [("Haswell", "AVX512"), ("Zen", "AVX512"), ("Sandybridge", "AVX2")]
)
def test_kernels_that_leave_the_processor_unused_are_announced(monkeypatch, chosen, has):
    said = capability(monkeypatch, chosen, has)
    assert f"kernels for {chosen}, which leave this processor's {has} unused" in said


def test_a_run_names_what_multiplied():
    for compiled, backend in ((True, "numba"), (False, "torch")):
        tables = training.execute([run_spec(steps=2)], Session(compiled=compiled))
        assert tables["runs"]["blas"].to_pylist() == [blas.label(backend)]
    assert blas.label("torch").startswith("torch's ")


@needs_openblas
def test_a_job_under_another_choice_of_kernels_says_so(tmp_path):
    job = Job(TRAINING, (run_spec(steps=20),))
    path = job.write(tmp_path)
    rows, texts = {}, {}
    for chosen in ("", "Sandybridge"):
        out = tmp_path / f"out{chosen}"
        done = subprocess.run(
            [sys.executable, "-m", "nup", "job", str(path), "--out", str(out), "--device", "cpu"],
            env={**os.environ, "OPENBLAS_CORETYPE": chosen},
            capture_output=True,
            text=True,
            check=True,
        )
        texts[chosen] = done.stderr
        rows[chosen] = store.read_table("runs", out / "runs.parquet").iloc[0]
    assert "OPENBLAS_CORETYPE" not in texts[""]
    assert "OpenBLAS multiplies by its kernels for Sandybridge" in texts["Sandybridge"]
    assert rows["Sandybridge"]["blas"].endswith("Sandybridge")
    assert rows["Sandybridge"]["final_loss"] == pytest.approx(rows[""]["final_loss"], rel=1e-3)
    said = circumstances(rows[""].to_dict(), rows["Sandybridge"].to_dict())
    assert [line.partition(":")[0] for line in said] == ["blas"]
