"""Activations against their definition, by Gauss–Hermite quadrature."""

import numpy as np
import pytest

from nup.errors import UserError
from nup.networks.activations import activation


@pytest.mark.parametrize("name", ["abs", "relu", "linear", "(1,2)", "(-1, 0.5)", "(1,-1)"])
def test_unit_second_moment(name):
    phi = activation(name)
    # E φ(Z)² over both half lines, each with mean square ½.
    assert (phi.positive_slope**2 + phi.negative_slope**2) / 2 == pytest.approx(1)


def test_named_constants():
    assert (activation("abs").delta_phi, activation("abs").kappa_phi) == (1, 1)
    assert activation("relu").delta_phi == pytest.approx(1 / 2)
    assert activation("relu").kappa_phi == pytest.approx(2**0.5)
    assert activation("linear").delta_phi == 0
    assert (activation("abs").positive_slope, activation("abs").negative_slope) == (1, -1)
    assert activation("relu").positive_slope == pytest.approx(2**0.5)
    assert activation("relu").negative_slope == 0


def test_pair_and_text_are_the_same():
    assert activation((1, 2)) == activation("(1, 2)")
    assert activation("(1, 2)").name == "(1,2)"


@pytest.mark.parametrize("bad", ["gelu", "(0,0)", "(1,x)", "(1,2,3)", "(nan,1)", (1, 2, 3)])
def test_errors_say_what_is_allowed(bad):
    with pytest.raises(UserError, match="expected one of abs, linear, relu, or a pair"):
        activation(bad)


def test_slopes_are_the_derivative():
    phi = activation("(1,2)")
    s = np.array([-1.5, 0.7])
    values = (phi.a * s + phi.b * np.abs(s)) / phi.norm
    slopes = np.where(s > 0, phi.positive_slope, phi.negative_slope)
    np.testing.assert_allclose(values, slopes * s)
