"""Identity of runs: stable, complete, and equal through JSON."""

import json
from dataclasses import fields, replace

import pytest

import problems
from nup.specs import (
    DataSpec,
    OptimizerSpec,
    RunSpec,
    ScheduleSpec,
    TrialSpec,
    canonical_json,
    digest,
)
from nup.training.observables import cadences

RUN = RunSpec(
    experiment="depth",
    data=DataSpec("digits", n_train=128),
    parameterization="nup",
    depth=4,
    width=16,
    activation="abs",
    schedule=ScheduleSpec("sharpness", {"c": 2.5}, "depthwise"),
    learning_rate=None,
    seed=3,
    steps=100,
    options={"r": 2.0},
)


def test_the_id_of_a_known_run():
    """Whoever changes what a run is, or its defaults, must know that all results get new ids."""
    assert RUN.id == "6dbf3b479c59"


def test_canonical_json_does_not_see_order():
    assert canonical_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"\\u00e9"],"b":1}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len(digest({}, 20)) == 20
    with pytest.raises(ValueError, match="Out of range float values"):
        canonical_json(float("nan"))


def test_round_trip_through_json():
    again = RunSpec.from_dict(json.loads(json.dumps(RUN.to_dict())))
    assert again == RUN
    assert again.id == RUN.id
    assert again.stack_key == RUN.stack_key


CHANGES = {
    "experiment": "width",
    "data": DataSpec("digits", n_train=128, seed=1),  # another split
    "parameterization": "mup",
    "depth": 5,
    "width": 17,
    "activation": "relu",
    "schedule": ScheduleSpec("taylor", {"c": 2.5}, "depthwise"),
    "learning_rate": 0.1,
    "seed": 4,
    "steps": 101,
    "options": {"r": 1.0},
    "base_width": 16,
    "matched_to": "nup(r=2)",
    "weight_variance": 1.25,
    "loss": "cross_entropy",
    "batch_size": 32,
    "dtype": "float64",
    "record": cadences(steps=2),
    "optimizer": OptimizerSpec("adamw", {"beta1": 0.8}),
    "plugins": {"schedule mine": "0123456789ab"},
    "edge": 2.0,
    "trial": TrialSpec((0.5, 1.0), 1),
}
STACKS = {"learning_rate", "edge", "trial", "seed", "data"}


def test_every_field_is_tried():
    assert set(CHANGES) == {each.name for each in fields(RunSpec)}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_is_part_of_the_id(name):
    changed = replace(RUN, **{name: CHANGES[name]})
    assert changed.id != RUN.id
    assert (changed.stack_key == RUN.stack_key) == (name in STACKS)


def test_options_of_the_schedule_may_differ_within_a_stack():
    changed = replace(RUN, schedule=replace(RUN.schedule, options={"c": 3.0}))
    assert changed.stack_key == RUN.stack_key
    assert changed.id != RUN.id
    unscaled = replace(RUN, schedule=replace(RUN.schedule, gradient_scaling="none"))
    assert unscaled.stack_key != RUN.stack_key


def test_specifications_are_frozen():
    with pytest.raises(AttributeError):
        problems.run().seed = 1
