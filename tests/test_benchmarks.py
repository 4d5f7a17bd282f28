"""The benchmark end to end on tiny nets, and what it makes of known timings; no clock is judged."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import (
    goals,
    gpu,
    growth,
    history,
    measurements,
    memory,
    peak,
    pipeline,
    placement,
    raw,
    report,
    scale,
    sharpness,
    subnormals,
    training,
    workers,
)
from benchmarks.effort import FULL, TINY
from benchmarks.peers import PEERS, peer
from benchmarks.peers.peer import COLUMNS
from benchmarks.problem import Problem

from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Limits, pack
from nup.study import grid
from nup.study.load import check

ROOT = Path(__file__).parents[1]
(SHAPE,) = TINY.shapes


@pytest.mark.parametrize("name", [name for name in PEERS if not name.startswith("JAX")])
@pytest.mark.parametrize(
    "shape", [SHAPE, replace(SHAPE, parameterization="mup", options={}, width=6)]
)
def test_every_peer_records_what_ours_records(name, shape):
    problem = Problem(shape, dtype="float64")
    found, expected = peer(name)(problem).run(12), peer("ours")(problem).run(12)
    for column in COLUMNS:
        assert found.columns[column].shape == expected.columns[column].shape
        deviation = training.deviation(found.columns[column], expected.columns[column])
        assert deviation < training.TOLERANCE, column


def test_other_numbers_are_noticed():
    assert training.deviation(np.array([1.0, 2.0]), np.array([1.0, 2.1])) == pytest.approx(1 / 21)
    assert math.isinf(training.deviation(np.array([1.0, np.nan]), np.array([1.0, 2.0])))


def test_the_shapes_are_those_of_the_page():
    widths = {shape.name: shape.net.widths for shape in FULL.shapes}
    assert widths == {
        "A": (64, *[64] * 3, 10),
        "B": (64, *[128] * 7, 10),
        "C": (64, 8, 32, 72, 128, 200, 288, 392, 10),
        "D": (64, *[512] * 7, 10),
    }
    assert {shape.members for shape in FULL.shapes} == {32}


def test_operations_of_a_step_are_counted():
    # 64 → 4 → 8 → 10: forward and weight gradients of 64·4 + 4·8 + 8·10 weights, and input
    # gradients of all but the first 64·4; two operations for each of 16 samples.
    assert SHAPE.net.widths == (64, 4, 8, 10)
    assert SHAPE.flops == 2 * 16 * (2 * (256 + 32 + 80) + 32 + 80)


def test_processes_share_out_all_runs():
    parts = [Problem(SHAPE, part, 3).runs for part in range(3)]
    assert sorted(run.id for part in parts for run in part) == sorted(
        run.id for run in SHAPE.runs()
    )
    core = workers.cores()[0]
    lane = training.Lane("naive", [(core,), (core,)])
    try:
        halves = lane.load(SHAPE, 6)
    finally:
        lane.close()
    ours = peer("ours")(Problem(SHAPE, dtype="float64")).run(6).columns["loss"]
    for part, columns in enumerate(halves):
        assert training.deviation(columns["loss"], ours[:, part::2]) < training.TOLERANCE


def test_a_power_is_fitted():
    fitted = growth.fit([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0])
    assert fitted.exponent == pytest.approx(2)
    assert fitted.error == pytest.approx(0, abs=1e-9)


def test_growth_varies_one_size():
    assert growth.varied(SHAPE, "depth", 7).net.depth == 7
    assert growth.varied(SHAPE, "members", 5).members == 5


def test_the_upper_end_of_an_axis():
    assert growth.upper("depth", [4, 8, 16, 32], full_block=4) == [1, 2, 3]
    assert growth.upper("members", [1, 2, 4, 8, 16, 32], full_block=4) == [2, 3, 4, 5]
    assert growth.upper("members", [1, 2, 4], full_block=64) == [0, 1, 2]


def test_every_job_of_the_memory_table_can_be_asked_for():
    assert set(FULL.memory) == set(memory.JOBS)


def curves(depth, seeds=range(6)):
    """Runs whose late loss is a parabola in log η about a rate that falls as 1/depth, and which
    diverge from 12 times that rate on; each seed's rates are shifted by a share of an octave."""
    found = {}
    for seed in seeds:
        octaves = np.arange(33) / placement.FINE - 3 + 0.11 * seed
        best, last = -np.log2(depth / 3), np.log2(12) - np.log2(depth / 3)
        loss = 0.1 * 2 ** (0.25 * (octaves - best) ** 2)
        ok = octaves < last
        found[seed] = pd.DataFrame(
            {
                "learning_rate": 2.0**octaves,
                "late_loss": np.where(ok, np.minimum(loss, 0.6), np.nan),
                "null_loss": 1.0,
                "status": np.where(ok, "ok", "diverged"),
            }
        )
    return found


