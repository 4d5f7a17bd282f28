"""Registries: equal meaning gives equal options, ids and labels; mistakes are named."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nup.errors import UserError
from nup.networks.parameterization import PARAMETERIZATIONS, register
from nup.registry import Entry, Option, Registry
from nup.specs import ScheduleSpec
from nup.study import grid
from nup.study.models import Study
from nup.training import schedules
from nup.training.schedules import SCHEDULES

NUMBERS = st.one_of(
    st.integers(0, 4), st.sampled_from([0.0, -0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 1 / 3, 1e-3])
)


@pytest.fixture(scope="module", autouse=True)
def _parameterization_with_options():
    """An own parameterization; those of hypothesis' examples outlive a function's fixtures."""
    before = {name: PARAMETERIZATIONS[name] for name in PARAMETERIZATIONS}

    @register(alpha=Option(0.5, low=0.0), whole=Option(1, int, low=0), on=Option(False, bool))
    def tilted(depth, width, d_in, d_out, alpha, whole, on):
        return PARAMETERIZATIONS["mup"].rule(depth, width, d_in, d_out)

    yield
    PARAMETERIZATIONS._entries = before


def runs(net, schedule, rate=0.5):
    settings = {
        "data": "digits",
        "parameterization": net,
        "depth": 2,
        "width": 4,
        "steps": 3,
        "schedule": schedule,
        "learning_rate": rate,
    }
    study = Study.model_validate({"study": "s", "experiments": {"e": settings}})
    return list(grid.runs(study).values())


def given_or_left_out(**options):
    return st.fixed_dictionaries({}, optional=options)


COSINE = given_or_left_out(
    warmup=NUMBERS.filter(lambda x: x <= 1), final=NUMBERS.filter(lambda x: x <= 1)
)
TILTED = given_or_left_out(alpha=NUMBERS, whole=st.integers(0, 3), on=st.booleans())


def means(registry, name, options):
    """What options mean: as numbers, with defaults."""
    defaults = {key: option.default for key, option in registry[name].options.items()}
    return {key: float(value) for key, value in {**defaults, **options}.items()}


@given(COSINE, COSINE)
def test_schedules_of_equal_meaning_are_one_run(left, right):
    (one,), (other,) = (runs("mup", {"name": "cosine", **options}) for options in (left, right))
    same = means(SCHEDULES, "cosine", left) == means(SCHEDULES, "cosine", right)
    assert (one.id == other.id) == same
    assert (schedules.label(one.schedule) == schedules.label(other.schedule)) == same


@given(TILTED, TILTED)
def test_nets_of_equal_meaning_are_one_run(left, right):
    (one,), (other,) = (
        runs({"name": "tilted", **options}, "constant") for options in (left, right)
    )
    same = means(PARAMETERIZATIONS, "tilted", left) == means(PARAMETERIZATIONS, "tilted", right)
    assert (one.id == other.id) == same
    labels = [PARAMETERIZATIONS.label("tilted", each.options) for each in (one, other)]
    assert (labels[0] == labels[1]) == same


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        (ScheduleSpec(), "constant"),
        (ScheduleSpec("sharpness", {"c": 2.5}), "sharpness(c=2.5)"),
        (ScheduleSpec("constant", {}, "depthwise"), "constant+depthwise"),
        (ScheduleSpec("warmup"), "warmup"),
        (ScheduleSpec("warmup", {"fraction": 0.1}), "warmup"),
        (ScheduleSpec("cosine", {"warmup": 0.3}), "cosine(warmup=0.3)"),
        (ScheduleSpec("cosine", {"final": 0.3}), "cosine(final=0.3)"),
        (ScheduleSpec("taylor", {"c": 2}, "depthwise"), "taylor(c=2)+depthwise"),
    ],
)
def test_labels_of_schedules(spec, label):
    assert schedules.label(spec) == label


def test_labels_of_nets():
    label = PARAMETERIZATIONS.label
    assert label("nup", {}) == label("nup", {"r": 2}) == "nup(r=2)"
    assert label("nup", {"r": 0.5}) == "nup(r=0.5)"
    assert label("mup", {}) == label("mup", {}) == "mup"
    assert label("tilted", {"on": True, "alpha": 0.5}) == "tilted(on=true)"
    # Two numbers that %g would not tell apart.
    assert label("nup", {"r": 1.0000001}) != label("nup", {"r": 1.00000011})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (Option(1.0), "2", "expected a finite number, got '2'"),
        (Option(1.0), True, "expected a finite number, got True"),
        (Option(1.0), math.nan, "expected a finite number, got nan"),
        (Option(1.0), 10**400, "expected a finite number, got 1"),
        (Option(1.0, above=0.0, below=1.0), 1.0, "expected a number > 0 and < 1, got 1.0"),
        (Option(1, int, low=1), 2.0, "expected a whole number ≥ 1, got 2.0"),
        (Option(True, bool), 1, "expected true or false, got 1"),
        (Option("a", str, choices=("a", "b")), "c", "expected one of a, b, got 'c'"),
        (Option("a", str), 3, "expected a text, got 3"),
    ],
)
def test_values_out_of_range_are_refused(option, value, message):
    with pytest.raises(UserError) as caught:
        option.checked(value, "option 'x'")
    assert str(caught.value).startswith(f"option 'x': {message}")


def test_a_name_is_registered_once():
    registry = Registry("colour")
    registry.add(Entry("red", module="one"))
    registry.add(Entry("red", module="one"))  # a module that is imported again
    with pytest.raises(UserError, match="colour 'red' is registered already, by one; choose"):
        registry.add(Entry("red", module="two"))
    with pytest.raises(UserError, match="unknown colour 'blue': expected one of red"):
        registry["blue"]
    assert "blue" not in registry
    assert list(registry) == ["red"]
