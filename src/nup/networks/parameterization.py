"""The parameterizations compared: layer widths, output multiplier and learning-rate factors.

The network is h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}), f = γ h_l, with weights of variance
σ²/m_{k-1}, and the update W_k ← W_k − η c_k ∂L/∂W_k. A parameterization fixes m_k, γ, c_k, s_k and
β_k as a pure function of depth l, base width m and the input and output sizes, so that adding one
is one small function here and one row of hand-derived values in ``tests/test_parameterization.py``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nup.errors import UserError


@dataclass(frozen=True)
class Parameterization:
    """A resolved parameterization of one network shape.

    ``widths``             m_0 … m_l, length l + 1
    ``output_multiplier``  γ
    ``lr_factors``         c_1 … c_l
    ``skip``               s_1 … s_l, 1 where layer k adds to its own input, else 0
    ``branch_multipliers`` β_1 … β_l
    ``width_exponent``     r of the width pattern m_k = round(m·k^r), 0 for constant widths
    """

    name: str
    widths: tuple[int, ...]
    output_multiplier: float
    lr_factors: tuple[float, ...]
    skip: tuple[int, ...]
    branch_multipliers: tuple[float, ...]
    width_exponent: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """l, the number of weight matrices."""
        return len(self.widths) - 1

    @property
    def n_parameters(self) -> int:
        """Number of weights, Σ_k m_k m_{k-1}."""
        return sum(m * n for m, n in zip(self.widths, self.widths[1:], strict=False))

    @property
    def label(self) -> str:
        """Name with options, as in tables: ``nup(r=2)``, ``mup``."""
        text = ",".join(f"{key}={value:g}" for key, value in sorted(self.options.items()))
        return f"{self.name}({text})" if text else self.name


Rule = Callable[..., Parameterization]
_REGISTRY: dict[str, Rule] = {}


def register(rule: Rule) -> Rule:
    """Add ``rule(depth, width, d_in, d_out, **options)`` to the registry under its own name."""
    _REGISTRY[rule.__name__] = rule
    return rule


def names() -> tuple[str, ...]:
    """Registered names, in the order of definition."""
    return tuple(_REGISTRY)


def option_names(name: str) -> tuple[str, ...]:
    """Names of the options that parameterization ``name`` takes."""
    parameters = inspect.signature(_rule(name)).parameters
    return tuple(parameters)[4:]


def parameterization(
    name: str, *, depth: int, width: int, d_in: int, d_out: int, **options: Any
) -> Parameterization:
    """Resolve parameterization ``name`` for a network of ``depth`` weight matrices.

    Parameters: ``depth`` l ≥ 2, base ``width`` m ≥ 1, input size ``d_in`` ≥ 1, output size
    ``d_out`` ≥ 1, and the parameterization's own options (``r`` ≥ 0 for ``nup``).
    Raises ``UserError`` naming what is allowed.
    """
    rule = _rule(name)
    for label, value, least in [
        ("depth", depth, 2),
        ("width", width, 1),
        ("d_in", d_in, 1),
        ("d_out", d_out, 1),
    ]:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{label} must be a whole number ≥ {least}, got {value!r}")
    allowed = option_names(name)
    if unknown := sorted(set(options) - set(allowed)):
        takes = f"takes {', '.join(allowed)}" if allowed else "takes no options"
        raise UserError(f"unknown option {unknown[0]!r}: parameterization {name!r} {takes}")
    return rule(depth, width, d_in, d_out, **options)


def matched_width(target: Parameterization, name: str, **options: Any) -> int:
    """Width at which ``name`` has the number of parameters nearest to ``target``'s.

    Depth, input and output sizes are the target's. Counts grow with width, so bisection finds it;
    of two equally near widths the smaller is taken.
    """
    shape = {"depth": target.depth, "d_in": target.widths[0], "d_out": target.widths[-1]}

    def count(width: int) -> int:
        return parameterization(name, width=width, **shape, **options).n_parameters

    low, high = 1, 1
    while count(high) < target.n_parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target.n_parameters else (low, middle)
    return min((low, high), key=lambda width: (abs(count(width) - target.n_parameters), width))


def _rule(name: str) -> Rule:
    if name not in _REGISTRY:
        raise UserError(f"unknown parameterization {name!r}: expected one of {', '.join(names())}")
    return _REGISTRY[name]


def _plain(
    name: str,
    widths: list[int],
    output_multiplier: float,
    lr_factors: list[float],
    width_exponent: float = 0.0,
    options: dict[str, Any] | None = None,
) -> Parameterization:
    """A network without skip connections."""
    depth = len(widths) - 1
    return Parameterization(
        name=name,
        widths=tuple(widths),
        output_multiplier=output_multiplier,
        lr_factors=tuple(lr_factors),
        skip=(0,) * depth,
        branch_multipliers=(1.0,) * depth,
        width_exponent=width_exponent,
        options=options or {},
    )


def _constant_widths(depth: int, width: int, d_in: int, d_out: int) -> list[int]:
    return [d_in, *[width] * (depth - 1), d_out]


def _normalized_factors(widths: list[int], width: int) -> list[float]:
    """c_k = m/m_{k-1}: every update divided by its layer's mean squared input norm, times m."""
    return [width / fan_in for fan_in in widths[:-1]]


