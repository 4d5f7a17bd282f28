"""Parameterizations: layer widths, initial variances, output multiplier, learning-rate factors.

The network is h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}), f = γ h_l, with weights of variance
σ² v_k/m_{k-1}, and the update W_k ← W_k − η c_k ∂L/∂W_k. A parameterization fixes m_k, v_k, γ, c_k,
s_k and β_k as a pure function of depth l, base width m, and the input and output sizes. Each is one
function in ``nup.networks.parameterizations``, or in a plug-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from nup.errors import UserError
from nup.registry import Entry, Option, Registry, Value, plain
from nup.specs import InitSpec, RunSpec


@dataclass(frozen=True)
class Parameterization:
    """A resolved parameterization of one network shape.

    ``widths``             m_0 … m_l, length l + 1
    ``output_multiplier``  γ
    ``lr_factors``         c_1 … c_l
    ``skip``               s_1 … s_l: 1 where layer k adds to its own input, else 0; all 0 if empty
    ``branch_multipliers`` β_1 … β_l; all 1 if empty
    ``variances``          v_1 … v_l; all 1 if empty
    ``width_exponent``     r of the width pattern m_k = round(m·k^r), 0 for constant widths
    ``name``, ``options``  of the registry; ``parameterization`` fills them in
    """

    widths: tuple[int, ...]
    output_multiplier: float
    lr_factors: tuple[float, ...]
    skip: tuple[int, ...] = ()
    branch_multipliers: tuple[float, ...] = ()
    variances: tuple[float, ...] = ()
    width_exponent: float = 0.0
    name: str = ""
    options: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A frozen dataclass lets its own construction fill in what was left out.
        for key, fill in (("skip", 0), ("branch_multipliers", 1.0), ("variances", 1.0)):
            object.__setattr__(self, key, getattr(self, key) or (fill,) * self.depth)
        for key in ("lr_factors", "skip", "branch_multipliers", "variances"):
            if len(getattr(self, key)) != self.depth:
                raise ValueError(
                    f"{key}: expected a value for each of {self.depth} layers, "
                    f"got {len(getattr(self, key))}"
                )

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
        """Canonical name with options, as in tables: ``nup(r=2)``, ``mup``."""
        return PARAMETERIZATIONS.label(self.name, self.options)


Rule = Callable[..., Parameterization]


@dataclass(frozen=True)
class ParameterizationEntry(Entry):
    """A registered rule ``(depth, width, d_in, d_out, **options) -> Parameterization``.

    With ``takes_base_width`` the rule is given the keyword ``base_width`` too.
    """

    rule: Rule = field(kw_only=True)
    takes_base_width: bool = field(default=False, kw_only=True)


PARAMETERIZATIONS: Registry[ParameterizationEntry] = Registry(
    "parameterization", "nup.networks.parameterizations"
)


def register(*, takes_base_width: bool = False, **options: Option) -> Callable[[Rule], Rule]:
    """Register the decorated rule under its own name, with the ``options`` that it takes."""
    return PARAMETERIZATIONS.decorator(
        ParameterizationEntry, options=options, takes_base_width=takes_base_width
    )


def parameterization(
    name: str,
    *,
    depth: int,
    width: int,
    d_in: int,
    d_out: int,
    base_width: int | None = None,
    **options: Any,
) -> Parameterization:
    """Resolve parameterization ``name`` for a network of ``depth`` weight matrices.

    Args:
        name: of the registry: ``sp``, ``ntp``, ``mup``, ``nup``, …
        depth: l ≥ 2.
        width: the net's own width m ≥ 1, from which its widths follow.
        d_in: input size m_0 ≥ 1.
        d_out: output size m_l ≥ 1.
        base_width: width ≥ 1 of the grid cell, where the net's own was chosen to match the size of
            another net; else the same as ``width``.
        options: those of the parameterization: ``r``, ``scale`` and ``normalize`` for ``nup``.

    Returns:
        Widths, multipliers and factors of every layer.

    Raises:
        UserError: naming what is allowed.

    >>> net = parameterization("nup", depth=4, width=16, d_in=64, d_out=10, r=2)
    >>> net.widths, net.output_multiplier
    ((64, 16, 64, 144, 10), 0.25)
    >>> net.lr_factors
    (0.25, 1.0, 0.25, 0.1111111111111111)
    """
    entry = PARAMETERIZATIONS[name]
    depth, width, d_in, d_out = map(plain, (depth, width, d_in, d_out))
    base_width = width if base_width is None else plain(base_width)
    for label, value, least in [
        ("depth", depth, 2),
        ("width", width, 1),
        ("base_width", base_width, 1),
        ("d_in", d_in, 1),
        ("d_out", d_out, 1),
    ]:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{label} must be a whole number ≥ {least}, got {value!r}")
    resolved = PARAMETERIZATIONS.resolve(name, options)
    cell = {"base_width": base_width} if entry.takes_base_width else {}
    found = entry.rule(depth, width, d_in, d_out, **cell, **resolved)
    return replace(found, name=name, options=resolved)


def net_of(spec: RunSpec | InitSpec, d_in: int, d_out: int) -> Parameterization:
    """The resolved parameterization of a specification, on data of these sizes."""
    return parameterization(
        spec.parameterization,
        depth=spec.depth,
        width=spec.width,
        d_in=d_in,
        d_out=d_out,
        base_width=spec.base_width or None,
        **spec.options,
    )


def matched_width(
    target: Parameterization, name: str, base_width: int | None = None, **options: Any
) -> int:
    """Width at which ``name`` has the number of parameters nearest to ``target``'s.

    Depth, input and output sizes are the target's, ``base_width`` is that of the grid cell. Counts
    grow with width, so bisection finds it; of two equally near widths the smaller is taken.
    """
    shape = {"depth": target.depth, "d_in": target.widths[0], "d_out": target.widths[-1]}
    given = {**shape, "base_width": base_width, **options}

    def count(width: int) -> int:
        return parameterization(name, width=width, **given).n_parameters

    low, high = 1, 1
    while count(high) < target.n_parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target.n_parameters else (low, middle)
    return min((low, high), key=lambda width: (abs(count(width) - target.n_parameters), width))


def constant_widths(depth: int, width: int, d_in: int, d_out: int) -> tuple[int, ...]:
    """m_0 … m_l with every hidden width m."""
    return (d_in, *[width] * (depth - 1), d_out)


def normalized_factors(widths: tuple[int, ...], scale: float) -> tuple[float, ...]:
    """c_k = M/m_{k-1}: each update over its layer's mean squared input norm, times the scale M."""
    return tuple(scale / fan_in for fan_in in widths[:-1])