@pytest.mark.parametrize("name", placement.DESIGNS)
def test_designs_find_the_slopes_of_known_curves(name):
    """Octaves suffice for the optimum; the boundary is found as far as rates stand apart."""
    design, interpolated = placement.DESIGNS[name]
    by_depth = {depth: curves(depth) for depth in (3, 4, 6)}
    places = {depth: design(grids) for depth, grids in by_depth.items()}
    for of_seeds in places.values():
        assert all(list(each) == sorted(set(each)) for each in of_seeds.values())
    best = placement.slopes_of(by_depth, places, "best", interpolated)
    stable = placement.slopes_of(by_depth, places, "largest stable", interpolated)
    assert len(best) == len(stable) == 6
    off = max(abs(slope + 1) for slope in best.values())
    assert (off < 1e-6) == interpolated
    octaves = {"octaves": 1.0, "octaves, and two trials of the boundary (the present design)": 0.25}
    step = octaves.get(name, 0.25 if name == "quarter-octaves" else 0.5)
    # Two ends an octave's share off, over the one octave between the depths.
    assert max(abs(slope + 1) for slope in stable.values()) <= step


def test_megabytes_are_those_of_the_command(tmp_path):
    """Not of this process, which is larger."""
    found = scale.timed([sys.executable, "-c", "bytearray(50_000_000)"], tmp_path)
    assert 50 < found["megabytes"] < 100
    with pytest.raises(RuntimeError, match="failed:\nno"):
        scale.timed([sys.executable, "-c", "raise SystemExit('no')"], tmp_path)


def test_bisection_adds_two_rates_where_runs_cease_to_be_stable():
    for seed, places in placement.bisected(curves(4)).items():
        added = [place for place in places if place % placement.FINE]
        assert len(added) == 2, seed
        status = curves(4)[seed]["status"]
        assert any(
            status[place] == "ok" and status[place + 1] == "diverged"
            for place in places
            if place + 1 in places
        )


#: Two cores for 100 s: 2 s of start, 20 s of training jobs of 15 s of math each, and so on.
RUN = {
    "study": "s",
    "cores": 2,
    "wall": 100.0,
    "training": 30.0,
    "compiling": {"train": 6.0, "init": 1.0, "phases": 0.0},
    "help": [0.1, 0.2, 0.4],
    "jobs": [
        {"rule": "train", "start": 2.0, "end": 22.0},
        {"rule": "train", "start": 2.0, "end": 22.0},
        {"rule": "measure", "start": 22.0, "end": 32.0},
        {"rule": "init", "start": 32.0, "end": 33.0},
        {"rule": "tables", "start": 33.0, "end": 35.0},
        {"rule": "claims", "start": 35.0, "end": 39.0},
        {"rule": "notebook_00", "start": 40.0, "end": 70.0},
        {"rule": "notebook_01", "start": 40.0, "end": 90.0},
        {"rule": "pages", "start": 90.0, "end": 95.0},
    ],
}


