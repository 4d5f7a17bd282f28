"""AdamW against ``torch.optim.AdamW`` in float64; what an optimizer does not go with."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import problems
import references
from nup.errors import UserError
from nup.networks.activations import activation
from nup.networks.mlp import generator, initial_weights
from nup.specs import OptimizerSpec, ScheduleSpec
from nup.training import optimizers
from nup.training.loop import train
from nup.training.observables import cadences
from nup.training.optimizers import OPTIMIZERS

#: Everything but λ_t, which is not that of AdamW's update.
RECORD = problems.EVERY_STEP | {"curvature": 0}
#: Far from the defaults, so that each option matters within a few steps.
OPTIONS = {"beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.3}


def adamw(**changes):
    """A small run with AdamW."""
    options = changes.pop("options", OPTIONS)
    plain = {"parameterization": "sp", "record": RECORD, "learning_rate": 0.03}
    return problems.run(optimizer=optimizers.resolve("adamw", options), **plain | changes)


def reference(leaves: Sequence[Tensor], rate: float, options) -> torch.optim.Optimizer:
    """The package's optimizer with our options."""
    return torch.optim.AdamW(
        leaves,
        lr=rate,
        betas=(options["beta1"], options["beta2"]),
        eps=options["eps"],
        weight_decay=options["weight_decay"],
    )


def slow_training(
    spec, data, batches: Callable[[int], Tensor], rates: Callable[[int], float]
) -> tuple[list[float], list[list[Tensor]]]:
    """Losses of each step's batch and θ_0 … θ_T by autograd and ``torch.optim.AdamW``."""
    shape, phi = problems.shape_of(spec, data), activation(spec.activation)
    start = initial_weights(shape, [spec.seed], dtype=torch.float64)
    leaves = [weight[0].clone().requires_grad_() for weight in start]
    step_rule = reference(leaves, rates(0), spec.optimizer.options)
    inputs, targets = problems.training_split(spec, data)
    losses, states = [], [[leaf.detach().clone() for leaf in leaves]]
    for step in range(spec.steps):
        chosen = batches(step)
        outputs, _ = references.forward(leaves, inputs[chosen], shape, phi)
        value = references.loss(outputs, targets[chosen], spec.loss)
        step_rule.zero_grad()
        value.backward()
        step_rule.param_groups[0]["lr"] = rates(step)
        step_rule.step()
        losses.append(float(value.detach()))
        states.append([leaf.detach().clone() for leaf in leaves])
    outputs, _ = references.forward(states[-1], inputs, shape, phi)
    return [*losses, float(references.loss(outputs, targets, spec.loss))], states


def assert_same_training(spec, data, batches, rates=None):
    """Both backends' summary to 1e-10; every step to the precision in which steps are stored."""
    slow = slow_training(spec, data, batches, rates or (lambda step: spec.learning_rate))
    for compiled in (True, False):
        records = train([replace(spec, seed=spec.seed + 1), spec], data, compiled=compiled)
        assert records.runs["backend"][0] == ("numba" if compiled else "torch")
        assert_records(records, spec, *slow)


def assert_records(records, spec, losses, states):
    """The records of a run are those of the losses and states of slow training."""
    row, steps = problems.summary(records, spec), problems.rows(records.steps, spec)
    assert row["final_loss"] == pytest.approx(losses[-1], rel=1e-10)
    assert row["max_loss"] == pytest.approx(max(losses), rel=1e-10)
    assert row["min_loss"] == pytest.approx(min(losses), rel=1e-10)
    np.testing.assert_allclose(steps["loss"], losses, rtol=problems.STORED)
    moved = [references.flat(state) - references.flat(states[0]) for state in states]
    distances = [float(each.norm()) for each in moved]
    np.testing.assert_allclose(steps["displacement"], distances, rtol=problems.STORED)
    updates = [after - before for before, after in pairwise(moved)]
    cosines = [references.cosine(*each) for each in zip(updates[1:], moved[1:], strict=False)]
    np.testing.assert_allclose(steps["cosine"][1:-1], cosines, atol=problems.STORED)


