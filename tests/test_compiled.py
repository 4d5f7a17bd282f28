"""The backend `numba` against the backend `torch`, the definition, in float64."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import problems
import references
from nup.kernels import jit
from nup.networks.activations import activation
from nup.networks.mlp import Network
from nup.networks.parameterization import parameterization
from nup.registry import Option
from nup.specs import OptimizerSpec, ScheduleSpec
from nup.tables.schema import LAYERS, STEPS
from nup.training import observables, scalings, schedules
from nup.training.backends import arrays
from nup.training.backends import numba as kernels
from nup.training.backends.numba import NumbaBackend
from nup.training.backends.scope import can_compile
from nup.training.loop import train
from nup.training.observables import cadences

#: Everything that kernels record.
KERNELS = cadences(steps=1, curvature=2, taylor=3, layers=2, probe=0, features=0, hessian=3)

SCHEDULES = {
    "constant": (ScheduleSpec(), 0.1),
    "cosine": (ScheduleSpec("cosine", {"warmup": 0.3}), 0.1),
    "sharpness": (ScheduleSpec("sharpness", {"c": 1.9}), None),
    "taylor": (ScheduleSpec("taylor", {"c": 0.6}), None),
    "depthwise": (ScheduleSpec(gradient_scaling="depthwise"), 0.1),
    "sharpness+depthwise": (ScheduleSpec("sharpness", {"c": 1.9}, "depthwise"), None),
    "equal": (ScheduleSpec(gradient_scaling="equal"), 0.1),
    "taylor+per_sample": (ScheduleSpec("taylor", {"c": 0.6}, "per_sample"), None),
    "sharpness+gram": (ScheduleSpec("sharpness", {"c": 1.5}, "gram"), None),
    "polyak": (ScheduleSpec("polyak", {"c": 0.6}), None),
    "polyak+per_sample": (ScheduleSpec("polyak", {"c": 0.6}, "per_sample"), None),
}
#: Each with the losses for which it is defined.
DEFINED = [
    (name, loss)
    for name, (spec, _) in SCHEDULES.items()
    for loss in schedules.SCHEDULES[spec.name].losses or ("mse", "cross_entropy")
]


def assert_same(specs, data):
    compiled, stacked = train(specs, data), train(specs, data, compiled=False)
    for table in ("runs", "steps", "layers"):
        expected = getattr(stacked, table)
        for name, values in getattr(compiled, table).items():
            if name == "backend":
                assert set(values) == {"numba"}
                assert set(expected[name]) == {"torch"}
            elif values.dtype.kind != "f":
                assert values.tolist() == expected[name].tolist(), name
            elif name in ("sharpness_residual", "sharpness_products", "hessian_residual"):
                # Rounding decides where λ is 0, and the residual of a complete Krylov space.
                alive = expected["sharpness"] > 1e-6
                np.testing.assert_allclose(values[alive], expected[name][alive], atol=1e-5)
            else:
                np.testing.assert_allclose(
                    values, expected[name], rtol=2e-5, atol=1e-9, err_msg=f"{table}.{name}"
                )
    return compiled


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize(("schedule", "loss"), DEFINED)
def test_schedules_losses_and_batches(schedule, loss, batch_size):
    spec, rate = SCHEDULES[schedule]
    specs = [
        problems.run(
            depth=4,
            activation="(1,2)",
            loss=loss,
            schedule=spec,
            learning_rate=rate,
            seed=seed,
            steps=10,
            record=KERNELS,
            batch_size=batch_size,
        )
        for seed in (0, 1)
    ]
    assert_same(specs, problems.dataset("classes"))


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("schedule", ["constant", "sharpness+depthwise", "sharpness+gram"])
def test_what_torch_measures_beside_them(schedule, batch_size):
    """On cadences that meet one another and the kernels' own, and not."""
    spec, rate = SCHEDULES[schedule]
    record = KERNELS | {"probe": 3, "features": 4, "accuracy": 5, "hessian": 6}
    specs = [
        problems.run(
            schedule=spec,
            learning_rate=rate,
            seed=seed,
            steps=13,
            record=record,
            batch_size=batch_size,
        )
        for seed in (0, 1)
    ]
    assert can_compile(specs[0])
    records = assert_same(specs, problems.dataset("classes"))
    measured = np.isfinite(records.steps["test_accuracy"]).reshape(2, -1).nonzero()[1]
    assert set(records.steps["step"][measured]) >= {0, 5, 10, 13}