def test_core_seconds_are_told_apart_and_add_up():
    parts = pipeline.split(RUN)
    assert list(parts.values()) == pytest.approx([30, 7, 4, 9, 0, 3, 4, 80, 5, 4, 10, 44])
    assert sum(parts.values()) == pytest.approx(200)
    with pytest.raises(ValueError, match="not enough values"):  # a rule that counts nowhere
        pipeline.split(RUN | {"jobs": [{"rule": "other", "start": 0.0, "end": 1.0}]})
    text = "\n".join(report.BODIES["pipeline"][1](RUN))
    assert "Training math has 15% of it, goal 80%: **missed**." in text
    assert "| notebooks | 80.0 | 40.0% |" in text
    assert "takes 0.20 (0.10–0.40) s, goal at most 0.3 s: **met**" in text


def test_jobs_are_read_from_the_records_of_their_outputs(tmp_path):
    for number, (rule, log_file, start, end) in enumerate(
        [("train", "a", 12, 15), ("train", "a", 12, 16), ("train", "b", 11, 13)]
    ):
        record = {"rule": rule, "log": [log_file], "starttime": start, "endtime": end}
        (tmp_path / str(number)).write_text(json.dumps(record))
    found = pipeline.jobs(tmp_path, 10.0)
    assert [(job["start"], job["end"]) for job in found] == [(1, 3), (2, 6)]


def test_compilation_is_read_from_the_logs_of_jobs(tmp_path):
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "a.log").write_text("compiled 98 kernels in 30.5 s\npeak memory: 1 MB\n")
    (tmp_path / "b.log").write_text("compiled 3 kernels in 1.5 s\nnothing else\n")
    assert pipeline.compiling_seconds(tmp_path) == 32
    assert pipeline.compiling_seconds(tmp_path / "absent") == 0


def timing(peer_name, rates, processes=1, **changes):
    plain = {"shape": "A", "peer": peer_name, "processes": processes, "threads": 1}
    return {**plain, "status": "agrees", "remark": "", "deviation": 0.0, "rates": rates, **changes}


@pytest.fixture
def records():
    """Two ways of ours, the naive loop, one JAX, and one that is not installed."""
    return {
        "shapes": [{"name": "A", "flops": 1e9}],
        "timings": [
            timing("ours", [80.0, 90.0, 100.0]),
            timing("ours", [40.0, 50.0, 60.0], processes=2),
            timing("naive", [10.0, 10.0, 10.0]),
            timing("naive", [5.0] * 3, processes=2),
            timing("JAX vmap + scan", [90.0] * 3),
            timing("JAX lax.map", [], status="absent", remark="No module named 'jax'"),
            timing("torch.func", [], status="disagrees", deviation=0.5),
        ],
        "peaks": [
            {"shape": "A", "threads": 1, "way": "torch.mm", "gflops": [300.0] * 3},
            {"shape": "A", "threads": 2, "way": "torch.mm", "gflops": [160.0, 180.0, 200.0]},
            {"shape": "A", "threads": 2, "way": "numpy.dot", "gflops": [90.0, 300.0, 100.0]},
        ],
    }


def test_goals_are_judged_by_medians_of_rounds(records):
    naive, jax, peak = goals.outcomes(records)
    assert (naive.ratios, naive.verdict) == ([8.0, 9.0, 10.0], "met")
    assert (jax.verdict, jax.least) == ("missed", 1.5)
    assert jax.ratios == pytest.approx([80 / 90, 1, 100 / 90])
    assert (peak.ratios, peak.verdict) == ([0.5, 0.5, 0.5], "missed")
    assert peak.peer == "torch.mm, 180 GFLOP/s"
    records["timings"] = [row for row in records["timings"] if "JAX" not in row["peer"]]
    assert goals.outcomes(records)[1].verdict == "not measured"


