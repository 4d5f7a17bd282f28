"""Maximal update parameterizations: μP, μP with its rate over depth, Depth-μP."""

from __future__ import annotations

from nup.networks.parameterization import (
    Parameterization,
    constant_widths,
    normalized_factors,
    register,
)


@register()
def mup(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Maximal update parameterization for SGD: γ = 1/√m, c_k = m/m_{k-1}. [lit]"""
    widths = constant_widths(depth, width, d_in, d_out)
    return Parameterization(widths, width**-0.5, normalized_factors(widths, width))


@register()
def mup_inverse_depth(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """μP with c_k = m/(l·m_{k-1}): the "inversely scaled learning rate" of v1's abstract. [v1]"""
    widths = constant_widths(depth, width, d_in, d_out)
    factors = tuple(factor / depth for factor in normalized_factors(widths, width))
    return Parameterization(widths, width**-0.5, factors)


@register()
def mup_residual(depth: int, width: int, d_in: int, d_out: int) -> Parameterization:
    """Depth-μP: h_k = h_{k-1} + l^{-1/2} W_k φ(h_{k-1}) for 2 ≤ k ≤ l−1, else as μP. [lit]"""
    widths = constant_widths(depth, width, d_in, d_out)
    inner = tuple(int(2 <= layer <= depth - 1) for layer in range(1, depth + 1))
    return Parameterization(
        widths,
        width**-0.5,
        normalized_factors(widths, width),
        skip=inner,
        branch_multipliers=tuple(depth**-0.5 if skip else 1.0 for skip in inner),
    )
