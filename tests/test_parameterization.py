"""Parameterizations against values derived by hand, and their errors."""

import math

import pytest

import nup
from nup.errors import UserError
from nup.networks.parameterization import PARAMETERIZATIONS, matched_width, parameterization

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
        "nup_last_width",
        {},
        (8, 4, 16, 36, 2),
        1 / 6,
        (36 / 8, 36 / 4, 36 / 16, 1),
        (0, 0, 0, 0),
        (1, 1, 1, 1),
    ),
    (
        "nup_kernel_scale",
        {"r": 1},
        (8, 4, 8, 12, 2),
        1,
        (1 / 8, 1 / 4, 1 / 8, 1 / 12),
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


@pytest.mark.parametrize("depth", [2, 5])
def test_nup_with_exponent_zero_is_mup(depth):
    shape = {"depth": depth, "width": 6, "d_in": 3, "d_out": 2}
    nup0, mup = parameterization("nup", r=0, **shape), parameterization("mup", **shape)
    assert (nup0.widths, nup0.output_multiplier, nup0.lr_factors) == (
        mup.widths,
        mup.output_multiplier,
        mup.lr_factors,
    )


@pytest.mark.parametrize("name", ["nup_last_width", "nup_kernel_scale"])
def test_readings_of_the_update_have_the_ntk_of_nup_at_initialization(name):
    """The NTK weighs layer k by γ² c_k, and the widths are the same."""
    shape = {"depth": 5, "width": 6, "d_in": 3, "d_out": 2, "r": 1.5}
    net, nup = parameterization(name, **shape), parameterization("nup", **shape)
    assert net.widths == nup.widths
    weights = [
        [each.output_multiplier**2 * factor for factor in each.lr_factors] for each in (net, nup)
    ]
    assert weights[0] == pytest.approx(weights[1])


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
        ({"s": 2}, "unknown option 's': parameterization 'nup' takes r"),
        ({"name": "mup", "r": 2}, "unknown option 'r': parameterization 'mup' takes no options"),
        ({"r": -1}, "option 'r' of parameterization 'nup': expected a number ≥ 0, got -1"),
        ({"r": math.inf}, "option 'r' of parameterization 'nup': expected a number ≥ 0, got inf"),
        (
            {"name": "nup_last_width", "r": -1},
            "option 'r' of parameterization 'nup_last_width': expected a number",
        ),
    ],
)
def test_errors_say_what_is_allowed(arguments, message):
    values = {"name": "nup", "depth": 3, "width": 4, "d_in": 2, "d_out": 1, **arguments}
    with pytest.raises(UserError) as caught:
        parameterization(values.pop("name"), **values)
    assert str(caught.value).startswith(message)