def test_the_page_says_who_is_absent_and_who_disagrees(tmp_path, records):
    environment = {
        "processor": "P",
        "cores": 2,
        "load": 0.1,
        "versions": {"torch": "1"},
        "commit": "c" * 40,
        "dirty": False,
        "date": "2000-01-01",
    }
    sections = {"training": {"environment": environment, "records": records}}
    report.write(ROOT / "docs" / "benchmarks.md", tmp_path / "page.md", sections, {})
    text = (tmp_path / "page.md").read_text()
    assert "| JAX lax.map, 1 process | absent: No module named 'jax' |" in text
    assert "| torch.func, 1 process | disagrees by 0.5 |" in text
    assert "| ours, 1 process | 90 (0.50) |" in text
    assert "| naive loop | 9.00 (8.00–10.00), goal 6: **met** (naive, 1 thread) |" in text
    again = tmp_path / "again.md"
    report.write(tmp_path / "page.md", again, sections, {})
    assert again.read_text() == text


def test_the_machines_peak_is_the_best_of_several_ways(monkeypatch):
    monkeypatch.setattr(peak, "SIZE", 128)
    monkeypatch.setattr(peak, "ROUNDS", 1000)
    found = peak.rates(1)
    assert set(found) == {*peak.PRODUCTS, "fused multiply–adds"}
    assert all(math.isfinite(rate) and rate > 0 for rate in found.values())


def test_the_loop_of_the_peak_does_what_its_operations_count():
    """The compiler has not left out rounds: s ← f s + b, n times."""
    start, factor, summand, rounds = np.array([1, 2], np.float32), 0.5, 0.25, 5
    expected = [value * factor**rounds + summand * (2 - 2 * factor**rounds) for value in start]
    found = peak._loop(2)(start, np.float32(factor), np.float32(summand), rounds)
    assert found == pytest.approx(sum(expected), rel=1e-6)


def test_a_record_is_held_against_the_last_of_the_same_machine(tmp_path, records):
    environment = {"date": "2000-01-01", "commit": "a" * 40, "dirty": False, "processor": "P",
                   "cores": 2, "load": 0.1, "effort": "full"}  # fmt: skip
    old = history.record(environment, goals.outcomes(records))
    assert old["ratios"] == {"naive loop, A": 9.0, "best JAX, A": 1.0, "peak, A": 0.5}
    assert history.change([], old) == "No earlier record of this machine (P, 2 cores)."
    history.append(tmp_path, old)
    history.append(tmp_path, old | {"processor": "Q", "ratios": {"peak, A": 9.0}})
    new = old | {"commit": "b" * 40, "ratios": {"peak, A": 0.6, "peak, B": 0.7}}
    assert history.change(history.read(tmp_path), new).splitlines() == [
        "Against aaaaaaaaaaaa of 2000-01-01 on this machine (P, 2 cores):",
        "- peak, A: 0.60, was 0.50 (+20%)",
        "- peak, B: 0.70, not measured then",
    ]


def test_goals_of_scale_are_for_ten_thousand_jobs():
    def said(jobs, seconds, megabytes, collected):
        dry = {"seconds": seconds, "megabytes": megabytes}
        stages = {"dry run, again": dry, "collecting": {"seconds": 1.0, "megabytes": collected}}
        return scale.goals({"runs": 10 * jobs, "jobs": jobs, "stages": stages})

    assert said(140, 1, 1, 1) == "Goals are for 10,000 jobs."
    assert said(10_000, 15, 512, 2049).split("**")[1::2] == ["met", "missed"]
    assert said(10_000, 15, 513, 2048).split("**")[1::2] == ["missed", "met"]
    assert said(10_000, 16, 1, 1).split("**")[1] == "missed"


def test_the_script_for_a_gpu_runs_on_a_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--effort", "tiny"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (shape,) = json.loads((tmp_path / "gpu.json").read_text())["records"]["shapes"]
    assert {row["peer"] for row in shape["rows"]} == set(PEERS)
    for row in shape["rows"]:
        assert row["status"] in {"agrees", "absent"}, row
        assert (row["status"] == "agrees") == (len(row["rates"]) == TINY.repetitions)
    assert "| tiny | torch.func | " in done.stdout


