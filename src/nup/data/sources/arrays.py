"""Samples that a program holds: those given to ``nup.train``, known here by sizes and digest."""

from __future__ import annotations

from nup.data.sources import Options, Samples, Shape, register
from nup.errors import UserError
from nup.registry import Option


def _shape(options: Options) -> Shape:
    return Shape(options["d_in"], options["d_out"], options["rows"])


@register(
    "arrays",
    _shape,
    d_in=Option(kind=int, low=1, meaning="coordinates of an input"),
    d_out=Option(kind=int, low=1, meaning="outputs"),
    rows=Option(kind=int, low=1, meaning="samples of all splits"),
    digest=Option(kind=str, meaning="of the samples"),
)
def arrays(options: Options, seed: int) -> Samples:  # noqa: ARG001
    """Samples that a program gives to ``nup.train``; no study can name them."""
    raise UserError(
        f"data set 'arrays': expected samples given to nup.train, got their digest "
        f"{options['digest']!r} alone; call nup.train with them, or keep them in a file: "
        "{name: file, path: mine.npz}"
    )
