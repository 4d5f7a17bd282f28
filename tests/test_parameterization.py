"""Parameterizations against values derived by hand, and their errors."""

import math
from dataclasses import replace
from itertools import product

import pytest

import nup
import problems
from nup.errors import UserError
from nup.networks.parameterization import (
    PARAMETERIZATIONS,
    matched_width,
    net_of,
    parameterization,
)
from nup.phases.runs import run as phase_run
from nup.specs import InitSpec, PhaseSpec

# name, options, widths, γ, c_k, s_k and β_k for l = 4, m = 4, m_0 = 8, m_l = 2.
HAND_DERIVED = [
    ("sp", {}, (8, 4, 4, 4, 2), 1, (1, 1, 1, 1), (0, 0, 0, 0), (1, 1, 1, 1)),
    ("ntp", {}, (8, 4, 4, 4, 2), 1, (1 / 8, 1 / 4, 1 / 4, 1 / 4), (0, 0, 0, 0), (1, 1, 1, 1)),
    ("mup", {}, (8, 4, 4, 4, 2), 1 / 2, (1 / 2, 1, 1, 1), (0, 0, 0, 0), (1, 1, 1, 1)),
    (
        "mup_inverse_depth",
        {},
        (8, 4, 4, 4, 2),
        1 / 2,
        (1 / 8, 1 / 4, 1 / 4, 1 / 4),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    ("mup_residual", {}, (8, 4, 4, 4, 2), 1 / 2, (1 / 2, 1, 1, 1), (0, 1, 1, 0), (1, 0.5, 0.5, 1)),
    ("nup", {}, (8, 4, 16, 36, 2), 1 / 2, (1 / 2, 1, 1 / 4, 1 / 9), (0, 0, 0, 0), (1, 1, 1, 1)),
    (
        "nup",
        {"r": 1},
        (8, 4, 8, 12, 2),
        1 / 2,
        (1 / 2, 1, 1 / 2, 1 / 3),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    (
        "nup",
        {"scale": "last"},
        (8, 4, 16, 36, 2),
        1 / 6,
        (36 / 8, 36 / 4, 36 / 16, 1),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    (
        "nup",
        {"r": 1, "scale": "kernel"},
        (8, 4, 8, 12, 2),
        1,
        (1 / 8, 1 / 4, 1 / 8, 1 / 12),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    # The fair control: own width 4 matches a net of base width 9.
    (
        "nup",
        {"r": 0, "base_width": 9},
        (8, 4, 4, 4, 2),
        1 / 3,
        (9 / 8, 9 / 4, 9 / 4, 9 / 4),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    (
        "nup",
        {"r": 0, "scale": "own", "base_width": 9},
        (8, 4, 4, 4, 2),
        1 / 2,
        (1 / 2, 1, 1, 1),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    # M·m/(m_{k-1} m_k) with 4·4² for the output size 2; M = 9, m = 4.
    (
        "nup",
        {"normalize": "both", "base_width": 9},
        (8, 4, 16, 36, 2),
        1 / 3,
        (9 / 8, 9 / 4 / 4, 9 / 16 / 9, 9 / 36 / 16),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    (
        "nup",
        {"normalize": "both", "scale": "kernel", "r": 1},
        (8, 4, 8, 12, 2),
        1,
        (1 / 8, 1 / 4 / 2, 1 / 8 / 3, 1 / 12 / 4),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
]


@pytest.mark.parametrize(
    ("name", "options", "widths", "gamma", "factors", "skip", "branches"), HAND_DERIVED
)
def test_hand_derived_values(name, options, widths, gamma, factors, skip, branches):
    resolved = nup.parameterization(name, depth=4, width=4, d_in=8, d_out=2, **options)
    assert resolved.widths == widths
    assert resolved.output_multiplier == pytest.approx(gamma)
    assert resolved.lr_factors == pytest.approx(factors)
    assert resolved.skip == skip
    assert resolved.branch_multipliers == pytest.approx(branches)


def test_every_registered_name_has_a_row():
    assert set(PARAMETERIZATIONS) == {row[0] for row in HAND_DERIVED}


def numbers(net):
    return net.widths, net.output_multiplier, net.lr_factors, net.skip, net.branch_multipliers


@pytest.mark.parametrize("normalize", ["input", "both"])
@pytest.mark.parametrize(
    ("scale", "base_width", "known"), [("own", 9, "mup"), ("base", 6, "mup"), ("kernel", 9, "ntp")]
)
@pytest.mark.parametrize("depth", [2, 5])
def test_constant_widths_are_known_parameterizations(depth, scale, base_width, known, normalize):
    """Exactly, in every number; of constant widths both norms are one."""
    shape = {"depth": depth, "width": 6, "d_in": 3, "d_out": 2, "base_width": base_width}
    net = parameterization("nup", r=0, scale=scale, normalize=normalize, **shape)
    assert numbers(net) == numbers(parameterization(known, **shape))


@pytest.mark.parametrize("normalize", ["input", "both"])
def test_the_scale_and_the_base_width_leave_the_ntk_at_initialization(normalize):
    """The NTK weighs layer k by γ² c_k, and the widths are the same."""
    shape = {"depth": 5, "width": 6, "d_in": 3, "d_out": 2, "r": 1.5, "normalize": normalize}
    plain = parameterization("nup", **shape)
    for scale, base_width in product(("base", "kernel", "last", "own"), (6, 11)):
        net = parameterization("nup", scale=scale, base_width=base_width, **shape)
        assert net.widths == plain.widths
        weights = [
            [each.output_multiplier**2 * c for c in each.lr_factors] for each in (net, plain)
        ]
        assert weights[0] == pytest.approx(weights[1], rel=1e-14)


def test_labels_name_what_is_no_default():
    shape = {"depth": 3, "width": 4, "d_in": 3, "d_out": 2}
    labels = [
        parameterization("nup", **shape, **options).label
        for options in (
            {},
            {"r": 0.5, "scale": "base", "normalize": "input", "base_width": 9},
            {"scale": "kernel"},
            {"normalize": "both"},
            {"normalize": "both", "scale": "own"},
        )
    ]
    assert labels == [
        "nup(r=2)",
        "nup(r=0.5)",
        "nup(r=2,scale=kernel)",
        "nup(normalize=both,r=2)",
        "nup(normalize=both,r=2,scale=own)",
    ]


def test_a_specification_hands_on_its_base_width():
    """In every kind of specification; 0 is the net's own width."""
    matched = problems.run(
        parameterization="nup", options={"r": 0.0}, width=9, base_width=4, matched_to="nup(r=2)"
    )
    assert net_of(matched, 3, 2).output_multiplier == 1 / 2
    assert net_of(replace(matched, base_width=0), 3, 2).output_multiplier == 1 / 3
    shared = {
        name: getattr(matched, name)
        for name in (
            "experiment",
            "data",
            "parameterization",
            "options",
            "depth",
            "width",
            "base_width",
            "activation",
            "seed",
        )
    }
    initial = InitSpec(**shared, weight_variance=1.0)
    phase = PhaseSpec(**shared, matched_to="nup(r=2)")
    for spec in (initial, phase_run(phase, "whole")):
        assert net_of(spec, 3, 2).output_multiplier == 1 / 2


@pytest.mark.parametrize("depth", [2, 3, 6, 8])
@pytest.mark.parametrize(
    ("name", "options"),
    [("mup", {}), ("mup_residual", {}), ("nup", {"r": 1}), ("nup", {"r": 3})],
)
def test_matched_width_is_the_nearest(depth, name, options):
    target = parameterization("nup", depth=depth, width=8, d_in=64, d_out=10, r=2)
    width = matched_width(target, name, **options)

    def distance(candidate):
        shape = parameterization(name, depth=depth, width=candidate, d_in=64, d_out=10, **options)
        return abs(shape.n_parameters - target.n_parameters)

    assert distance(width) == min(map(distance, range(max(1, width - 3), width + 4)))
    if depth == 2:
        assert width == 8  # the pattern m·k² starts with m, so there is nothing to match


def test_matched_width_stays_at_least_one():
    target = parameterization("nup", depth=2, width=1, d_in=1, d_out=1, r=0)
    assert matched_width(target, "mup") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "xup"},
            "unknown parameterization 'xup': expected one of mup, mup_inverse_depth, mup_residual",
        ),
        ({"depth": 1}, "depth must be a whole number ≥ 2, got 1"),
        ({"depth": 2.0}, "depth must be a whole number ≥ 2, got 2.0"),
        ({"width": 0}, "width must be a whole number ≥ 1, got 0"),
        ({"d_out": 0}, "d_out must be a whole number ≥ 1, got 0"),
        ({"s": 2}, "unknown option 's': parameterization 'nup' takes r, scale, normalize"),
        ({"base_width": 0}, "base_width must be a whole number ≥ 1, got 0"),
        (
            {"scale": "mean"},
            "option 'scale' of parameterization 'nup': expected one of base, kernel, last, own, "
            "got 'mean'",
        ),
        ({"name": "mup", "r": 2}, "unknown option 'r': parameterization 'mup' takes no options"),
        ({"r": -1}, "option 'r' of parameterization 'nup': expected a number ≥ 0, got -1"),
        ({"r": math.inf}, "option 'r' of parameterization 'nup': expected a number ≥ 0, got inf"),
    ],
)
def test_errors_say_what_is_allowed(arguments, message):
    values = {"name": "nup", "depth": 3, "width": 4, "d_in": 2, "d_out": 1, **arguments}
    with pytest.raises(UserError) as caught:
        parameterization(values.pop("name"), **values)
    assert str(caught.value).startswith(message)
