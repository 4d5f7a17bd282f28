"""Schedules and gradient scalings: values by hand, and what they promise of a training run."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
from nup.errors import UserError
from nup.specs import ScheduleSpec
from nup.study import quick_run
from nup.training import schedules
from nup.training.loop import train
from nup.training.observables import cadences
from nup.training.scalings import SCALINGS
from nup.training.schedules import SCHEDULES, Moment


def rates(name, steps, learning_rate=(2.0,), **options):
    """η_0 … η_{steps−1} of every member, by the rule alone. [steps, E]"""
    eta = torch.tensor(learning_rate)
    defaults = schedules.member_options([ScheduleSpec(name, options)])
    tensors = {option: torch.tensor(values) for option, values in defaults.items()}
    rule = SCHEDULES[name].rule
    return torch.stack([rule(Moment(t, steps, eta, tensors)) for t in range(steps)])


# -- values by hand --------------------------------------------------------------------------------


def test_constant():
    assert rates("constant", 3, (2.0, 3.0)).tolist() == [[2, 3]] * 3


def test_warmup_rises_over_its_fraction():
    by_hand = [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert rates("warmup", 8, fraction=0.5).squeeze(1).tolist() == pytest.approx(by_hand)
    assert rates("warmup", 4, fraction=0.0).squeeze(1).tolist() == [2.0] * 4
    # The default is a tenth of the steps.
    assert rates("warmup", 20).squeeze(1).tolist() == pytest.approx([1.0] + [2.0] * 19)


def test_cosine_falls_to_its_final_share():
    half = math.sqrt(0.5)
    by_hand = [2.0, 1 + half, 1.0, 1 - half, 0.0]
    assert rates("cosine", 5).squeeze(1).tolist() == pytest.approx(by_hand, abs=1e-6)
    by_hand = [0.5 + 0.75 * value for value in by_hand]
    assert rates("cosine", 5, final=0.25).squeeze(1).tolist() == pytest.approx(by_hand)


def test_cosine_after_a_warmup():
    rising = [1.0, 2.0]
    falling = [1 + math.cos(math.pi * t / 2) for t in (1, 2)]
    found = rates("cosine", 4, warmup=0.5).squeeze(1).tolist()
    assert found == pytest.approx(rising + falling, abs=1e-6)


def test_sharpness_and_taylor_by_hand():
    eta = torch.tensor([math.nan, math.nan])
    c = {"c": torch.tensor([2.0, 3.0])}
    found = schedules.SCHEDULES["sharpness"].rule(
        Moment(0, 1, eta, c, sharpness=torch.tensor([4.0, 0.5]))
    )
    assert found.tolist() == [0.5, 6.0]
    # L = L_0 + T1 η + T2 η² is least at −T1/(2 T2); where T2 ≤ 0 a stand-in takes its place.
    coefficients = (torch.tensor([-3.0, -3.0]), torch.tensor([0.5, -0.5]), torch.tensor([9.0, 1.5]))
    taylor = schedules.SCHEDULES["taylor"].rule
    first = Moment(0, 2, eta, c, taylor=coefficients)
    assert taylor(first).tolist() == [6.0, 3.0]
    later = replace(first, step=1, previous=torch.tensor([0.1, 0.2]))
    assert taylor(later).tolist() == [6.0, pytest.approx(0.2)]


def test_polyak_by_hand():
    moment = Moment(0, 1, torch.tensor([math.nan] * 2), {"c": torch.tensor([0.5, 2.0])})
    moment.loss, moment.slope = torch.tensor([3.0, 3.0]), torch.tensor([4.0, 0.5])
    assert SCHEDULES["polyak"].rule(moment).tolist() == [0.75, 24.0]


@pytest.mark.parametrize("name", ["mup", "nup", "ntp"])
@pytest.mark.parametrize("phi", ["abs", "relu"])
def test_depthwise_scales_start_at_one_on_the_edge_of_chaos(name, phi):
    """F and B are 1 in the limit of width; at width m they deviate like m^{-1/2}."""
    data = problems.dataset(d_in=16, d_out=10, train=20)
    schedule = ScheduleSpec("constant", {}, "depthwise")
    once = cadences(steps=1, curvature=0, taylor=0, layers=1, probe=1, features=0)
    deviations = []
    for width in (16, 256):
        specs = [
            problems.run(
                parameterization=name,
                options={"r": 1.0} if name == "nup" else {},
                activation=phi,
                schedule=schedule,
                width=width,
                depth=4,
                steps=1,
                seed=seed,
                record=once,
            )
            for seed in range(6)
        ]
        layers = train(specs, data).layers
        scales = layers["gradient_scale"][layers["step"] == 0].reshape(len(specs), 4)
        deviations.append(np.sqrt(np.mean(np.log(scales) ** 2)))
    assert deviations[1] < 0.2
    assert deviations[0] > 2 * deviations[1]


# -- promises --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", ["none", "depthwise"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_sharpness_holds_the_edge_at_c(loss, scaling):
    data = problems.dataset("classes")
    specs = [
        problems.run(
            schedule=ScheduleSpec("sharpness", {"c": c}, scaling),
            learning_rate=None,
            loss=loss,
            steps=12,
        )
        for c in (0.5, 2.0, 2.5)
    ]
    records = train(specs, data)
    for spec in specs:
        steps = problems.rows(records.steps, spec)
        c = spec.schedule.options["c"]
        np.testing.assert_allclose(steps["edge"][:-1], c, rtol=1e-6)
        product = steps["learning_rate"][:-1] * steps["sharpness"][:-1]
        np.testing.assert_allclose(product, c, rtol=1e-6)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("scaling", ["none", "depthwise", "equal"])
@pytest.mark.parametrize("phi", ["linear", "abs"])
def test_polyak_is_c_over_the_sharpness_where_one_mode_holds_the_residual(phi, scaling, compiled):
    """One sample with one output has one mode."""
    spec = problems.polyak(1.7, scaling, parameterization="nup", activation=phi, depth=4, steps=12)
    steps = train([spec], problems.one_sample(d_in=3, target=1.0), compiled=compiled).steps
    np.testing.assert_allclose(steps["edge"][:-1], 1.7, rtol=2e-6)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_polyak_is_beyond_c_where_many_modes_do(batch_size):
    """−dL/dη = 2L·⟨r, M r⟩/‖r‖² is at most 2Lλ, on the samples of the step."""
    spec = problems.polyak(0.5, steps=10, batch_size=batch_size)
    steps = train([spec], problems.dataset()).steps
    rate, loss, slope = (steps[name][:-1] for name in ("learning_rate", "loss", "taylor_1"))
    np.testing.assert_allclose(rate, 0.5 * 2 * loss / -slope, rtol=2e-6)
    if batch_size is None:
        assert (steps["edge"][:-1] > 0.5).all()


def test_polyak_is_refused_for_another_loss():
    message = (
        "schedule 'polyak' is defined for loss mse alone, got 'cross_entropy': "
        "choose another schedule, such as sharpness or taylor, or that loss"
    )
    with pytest.raises(UserError) as caught:
        schedules.check(ScheduleSpec("polyak", {"c": 1.0}), None, "cross_entropy")
    assert str(caught.value) == message
    with pytest.raises(UserError, match="is defined for loss mse alone"):
        train([problems.polyak(1.0, loss="cross_entropy")], problems.dataset("classes"))
    settings = [("schedule", {"name": "polyak", "c": 1.0}), ("loss", "cross_entropy")]
    with pytest.raises(UserError, match="is defined for loss mse alone"):
        quick_run.runs(settings)


@pytest.mark.parametrize("c", [0.25, 0.5, 1.0])
def test_taylor_is_c_times_the_minimizer_of_the_quadratic_model(c):
    spec = problems.taylor(c, steps=10)
    records = train([spec], problems.dataset())
    first, second = (records.steps[name][:-1] for name in ("taylor_1", "taylor_2"))
    assert (second > 0).all()
    assert records.runs["curvature_fallbacks"] == [0]
    rate = records.steps["learning_rate"][:-1]
    np.testing.assert_allclose(rate, c * -first / (2 * second), rtol=1e-6)
    if c == 1.0:

        def model(eta):
            return first * eta + second * eta**2

        assert (model(rate) < model(0.9 * rate)).all()
        assert (model(rate) < model(1.1 * rate)).all()


def test_taylor_counts_its_fallbacks():
    """Near the saddle at zero of f = ⟨u,v⟩ the loss is concave along its gradient where f has the
    sign of the target: T2 = (1−f)² λ²/2 − (1−f)³ f, here up to positive factors.

    At the first step the linearized network stands in, whose minimizer times c is c/λ.
    """
    data = problems.one_sample(target=1.0)
    spec = problems.taylor(
        0.1,
        parameterization="ntp",
        activation="linear",
        depth=2,
        width=8,
        weight_variance=0.01,
        steps=12,
    )
    specs = [replace(spec, seed=seed) for seed in range(6)]
    records = train(specs, data)
    counts = []
    for each in specs:
        steps = problems.rows(records.steps, each)
        concave = steps["taylor_2"][:-1] <= 0
        row = problems.summary(records, each)
        assert row["curvature_fallbacks"] == concave.sum()
        rate = steps["learning_rate"]
        if concave[0]:
            assert rate[0] == pytest.approx(0.1 / row["initial_sharpness"], rel=1e-6)
        for t in np.flatnonzero(concave[1:]) + 1:
            assert rate[t] == rate[t - 1]
        counts.append(concave.sum())
    assert max(counts) > 1  # both kinds of fallback were met
    assert min(counts) == 0


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "rate", "message"),
    [
        (
            ScheduleSpec("step"),
            0.1,
            "unknown schedule 'step': expected one of constant, cosine, polyak, "
            "sharpness, taylor, warmup",
        ),
        (
            ScheduleSpec("constant", {}, "layerwise"),
            0.1,
            "unknown gradient scaling 'layerwise': expected one of depthwise, equal, "
            "gram, none, per_sample",
        ),
        (
            ScheduleSpec("constant", {"c": 2.0}),
            0.1,
            "unknown option 'c': schedule 'constant' takes no options",
        ),
        (
            ScheduleSpec("cosine", {"c": 2.0}),
            0.1,
            "unknown option 'c': schedule 'cosine' takes warmup, final",
        ),
        (ScheduleSpec("constant"), None, "schedule 'constant' needs a learning rate, got none"),
        (
            ScheduleSpec("sharpness", {"c": 2.0}),
            0.1,
            "schedule 'sharpness' finds its own rate from what it measures: "
            "leave the learning rate out (got 0.1)",
        ),
        (ScheduleSpec("taylor"), None, "schedule 'taylor' needs option 'c': a number > 0"),
        (
            ScheduleSpec("taylor", {"c": 0}),
            None,
            "option 'c' of schedule 'taylor': expected a number > 0, got 0",
        ),
        (
            ScheduleSpec("sharpness", {"c": "2"}),
            None,
            "option 'c' of schedule 'sharpness': expected a number > 0, got '2'",
        ),
        (
            ScheduleSpec("sharpness", {"c": True}),
            None,
            "option 'c' of schedule 'sharpness': expected a number > 0, got True",
        ),
        (
            ScheduleSpec("sharpness", {"c": math.nan}),
            None,
            "option 'c' of schedule 'sharpness': expected a number > 0, got nan",
        ),
        (
            ScheduleSpec("taylor", {"c": math.inf}),
            None,
            "option 'c' of schedule 'taylor': expected a number > 0, got inf",
        ),
        (
            ScheduleSpec("warmup", {"fraction": 1.5}),
            0.1,
            "option 'fraction' of schedule 'warmup': expected a number ≥ 0 and ≤ 1, got 1.5",
        ),
        (ScheduleSpec("constant"), 0.0, "learning rate must be a finite number > 0, got 0.0"),
        (ScheduleSpec("constant"), math.inf, "learning rate must be a finite number > 0, got inf"),
        (ScheduleSpec("constant"), math.nan, "learning rate must be a finite number > 0, got nan"),
    ],
)
def test_errors_say_what_is_allowed(spec, rate, message):
    with pytest.raises(UserError) as caught:
        schedules.check(spec, rate, "mse")
    assert str(caught.value) == message


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_schedule_goes_with_every_scaling(name, scaling):
    requires = SCHEDULES[name].requires
    options = {"c": 2.0} if requires else {}
    schedules.check(ScheduleSpec(name, options, scaling), None if requires else 0.1, "mse")


def test_defaults_fill_in_what_a_member_leaves_out():
    specs = [ScheduleSpec("cosine", {"final": 0.5}), ScheduleSpec("cosine", {"warmup": 0.2})]
    assert schedules.member_options(specs) == {"warmup": [0.0, 0.2], "final": [0.5, 0.0]}