def test_goals_on_a_gpu():
    def row(name, rate):
        return {"peer": name, "status": "agrees", "deviation": 0.0, "rates": [rate]}

    shapes = [
        {"shape": "A", "flops": 1e9, "rows": [row("ours", 50.0), row("torch.func", 10.0)]},
        {"shape": "C", "flops": 1e9, "rows": [row("ours", 49.0)]},
    ]
    text = gpu.table({"card": "card", "peaks": [100.0], "shapes": shapes})
    assert "| A | goal, torch.func | | | | ≥ 5: **met** |" in text
    assert "| C | ours | 0e+00 | 49 | 0.49 | 1.00 |" in text
    assert "| C | goal | | | ≥ 0.5: **missed** | |" in text


def test_a_template_without_markers_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("no markers")
    with pytest.raises(ValueError, match="must hold the lines"):
        report.write(tmp_path / "page.md", tmp_path / "out.md", {}, {})


def test_end_to_end_on_one_core(tmp_path):
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "benchmarks", "--effort", "tiny", "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    assert done.returncode == 0, done.stderr
    sections = raw.read(tmp_path / "results")
    assert set(sections) == set(raw.SECTIONS)
    timings = sections["training"]["records"]["timings"]
    assert {row["peer"] for row in timings} == set(PEERS)
    for row in timings:
        assert row["status"] in {"agrees", "absent"}, row
        assert (row["status"] == "agrees") == (len(row["rates"]) == TINY.repetitions)
        assert row["status"] == "agrees" or re.search("jax", row["remark"])
    assert sections["growth"]["environment"]["versions"]["torch"]
    (job,) = sections["memory"]["records"]["jobs"]
    assert job["predicted"] == pytest.approx(job["measured"], rel=memory.TOLERANCE)
    rules = {job["rule"] for job in sections["pipeline"]["records"]["jobs"]}
    assert rules == {"train", "tables"}
    (measured,) = sections["measurements"]["records"]["shapes"]
    assert measured["steps"] % measurements.CADENCE == 0
    assert set(measured["seconds"]) == set(measurements.VARIANTS) - {"adamw"}
    assert 1 <= measured["products"] <= 24
    placed = sections["placement"]["records"]["rows"]
    assert {row["design"] for row in placed} == set(placement.DESIGNS)
    assert len({row["net"] for row in placed}) == 3
    (size,) = sections["scale"]["records"]["sizes"]
    assert size["runs"] == 100
    planned = grid.runs(check(scale.study(100), "scale.yaml"), tmp_path / "scale.yaml")
    limits = Limits(seconds=60 * scale.MINUTES)
    assert size["jobs"] == len(pack(TRAINING, planned.values(), limits))
    assert set(size["stages"]) == {"dry run, first", "dry run, again", "collecting"}
    for stage in size["stages"].values():
        assert stage["seconds"] > 0
        assert 50 < stage["megabytes"] < 2000
    page = (tmp_path / "benchmarks.md").read_text()
    assert "No earlier record of this machine" in done.stdout
    assert len(history.read(tmp_path / "results")) == 1
    for title, _ in report.BODIES.values():
        assert f"## {title}" in page
        assert f"## {title}" in done.stdout
    assert "| naive loop | " in done.stdout
    for image in re.findall(r"\]\((images/[\w-]+\.png)\)", page):
        assert (tmp_path / image).stat().st_size > 0


@pytest.mark.parametrize(
    ("said", "measured"),
    [
        ("peak memory: 655 MB, pages of files 306 MB", 569.0),
        ("peak memory: 559 MB, pages of files 220 MB, compiler of kernels included", 559.0),
        ("peak memory: 559 MB", 559.0),  # on other systems, which do not tell
    ],
)
def test_pages_of_files_count_as_foreseen(said, measured):
    assert memory.said_mb(f"job a: 1 runs\n{said}\n") == measured