# -- the same trajectory ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [OPTIONS, {}, {"weight_decay": 0.0}], ids=str)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_full_batches(loss, options):
    data = problems.dataset("classes")
    spec = adamw(loss=loss, activation="relu", options=options, steps=30)
    assert_same_training(spec, data, lambda step: slice(None))


def test_minibatches():
    data = problems.dataset("classes")
    spec = adamw(batch_size=2, seed=5, steps=30)
    source, dealt = generator(spec.seed, "batches"), []
    while len(dealt) < spec.steps:
        dealt += torch.randperm(6, generator=source).split(2)
    assert_same_training(spec, data, dealt.__getitem__)


def test_a_schedule_multiplies_the_whole_step():
    """Decay included, as in the package."""
    spec = adamw(schedule=ScheduleSpec("cosine", {"final": 0.5}), steps=20)

    def rate(step):
        return spec.learning_rate * (0.5 + (1 + math.cos(math.pi * step / 19)) / 4)

    assert_same_training(spec, problems.dataset(), lambda step: slice(None), rate)


def test_the_stack_is_the_package_member_by_member_also_after_some_left():
    source = torch.Generator().manual_seed(0)
    shapes = [(3, 4, 2), (3, 2, 4)]
    weights = [torch.randn(shape, generator=source, dtype=torch.float64) for shape in shapes]
    leaves = [[weight[e].clone().requires_grad_() for weight in weights] for e in range(3)]
    rules = [reference(each, 0.1, OPTIONS) for each in leaves]
    spec, members = adamw(), torch.arange(3)
    flat = torch.cat([weight.flatten(1) for weight in weights], 1)
    moments, rule = (torch.zeros_like(flat), torch.zeros_like(flat)), OPTIMIZERS["adamw"].rule
    for step in range(12):
        if step == 5:
            kept = torch.tensor([0, 2])
            members, flat, *moments = (each[kept] for each in (members, flat, *moments))
        drawn = [torch.randn(shape, generator=source, dtype=torch.float64) for shape in shapes]
        gradients = [gradient[members] for gradient in drawn]
        for place, member in enumerate(members.tolist()):
            for leaf, gradient in zip(leaves[member], gradients, strict=True):
                leaf.grad = gradient[place].clone()
            rules[member].step()
        update = torch.cat([gradient.flatten(1) for gradient in gradients], 1)
        direction, moments = rule(flat, update, tuple(moments), step, spec.optimizer.options)
        flat = flat - 0.1 * direction
    for place, member in enumerate(members.tolist()):
        expected = references.flat([leaf.detach() for leaf in leaves[member]])
        torch.testing.assert_close(flat[place], expected, rtol=1e-12, atol=1e-12)


def test_runs_with_company_that_diverges_are_as_if_alone():
    options = {"weight_decay": 1.0}
    specs = [adamw(learning_rate=rate, options=options, steps=20) for rate in (0.02, 1e4, 0.05)]
    data = problems.dataset()
    together = train(specs, data)
    assert list(together.runs["status"]) == ["ok", "diverged", "ok"]
    for spec in specs:
        problems.assert_as_if_alone(together, spec, train([spec], data))


def test_gradient_descent_is_the_default_and_changes_nothing():
    named = problems.run(optimizer=optimizers.resolve("sgd", {}))
    assert named == problems.run()
    update = torch.ones(1, 4)
    assert OPTIMIZERS["sgd"].rule(update, update, (), 0, {}) == (update, ())


# -- names, options and what does not go together --------------------------------------------------


