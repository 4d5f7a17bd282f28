"""The Normalized Update Parameterization νP: widths m_k = round(m·k^r), updates over input norms.

Its readings differ in the scale M of γ = M^{-1/2} and c_k = M/m_{k-1}.
"""

from __future__ import annotations

from nup.networks.parameterization import Parameterization, normalized_factors, register
from nup.registry import Option

_R = Option(2.0, low=0.0, shown=True, meaning="r of the width pattern m_k = round(m·k^r)")


@register(r=_R)
def nup(depth: int, width: int, d_in: int, d_out: int, r: float) -> Parameterization:
    """νP: hidden widths m_k = round(m·k^r), γ = 1/√m, c_k = m/m_{k-1}. [operational]

    The polynomial width pattern is [v2]/[comp], with r = 2 theirs; "normalized update" is read as
    dividing every update by the squared norm of its layer's input. With r = 0 this is μP exactly.
    """
    return _normalized(_growing_widths(depth, width, d_in, d_out, r), width, r)


@register(r=_R)
def nup_last_width(depth: int, width: int, d_in: int, d_out: int, r: float) -> Parameterization:
    """νP read with the last hidden width: γ = 1/√m_{l-1}, c_k = m_{l-1}/m_{k-1}. [operational]

    The NTK at initialization is that of ``nup`` [derived]; the output starts smaller, so that the
    features move more for the same change of the output.
    """
    widths = _growing_widths(depth, width, d_in, d_out, r)
    return _normalized(widths, widths[-2], r)


@register(r=_R)
def nup_kernel_scale(depth: int, width: int, d_in: int, d_out: int, r: float) -> Parameterization:
    """νP read without mean-field scale: γ = 1, c_k = 1/m_{k-1}, as ``ntp``. [operational]

    The NTK at initialization is that of ``nup`` [derived]; the output starts larger, so that the
    features move less for the same change of the output.
    """
    return _normalized(_growing_widths(depth, width, d_in, d_out, r), 1, r)


def _growing_widths(depth: int, width: int, d_in: int, d_out: int, r: float) -> tuple[int, ...]:
    """Hidden widths m_k = round(m·k^r) between those of input and output."""
    return (d_in, *(round(width * layer**r) for layer in range(1, depth)), d_out)


def _normalized(widths: tuple[int, ...], scale: int, r: float) -> Parameterization:
    """γ = M^{-1/2} and c_k = M/m_{k-1} with the width M that sets the ``scale``."""
    factors = normalized_factors(widths, scale)
    return Parameterization(widths, scale**-0.5, factors, width_exponent=r)
