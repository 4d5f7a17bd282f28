"""The Normalized Update Parameterization νP: growing widths, and updates over squared norms.

One family for all readings: which norms divide an update, and the scale M by which the output is
divided and the updates are multiplied.
"""

from __future__ import annotations

from nup.networks.parameterization import Parameterization, normalized_factors, register
from nup.registry import Option

_WIDTHS = "m_k = round(m·k^r)"


@register(
    takes_base_width=True,
    r=Option(2.0, low=0.0, shown=True, meaning=f"exponent of the width pattern {_WIDTHS}"),
    scale=Option(
        "base",
        str,
        choices=("base", "kernel", "last", "own"),
        meaning="M: base width of the grid cell, 1, last hidden width, or the net's own width",
    ),
    normalize=Option(
        "input",
        str,
        choices=("input", "both"),
        meaning="c_k = M/m_{k-1}, or M·m/(m_{k-1} m_k), where m·l^r stands for m_l",
    ),
)
def nup(
    depth: int,
    width: int,
    d_in: int,
    d_out: int,
    base_width: int,
    r: float,
    scale: str,
    normalize: str,
) -> Parameterization:
    """νP: m_k = round(m·k^r), γ = M^{-1/2}, c_k = M/m_{k-1} or M·m/(m_{k-1} m_k). [operational]

    The polynomial width pattern is [v2]/[comp], with r = 2 theirs. "Normalized update" is read as
    dividing every update by the squared norm of its layer's input (``normalize: input``), or by
    those of its input and its output (``both``). M is a reading too: ``base`` is the mean-field
    scale of the base width, which all nets of a grid cell share whatever their own width;
    ``own`` that of the net's own width, and μP for r = 0; ``kernel`` leaves the scale out, and is
    ``ntp`` for r = 0; ``last`` takes the last hidden width. M does not change the NTK at
    initialization [derived].
    """
    widths = (d_in, *(round(width * layer**r) for layer in range(1, depth)), d_out)
    M = {"base": base_width, "kernel": 1, "last": widths[-2], "own": width}[scale]
    factors = normalized_factors(widths, M)
    if normalize == "both":
        # m is the net's own width, as in the pattern: the factor m/m_k is k^{-r} in every net.
        # The output size is the data's, so the pattern's next width takes its place.
        outputs = (*widths[1:-1], width * depth**r)
        factors = tuple(c * width / out for c, out in zip(factors, outputs, strict=True))
    return Parameterization(widths, M**-0.5, factors, width_exponent=r)