@register
def sp(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Standard parameterization: γ = 1, c_k = 1. [lit]"""
    widths = _constant_widths(depth, width, d_in, d_out)
    return _plain("sp", widths, 1.0, [1.0] * depth)


@register
def ntp(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Neural tangent parameterization: γ = 1, c_k = 1/m_{k-1}. [lit]"""
    widths = _constant_widths(depth, width, d_in, d_out)
    return _plain("ntp", widths, 1.0, [1.0 / fan_in for fan_in in widths[:-1]])


@register
def mup(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Maximal update parameterization for SGD: γ = 1/√m, c_k = m/m_{k-1}. [lit]"""
    widths = _constant_widths(depth, width, d_in, d_out)
    return _plain("mup", widths, width**-0.5, _normalized_factors(widths, width))


@register
def mup_inverse_depth(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """μP with c_k = m/(l·m_{k-1}): the "inversely scaled learning rate" of v1's abstract. [v1]"""
    widths = _constant_widths(depth, width, d_in, d_out)
    factors = [factor / depth for factor in _normalized_factors(widths, width)]
    return _plain("mup_inverse_depth", widths, width**-0.5, factors)


@register
def mup_residual(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Depth-μP: h_k = h_{k-1} + l^{-1/2} W_k φ(h_{k-1}) for 2 ≤ k ≤ l−1, else as μP. [lit]"""
    widths = _constant_widths(depth, width, d_in, d_out)
    inner = [1 if 2 <= layer <= depth - 1 else 0 for layer in range(1, depth + 1)]
    return Parameterization(
        name="mup_residual",
        widths=tuple(widths),
        output_multiplier=width**-0.5,
        lr_factors=tuple(_normalized_factors(widths, width)),
        skip=tuple(inner),
        branch_multipliers=tuple(depth**-0.5 if skip else 1.0 for skip in inner),
    )


@register
def nup(depth: int, width: int, d_in: int, d_out: int, r: float = 2.0) -> Parameterization:
    """νP: hidden widths m_k = round(m·k^r), γ = 1/√m, c_k = m/m_{k-1}. [operational]

    The polynomial width pattern is [v2]/[comp], with r = 2 theirs; "normalized update" is read as
    dividing every update by the squared norm of its layer's input. With r = 0 this is μP exactly.
    """
    widths = _growing_widths("nup", depth, width, d_in, d_out, r)
    return _normalized("nup", widths, width, r)


@register
def nup_last_width(
    depth: int, width: int, d_in: int, d_out: int, r: float = 2.0
) -> Parameterization:
    """νP read with the last hidden width: γ = 1/√m_{l-1}, c_k = m_{l-1}/m_{k-1}. [operational]

    The NTK at initialization is that of ``nup`` [derived]; the output starts smaller, so that the
    features move more for the same change of the output.
    """
    widths = _growing_widths("nup_last_width", depth, width, d_in, d_out, r)
    return _normalized("nup_last_width", widths, widths[-2], r)


@register
def nup_kernel_scale(
    depth: int, width: int, d_in: int, d_out: int, r: float = 2.0
) -> Parameterization:
    """νP read without mean-field scale: γ = 1, c_k = 1/m_{k-1}, as ``ntp``. [operational]

    The NTK at initialization is that of ``nup`` [derived]; the output starts larger, so that the
    features move less for the same change of the output.
    """
    widths = _growing_widths("nup_kernel_scale", depth, width, d_in, d_out, r)
    return _normalized("nup_kernel_scale", widths, 1, r)


def _growing_widths(
    name: str, depth: int, width: int, d_in: int, d_out: int, r: float
) -> list[int]:
    """Hidden widths m_k = round(m·k^r) between those of input and output."""
    if isinstance(r, bool) or not isinstance(r, (int, float)) or not 0 <= r < math.inf:
        raise UserError(f"option r of {name!r} must be a finite number ≥ 0, got {r!r}")
    return [d_in, *(round(width * layer**r) for layer in range(1, depth)), d_out]


def _normalized(name: str, widths: list[int], scale: int, r: float) -> Parameterization:
    """γ = M^{-1/2} and c_k = M/m_{k-1} with the width M that sets the ``scale``."""
    factors = _normalized_factors(widths, scale)
    return _plain(name, widths, scale**-0.5, factors, float(r), {"r": float(r)})