def test_the_first_loss_sets_the_limit_and_the_final_state_can_exceed_it():
    """Divergence is seen in a state whether it is updated or not."""
    fast = problems.run(learning_rate=1.0, steps=30, record=KERNELS)
    diverged = train([fast], problems.dataset()).runs["last_step"][0] + 1
    specs = [
        replace(fast, steps=int(diverged), learning_rate=rate, record=KERNELS | {"probe": 1})
        for rate in (0.05, 1.0)
    ]
    records = assert_same(specs, problems.dataset())
    assert list(records.runs["status"]) == ["ok", "diverged"]
    assert records.runs["last_step"].tolist() == [diverged, diverged - 1]
    assert np.isnan(records.runs["test_accuracy"]).tolist() == [True, True]  # a regression
    assert np.isnan(records.runs["validation_loss"]).tolist() == [False, True]


@pytest.mark.parametrize("activation", ["abs", "relu", "linear", "(-1,1)", "(2,1)"])
@pytest.mark.parametrize("name", ["nup", "mup_residual", "sp"])
def test_networks(name, activation):
    spec = problems.run(
        parameterization=name,
        depth=4,
        activation=activation,
        learning_rate=0.02,
        steps=8,
        record=KERNELS,
    )
    records = assert_same([spec], problems.dataset())
    assert records.runs["status"][0] == "ok"


@pytest.mark.parametrize("scaling", ["equal", "per_sample", "gram"])
@pytest.mark.parametrize("width", [2, 9])  # fewer units than samples, and more
def test_scalings_of_residual_networks(scaling, width):
    spec = problems.run(
        parameterization="mup_residual",
        depth=4,
        width=width,
        activation="relu",
        schedule=ScheduleSpec("polyak", {"c": 0.3}, scaling),
        learning_rate=None,
        record=KERNELS,
    )
    records = assert_same([spec, replace(spec, seed=1)], problems.dataset())
    assert (abs(records.layers["gradient_scale"] - 1) > 1e-3).any()


@pytest.mark.parametrize("schedule", ["constant", "sharpness", "taylor", "sharpness+gram"])
def test_nothing_depends_on_what_fresh_memory_holds(schedule, monkeypatch):
    """Room full of NaN: what is not written before it is read would spread it."""

    def spoil(part):
        for each in part:
            if isinstance(each, tuple):
                spoil(each)
            else:
                each.fill(np.nan)

    make = kernels.workspace_of

    def spoiled(*arguments):
        room = make(*arguments)
        spoil(room)
        return room

    monkeypatch.setattr(kernels, "workspace_of", spoiled)
    spec, rate = SCHEDULES[schedule]
    for dtype in ("float64", "float32"):
        run = problems.run(schedule=spec, learning_rate=rate, steps=8, record=KERNELS, dtype=dtype)
        records = train([run], problems.dataset())
        due = np.isfinite(records.steps["sharpness"])
        assert np.isfinite(records.steps["sharpness_residual"][due]).all()
        assert np.isfinite(records.steps["taylor_3"][3])
    assert_same([replace(run, dtype="float64")], problems.dataset())


def test_samples_that_are_all_alike_leave_the_krylov_space_complete():
    """λ_t at rest is found with two products, time after time."""
    data = problems.dataset()
    data.inputs["train"][:] = data.inputs["train"][:1]
    record = KERNELS | {"curvature": 1, "taylor": 0}
    for dtype in ("float64", "float32"):
        run = problems.run(learning_rate=1e-9, steps=30, record=record, dtype=dtype)
        steps = train([run], data).steps
        late = steps["sharpness"][10:]
        np.testing.assert_allclose(late, late[0], rtol=1e-5)
        assert set(steps["sharpness_products"][10:]) == {2}
        if dtype == "float64":
            assert_same([run], data)


