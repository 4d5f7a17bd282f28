"""Positively homogeneous activations φ(s) = (a·s + b·|s|)/√(a²+b²), normalized to E φ(Z)² = 1.

Normalization puts the Edge of Chaos at weight variance 1/fan-in for every (a, b) [lit]; the
constants Δ_φ = b²/(a²+b²) and κ_φ = (|a|+|b|)/√(a²+b²) are those of the companion papers [comp].
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from nup.errors import UserError

NAMED: dict[str, tuple[float, float]] = {
    "abs": (0.0, 1.0),
    "relu": (1.0, 1.0),
    "linear": (1.0, 0.0),
}

_PAIR = re.compile(r"^\(\s*([^,\s]+)\s*,\s*([^,\s]+)\s*\)$")


@dataclass(frozen=True)
class Activation:
    """φ for one pair (a, b); ``name`` is how tables and figures call it."""

    name: str
    a: float
    b: float

    @property
    def norm(self) -> float:
        """√(a²+b²), the root mean square of a·Z + b·|Z| for standard normal Z."""
        return math.hypot(self.a, self.b)

    @property
    def positive_slope(self) -> float:
        """φ′(s) for s > 0."""
        return (self.a + self.b) / self.norm

    @property
    def negative_slope(self) -> float:
        """φ′(s) for s < 0 and at the kink."""
        return (self.a - self.b) / self.norm

    @property
    def delta_phi(self) -> float:
        """Δ_φ = b²/(a²+b²): how fast depth decorrelates inputs. [comp]"""
        return self.b**2 / self.norm**2

    @property
    def kappa_phi(self) -> float:
        """κ_φ = (|a|+|b|)/√(a²+b²), the Lipschitz constant. [comp]"""
        return (abs(self.a) + abs(self.b)) / self.norm


def activation(name: str | tuple[float, float]) -> Activation:
    """Activation by name (``abs``, ``relu``, ``linear``) or pair: ``(1, 2)`` or ``"(1,2)"``.

    >>> activation("abs").delta_phi, round(activation((1, 2)).delta_phi, 2)
    (1.0, 0.8)

    Raises ``UserError`` for anything else, and for the pair (0, 0), whose φ is not defined.
    """
    if isinstance(name, str):
        if name in NAMED:
            return Activation(name, *NAMED[name])
        match = _PAIR.match(name)
        try:
            pair = tuple(float(text) for text in match.groups()) if match else None
        except ValueError:
            pair = None
    else:
        pair = tuple(float(value) for value in name)
    if pair is None or len(pair) != 2 or not all(map(math.isfinite, pair)) or pair == (0.0, 0.0):
        allowed = ", ".join(sorted(NAMED))
        raise UserError(
            f"unknown activation {name!r}: expected one of {allowed}, or a pair such as '(1,2)' "
            "of numbers that are not both 0"
        )
    a, b = pair
    return Activation(f"({a:g},{b:g})", a, b)