def test_options_are_resolved_and_labels_name_what_is_no_default():
    defaults = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}
    assert list(OPTIMIZERS) == ["adamw", "sgd"]
    plain = optimizers.resolve("adamw", {})
    assert plain == OptimizerSpec("adamw", defaults)
    assert optimizers.resolve("adamw", {"weight_decay": 1}).options == {
        **defaults,
        "weight_decay": 1.0,
    }
    assert optimizers.label(plain) == "adamw"
    assert optimizers.label(OptimizerSpec()) == "sgd"
    changed = optimizers.resolve("adamw", {"weight_decay": 0, "beta2": 0.95})
    assert optimizers.label(changed) == "adamw(beta2=0.95,weight_decay=0)"
    # The package's own defaults.
    theirs = torch.optim.AdamW([torch.zeros(1)]).defaults
    assert (theirs["betas"], theirs["eps"], theirs["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.01)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adam", {}, "unknown optimizer 'adam': expected one of adamw, sgd"),
        ("sgd", {"beta1": 0.9}, "unknown option 'beta1': optimizer 'sgd' takes no options"),
        ("adamw", {"momentum": 0.9}, "unknown option 'momentum': optimizer 'adamw' takes beta1, b"),
        (
            "adamw",
            {"beta1": 1.0},
            "option 'beta1' of optimizer 'adamw': expected a number ≥ 0 and <",
        ),
        ("adamw", {"beta2": -0.1}, "expected a number ≥ 0 and < 1, got -0.1"),
        ("adamw", {"eps": 0}, "option 'eps' of optimizer 'adamw': expected a number > 0, got 0"),
        ("adamw", {"eps": "1e-8"}, "expected a number > 0, got '1e-8'"),
        ("adamw", {"weight_decay": math.inf}, "expected a number ≥ 0, got inf"),
        ("adamw", {"weight_decay": math.nan}, "expected a number ≥ 0, got nan"),
        ("adamw", {"weight_decay": True}, "expected a number ≥ 0, got True"),
    ],
)
def test_errors_say_what_is_allowed(name, options, message):
    with pytest.raises(UserError) as caught:
        optimizers.resolve(name, options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameterization": "mup"}, "c_k of parameterization 'mup' would have no effect: use on"),
        ({"parameterization": "ntp"}, "which is 'sp'"),
        (
            {"schedule": ScheduleSpec("constant", {}, "depthwise")},
            "gradient scaling 'depthwise' would have no effect: use 'none', or optimizer 'sgd'",
        ),
        (
            {"schedule": ScheduleSpec("sharpness", {"c": 2.0}), "learning_rate": None},
            "schedule 'sharpness', which measures what gradient descent meets, gives it",
        ),
        (
            {"schedule": ScheduleSpec("taylor", {"c": 2.0}), "learning_rate": None},
            "gives it no rate: use one that is given its rate, or optimizer 'sgd'",
        ),
        ({"record": cadences()}, "λ_t, for which record.curvature asks, is not that of its update"),
        (
            {"record": RECORD | {"hessian": 5}},
            "for which record.hessian asks, is not that of its update: set it to 0 in a grid",
        ),
        ({"optimizer": OptimizerSpec("lion")}, "unknown optimizer 'lion'"),
    ],
)
def test_what_means_nothing_with_adamw_is_refused(changes, message):
    spec = replace(adamw(), **changes)
    with pytest.raises(UserError) as caught:
        train([spec], problems.dataset())
    assert message in str(caught.value)


def test_no_edge_is_recorded_with_adamw():
    records = train([adamw()], problems.dataset())
    for name in ("sharpness", "edge", "hessian_edge"):
        assert np.isnan(records.steps[name]).all()
    assert np.isnan(records.runs["initial_sharpness"]).all()
    # The Taylor coefficients are those along the update that AdamW makes.
    spec = adamw(activation="linear", learning_rate=1e-3, steps=1)
    records = train([spec], problems.dataset())
    series = [float(records.steps[f"taylor_{order}"][0]) for order in (1, 2, 3)]
    predicted = sum(t * spec.learning_rate**order for order, t in enumerate(series, 1))
    change = records.runs["final_loss"][0] - records.runs["initial_loss"][0]
    assert change == pytest.approx(predicted, rel=1e-5)
