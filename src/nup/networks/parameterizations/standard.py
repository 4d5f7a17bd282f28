"""The standard and the neural tangent parameterization."""

from __future__ import annotations

from nup.networks.parameterization import (
    Parameterization,
    constant_widths,
    normalized_factors,
    register,
)


@register()
def sp(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Standard parameterization: γ = 1, c_k = 1. [lit]"""
    return Parameterization(constant_widths(depth, width, d_in, d_out), 1.0, (1.0,) * depth)


@register()
def ntp(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Neural tangent parameterization: γ = 1, c_k = 1/m_{k-1}. [lit]"""
    widths = constant_widths(depth, width, d_in, d_out)
    return Parameterization(widths, 1.0, normalized_factors(widths, 1.0))