def test_one_member_of_the_subnormal_stack_has_subnormal_features():
    problem = Problem(SHAPE)
    first, second = (weight.astype(np.float64) for weight in subnormals.decayed(problem)[:2])
    tiny = float(np.finfo(np.float32).tiny)
    assert min(np.abs(first[0]).min(), np.abs(second[0]).min()) > tiny
    features = np.maximum(problem.inputs @ first.swapaxes(1, 2), 0) @ second.swapaxes(1, 2)
    assert 0 < np.abs(features[0]).max() < tiny
    assert np.abs(features[1:]).max() > 1e-3


def test_every_method_finds_the_same_sharpness():
    """Packages that are not installed are absent, and said to be."""
    found = sharpness.compare(SHAPE, 2)
    rows = {(row["matrix"], row["method"]): row for row in found["rows"]}
    assert set(rows) == {(kind, name) for kind, each in sharpness.METHODS.items() for name in each}
    for (_, name), row in rows.items():
        if name == "ours" or not row["remark"]:
            assert len(row["seconds"]) == 2
            # Power iterations stop where they move little, not where they are near.
            assert max(row["errors"]) < (0.05 if name == "PyHessian" else 2e-3), name
        else:
            assert re.search("curvlinops|pyhessian", row["remark"])
    environment = {"processor": "P", "cores": 2, "load": 0.1, "versions": {}, "commit": "",
                   "dirty": False, "date": "2000-01-01"}  # fmt: skip
    records = {"tolerance": 1e-3, "shapes": [found]}
    text = report.body({"sharpness": {"environment": environment, "records": records}}, {})
    assert "| tiny | Gauss–Newton | ours | " in text
    assert "1.00 (1.00–1.00)" in text


def test_the_reference_of_the_sharpness_is_dense():
    """The largest eigenvalue of the Hessian written out."""
    import torch

    model, batch = sharpness.net(SHAPE)
    model, batch = model.double(), tuple(each.double() for each in batch)
    names = list(dict(model.named_parameters()))

    def value(*weights):
        given = dict(zip(names, weights, strict=True))
        return sharpness.loss(torch.func.functional_call(model, given, (batch[0],)), batch[1])

    weights = tuple(each.detach() for each in model.parameters())
    blocks = torch.autograd.functional.hessian(value, weights)
    sizes = [each.numel() for each in weights]
    dense = torch.cat(
        [torch.cat([block.reshape(m, n) for block, n in zip(row, sizes, strict=True)], 1)
         for row, m in zip(blocks, sizes, strict=True)]
    )  # fmt: skip
    top = float(torch.linalg.eigvalsh(dense)[-1])
    assert sharpness.exact(model, batch, "hessian") == pytest.approx(top, rel=1e-6)


def test_adamw_is_measured_on_nets_of_constant_widths():
    shape = replace(SHAPE, parameterization="mup", options={}, width=6)
    found = measurements.compare(shape, 1, TINY)
    assert set(found["seconds"]) == set(measurements.VARIANTS)
    plain = replace_seconds(found, 1.0)
    slower = replace_seconds(plain, 1.2, "adamw")
    for shown, outcome in ((plain, "met"), (slower, "missed")):
        environment = {"processor": "P", "cores": 2, "load": 0.1, "versions": {}, "commit": "",
                       "dirty": False, "date": ""}  # fmt: skip
        records = {"cadence": measurements.CADENCE, "shapes": [shown]}
        text = report.body({"measurements": {"environment": environment, "records": records}}, {})
        assert f", goal 0.05: **{outcome}**" in text.splitlines()[-1].split("|")[7]


def replace_seconds(found, seconds, *names):
    """The record with other seconds of these variants, or of all; λ_t takes as much again."""
    own = {
        name: [seconds * (2 if "curvature" in name else 1)]
        if name in (names or found["seconds"])
        else rounds
        for name, rounds in found["seconds"].items()
    }
    return {**found, "seconds": own}