@pytest.mark.parametrize("schedule", ["constant", "sharpness", "taylor"])
def test_samples_go_to_the_blas_in_pieces_or_at_once(schedule, monkeypatch):
    """Whatever this machine's BLAS is: two samples a call, and all six."""
    spec, rate = SCHEDULES[schedule]
    run = problems.run(schedule=spec, learning_rate=rate, steps=8, record=KERNELS)
    for rows in (2, 0):
        monkeypatch.setattr(
            arrays, "rows_per_call", lambda fan_in, *others, rows=rows: np.full_like(fan_in, rows)
        )
        assert_same([run], problems.dataset())


def test_runs_that_diverge_within_a_segment_leave_alone():
    rates = (0.05, 1.0, 2.0)
    specs = [problems.run(learning_rate=rate, steps=30, record=KERNELS) for rate in rates]
    records = assert_same(specs, problems.dataset())
    assert list(records.runs["status"]) == ["ok", "diverged", "diverged"]
    assert 0 < records.runs["last_step"][2] < 30
    assert records.runs["reason"][2].startswith("loss ")
    for spec in specs:
        problems.assert_as_if_alone(records, spec, train([spec], problems.dataset()))


def test_a_rate_that_is_no_number_is_the_reason():
    """Weights that all became zero within a segment have no curvature."""
    data = problems.one_sample(target=1.0)
    data.targets["train"][:] = 0.0
    data.inputs["train"][:] = 0.0
    specs = [problems.sharpness(1.0, depth=2, steps=6, record=KERNELS | {"taylor": 0})]
    for compiled in (True, False):
        records = train(specs, data, compiled=compiled)
        assert records.runs["reason"][0] == "schedule 'sharpness' found no finite rate"


@pytest.fixture
def taken(monkeypatch):
    """Segments that the kernels took: the first step of each, and the one that follows."""
    segments, advance = [], NumbaBackend.advance

    def spy(self, state, segment):
        segments.append((segment.steps.start, segment.steps.stop))
        return advance(self, state, segment)

    monkeypatch.setattr(NumbaBackend, "advance", spy)
    return segments


def test_segments_end_where_something_else_is_due_and_are_not_too_long(taken):
    data = problems.dataset()
    train(
        [problems.run(steps=20, record=KERNELS | {"probe": 7, "features": 5, "accuracy": 8})], data
    )
    starts = [0, 1, 5, 7, 8, 10, 14, 15, 16, 20]
    assert taken == list(zip(starts, [*starts[1:], 21], strict=True))
    taken.clear()
    longest = NumbaBackend.longest
    steps = 2 * longest + 10
    train(
        [
            problems.run(
                steps=steps,
                record=cadences(steps=10, curvature=0, taylor=0, layers=10, probe=0, features=0),
            )
        ],
        data,
    )
    starts = [0, 1, longest + 1, 2 * longest + 1, steps]
    assert taken == list(zip(starts, [*starts[1:], steps + 1], strict=True))


def test_progress_tells_every_segment():
    said = []
    spec = problems.run(steps=20, record=KERNELS)
    train([spec], problems.dataset(), progress=lambda *state: said.append(state))
    assert said == [(0, 20, 1), (19, 20, 1), (20, 20, 1)]


