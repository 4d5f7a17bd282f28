"""Runs that diverge, die or find no rate are recorded as such, and harm no others."""

import math
from dataclasses import replace

import numpy as np
import pytest

import problems
from nup.specs import DIVERGENCE_RATIO, ScheduleSpec
from nup.training.loop import train


def test_a_diverged_run_is_recorded_up_to_its_end():
    data = problems.dataset()
    specs = [problems.run(learning_rate=rate, steps=12) for rate in (0.1, 50.0, 0.2)]
    records = train(specs, data)
    assert list(records.runs["status"]) == ["ok", "diverged", "ok"]
    row = problems.summary(records, specs[1])
    limit = DIVERGENCE_RATIO * max(row["initial_loss"], row["null_loss"])
    losses, _, _, _ = problems.slow_training(specs[1], data)
    step = next(t for t, loss in enumerate(losses) if not loss <= limit)
    assert row["last_step"] == step - 1
    assert row["reason"] == f"loss {losses[step]:.3g} exceeded {limit:.3g}"
    assert row["max_loss"] == pytest.approx(max(losses[:step]), rel=problems.EXACT)
    for name in ("final_loss", "late_loss", "final_sharpness", "validation_loss"):
        assert np.isnan(row[name])
    assert not row["stable"]
    assert list(problems.rows(records.steps, specs[1])["step"]) == list(range(step))
    layers = problems.rows(records.layers, specs[1])
    assert list(layers["step"]) == list(np.repeat(range(step), 3))
    assert list(layers["layer"]) == [1, 2, 3] * step


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize(
    ("schedule", "members"),
    [
        ("constant", [(0.1, {}), (50.0, {}), (0.2, {})]),
        ("cosine", [(0.1, {"warmup": 0.3}), (50.0, {}), (0.2, {"final": 0.5})]),
        ("sharpness", [(None, {"c": 1.0}), (None, {"c": 40.0}), (None, {"c": 1.5})]),
        ("taylor", [(None, {"c": 0.5}), (None, {"c": 40.0}), (None, {"c": 0.7})]),
    ],
)
def test_the_others_go_on_as_if_alone(schedule, members, batch_size):
    data = problems.dataset()
    specs = [
        problems.run(
            schedule=ScheduleSpec(schedule, options, "depthwise"),
            learning_rate=rate,
            batch_size=batch_size,
            seed=seed,
            steps=12,
            parameterization="nup",
            width=6,
        )
        for seed, (rate, options) in enumerate(members)
    ]
    records = train(specs, data)
    assert list(records.runs["status"]) == ["ok", "diverged", "ok"]
    for spec in specs:
        problems.assert_as_if_alone(records, spec, train([spec], data))
    assert list(records.runs["last_step"][[0, 2]]) == [12, 12]
    assert list(records.runs["reason"][[0, 2]]) == ["", ""]


def test_training_ends_when_every_run_has_diverged():
    calls = []
    specs = [problems.run(learning_rate=rate, steps=50) for rate in (50.0, 60.0)]
    records = train(specs, problems.dataset(), progress=lambda *state: calls.append(state))
    assert list(records.runs["status"]) == ["diverged", "diverged"]
    assert calls[-1] == (max(records.runs["last_step"]) + 1, 50, 0)


def test_a_loss_that_is_not_finite_at_the_start():
    """The loss grows like (σ²)^l: one σ² takes one seed beyond float64 and the other just not."""
    data = problems.dataset()
    specs = [problems.run(weight_variance=1e30, seed=seed, steps=3) for seed in (0, 1)]
    losses = train(specs, data).runs["initial_loss"]
    squares = losses * 2 * problems.SIZES["train"]  # the sum that overflows
    room = np.log(np.finfo(float).max) - np.log(squares).mean()
    variance = 1e30 * math.exp(room / specs[0].depth)
    records = train([replace(spec, weight_variance=variance) for spec in specs], data)
    assert list(records.runs["status"]) == ["diverged", "diverged"]
    assert list(records.runs["reason"]) == ["loss is not finite"] * 2
    larger = int(losses.argmax())
    assert records.runs["last_step"][larger] == -1
    assert np.isnan(records.runs["initial_sharpness"][larger])
    assert np.isnan(records.runs["max_loss"][larger])
    assert records.runs["last_step"][1 - larger] == 0
    assert set(records.steps["step"]) == {0}


def dead_and_living():
    """Two seeds of a ReLU net of width 1 on one sample: all outputs and gradients 0, and not."""
    data = problems.one_sample(target=1.0)
    runs = [problems.run(activation="relu", width=1, depth=2, seed=seed) for seed in range(20)]
    losses = train([replace(run, steps=1) for run in runs], data).runs["initial_loss"]
    dead = next(run for run, loss in zip(runs, losses, strict=True) if loss == 0.5)
    living = next(run for run, loss in zip(runs, losses, strict=True) if loss != 0.5)
    return data, dead.seed, living.seed


@pytest.mark.parametrize("rule", ["sharpness", "taylor"])
def test_a_rate_that_is_not_finite_is_the_reason(rule):
    data, dead, living = dead_and_living()
    make = getattr(problems, rule)
    shape = {"activation": "relu", "width": 1, "depth": 2, "steps": 3}
    specs = [make(1.0, seed=seed, **shape) for seed in (dead, living)]
    records = train(specs, data)
    assert list(records.runs["status"]) == ["diverged", "ok"]
    assert records.runs["reason"][0] == f"schedule {rule!r} found no finite rate"
    assert records.runs["last_step"][0] == 0


def test_a_dead_net_is_ok_but_not_stable():
    data, dead, living = dead_and_living()
    specs = [
        problems.run(activation="relu", width=1, depth=2, seed=seed, steps=40, learning_rate=0.3)
        for seed in (dead, living)
    ]
    records = train(specs, data)
    assert list(records.runs["status"]) == ["ok", "ok"]
    assert records.runs["late_loss"][0] == records.runs["null_loss"][0] == 0.5
    assert list(records.runs["stable"]) == [False, True]


def test_stable_looks_at_the_mean_of_the_last_tenth():
    data = problems.dataset()
    spec = problems.run(steps=30, learning_rate=0.2)
    records = train([spec], data)
    losses, _, _, _ = problems.slow_training(spec, data)
    late = np.mean(losses[27:])  # the last 3 of 30 steps, and the final state
    assert records.runs["late_loss"][0] == pytest.approx(late, rel=problems.EXACT)
    null = (data.targets["train"] ** 2).sum() / (2 * len(data.targets["train"]))
    assert records.runs["null_loss"][0] == pytest.approx(null)
    assert records.runs["stable"][0] == (late < 0.95 * null)