ADAMW = OptimizerSpec("adamw", {"beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.3})


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_adamw(loss, batch_size):
    spec = problems.run(
        parameterization="sp",
        activation="relu",
        loss=loss,
        schedule=ScheduleSpec("cosine", {"warmup": 0.3}),
        learning_rate=0.03,
        batch_size=batch_size,
        optimizer=ADAMW,
        steps=12,
        record=KERNELS | {"curvature": 0, "hessian": 0, "probe": 5},
    )
    assert_same([spec, replace(spec, seed=1)], problems.dataset("classes"))


def test_threads_change_nothing():
    specs = [problems.run(seed=seed, steps=12, record=KERNELS) for seed in range(5)]
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(train(specs, problems.dataset()).steps["loss"].tolist())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_what_kernels_do_not_know_is_done_by_torch(taken):
    @scalings.register(requires=("cotangents",), start=lambda signals: power(signals))
    def fading(signals):
        return signals.initial / power(signals)

    def power(signals):
        return torch.stack([d.square().sum((-2, -1)) for d in signals.cotangents], -1)

    spec = problems.run(schedule=ScheduleSpec(gradient_scaling="fading"), record=KERNELS)
    assert not can_compile(spec)
    records = train([spec, replace(spec, seed=1)], problems.dataset())
    assert list(records.runs["backend"]) == ["torch"] * 2
    scales = records.layers["gradient_scale"].reshape(2, -1, 3)
    np.testing.assert_allclose(scales[:, 0], 1)
    assert (abs(scales[:, 1:] - 1) > 1e-3).any()
    assert taken == []
    assert can_compile(problems.run())
    assert not can_compile(problems.run(), "cuda")
    assert train([problems.run()], problems.dataset()).runs["backend"] == ["numba"]
    assert taken != []


def test_a_schedule_of_ones_own_is_kept_to():
    """One that measures is not taken for ours; one that looks back sees the rates before."""

    @schedules.register()
    def halving(moment):
        return moment.learning_rate if moment.previous is None else moment.previous / 2

    @schedules.register(requires="sharpness", c=Option(0.1))
    def gentle(moment):
        return moment.options["c"] / moment.sharpness

    for name, rate in (("halving", 0.1), ("gentle", None)):
        spec = problems.run(
            schedule=ScheduleSpec(name), learning_rate=rate, steps=6, record=KERNELS
        )
        assert can_compile(spec) == (name == "halving")
        records = train([spec], problems.dataset())
        rates = records.steps["learning_rate"][:6]
        if name == "halving":
            assert_same([spec], problems.dataset())
            np.testing.assert_allclose(rates, 0.1 * 0.5 ** np.arange(6), rtol=1e-6)
        else:
            np.testing.assert_allclose(rates * records.steps["sharpness"][:6], 0.1, rtol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
def test_an_observable_of_ones_own_fills_its_columns(compiled):
    """Of a state, in both tables, with a memory; per step, from the sums."""

    @observables.register(
        steps={"distance": observables.series("‖θ_t − θ_0‖ in units of ‖θ_0‖")},
        layers={"first_norm": observables.series("‖W_k(0)‖")},
        start=lambda context: torch.stack([w.norm(dim=(-2, -1)) for w in context.weights], -1),
    )
    def distance(context):
        norms = context.memories["distance"]
        moved = torch.stack([w.norm(dim=(-2, -1)) for w in context.displacement], -1)
        return {"distance": moved.norm(dim=-1) / norms.norm(dim=-1), "first_norm": norms}

    @observables.register(per_step=True, steps={"root": observables.series("√loss")})
    def root(sums):
        return {"root": sums.loss**0.5}

    data, record = problems.dataset(), {"steps": 1, "distance": 3, "root": 2}
    specs = [problems.run(learning_rate=r, steps=8, record=record) for r in (0.1, 50.0, 0.2)]
    records = train(specs, data, compiled=compiled)
    assert list(records.runs["status"]) == ["ok", "diverged", "ok"]
    for spec in (specs[0], specs[2]):
        steps, layers = (problems.rows(t, spec) for t in (records.steps, records.layers))
        assert steps["step"][np.isfinite(steps["distance"])].tolist() == [0, 3, 6, 8]
        assert steps["step"][np.isfinite(steps["root"])].tolist() == [0, 2, 4, 6, 8]
        np.testing.assert_allclose(steps["root"][::2] ** 2, steps["loss"][::2], rtol=1e-6)
        _, states, _, _ = problems.slow_training(spec, data)
        flat = torch.stack([references.flat(state) for state in states])
        expected = (flat - flat[0]).norm(dim=-1) / flat[0].norm()
        due = [0, 3, 6, 8]
        np.testing.assert_allclose(steps["distance"][due], expected[due], rtol=1e-5)
        norms = [float(w.norm()) for w in states[0]]
        np.testing.assert_allclose(layers["first_norm"], norms * 4, rtol=1e-6)
    assert {"distance", "root"} <= set(STEPS)
    assert "first_norm" in LAYERS


def test_room_for_gram_matrices_does_not_grow_with_all_samples():
    """Of 55,000 samples it would be 45 GiB for four layers that never use it."""
    net = parameterization("nup", depth=4, width=8, d_in=5, d_out=3)
    shape = arrays.shape_of(Network(net, activation("abs")), np.float32)
    assert arrays.gram_size(shape, 55_000) == max(net.widths)
    assert arrays.gram_size(shape, 6) == 6


def test_kernels_are_kept_by_the_digest_of_all_their_sources(monkeypatch, tmp_path):
    """An edit of a module changes the folder, also for kernels that only call those edited."""
    folder = jit._folder()
    for source in jit.Path(jit.__file__).parent.glob("*.py"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    jit._folder.cache_clear()
    try:
        assert jit.Path(jit._folder()).name == jit.Path(folder).name
        jit._folder.cache_clear()
        (tmp_path / "passes.py").write_text("# edited\n")
        assert jit.Path(jit._folder()).name != jit.Path(folder).name
    finally:
        monkeypatch.undo()
        jit._folder.cache_clear()
    assert jit._folder() == folder


def test_kernels_have_a_place_without_a_home(monkeypatch, tmp_path):
    """Sources that cannot be written beside, a user without home, both: each has a folder."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(jit, "__file__", str(blocked / "jit.py"))
    monkeypatch.setattr(jit.Path, "home", lambda: tmp_path)
    jit._folder.cache_clear()
    try:
        assert jit.Path(jit._folder()).is_relative_to(tmp_path / ".cache" / "nup")
        jit._folder.cache_clear()
        monkeypatch.setattr(jit.Path, "home", homeless)
        folder = jit.Path(jit._folder())
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.rmdir()
    finally:
        monkeypatch.undo()
        jit._folder.cache_clear()


@pytest.mark.parametrize("threads", [1, 2])
def test_subnormal_numbers_are_flushed_in_kernels_on_every_thread(threads):
    """Weights of 1e-20 make preactivations of 1e-40: subnormal, and zeros in a prepared process."""
    script = f"""
import sys
import numpy as np
import torch
import problems
from nup.jobs import execute
from nup.training import loop, stack
from nup.training.backends.numba import NumbaBackend

if sys.argv[1] == "prepared":
    execute.prepare_torch({threads})
torch.set_num_threads({threads})
drawn = stack.initial_parameters
stack.initial_parameters = lambda *arguments: drawn(*arguments) * 1e-20
runs = [problems.run(seed=seed, dtype="float32", steps=6) for seed in range(8)]
made = []
init = NumbaBackend.__init__
NumbaBackend.__init__ = lambda self, stack: (made.append(self), init(self, stack))[1]
loop.train(runs, problems.dataset())
rooms = [made[0]._workspaces.get() for _ in range({threads})]
tiny = np.finfo(np.float32).tiny
bits = [np.abs(room.memory.h[6 * 5 : 6 * 10]).view(np.int32) for room in rooms]  # layer 2
print(sum(int(((found > 0) & (found < np.float32(tiny).view(np.int32))).sum()) for found in bits))
"""
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    found = {}
    for how in ("prepared", "plain"):
        done = subprocess.run(
            [sys.executable, "-c", script, how],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert done.returncode == 0, done.stderr
        found[how] = int(done.stdout)
    assert found["prepared"] == 0 < found["plain"]
