"""Options that several commands have."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from nup.study.bounds import MOST_MEMORY_MB, MOST_THREADS


def add_log(parser: ArgumentParser) -> None:
    """``--log``."""
    parser.add_argument("--log", type=Path, help="file that also gets the messages")


def add_plugins(parser: ArgumentParser) -> None:
    """``--plugin``, which may be given several times."""
    parser.add_argument(
        "--plugin",
        type=Path,
        action="append",
        metavar="FILE",
        help="file of Python that registers entries; may be given several times",
    )


def add_process(parser: ArgumentParser) -> None:
    """How the process computes: device, threads, backend, and ``--log``."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--threads", type=threads, default=1, help="threads of torch (default: 1)")
    parser.add_argument(
        "--no-compiled",
        dest="compiled",
        action="store_false",
        help="let torch take all steps, and compiled kernels none",
    )
    add_log(parser)


def threads(text: str) -> int:
    """The value of ``--threads``.

    Raises:
        ArgumentTypeError: it is no whole number, or out of bounds.
    """
    if not (
        text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_THREADS
    ):
        raise ArgumentTypeError(f"expected a whole number, 1 to {MOST_THREADS}; got {text[:80]!r}")
    return int(text)


def at_least_zero(text: str) -> float:
    """The value of an option that is a number from 0 on; infinity is one.

    Raises:
        ArgumentTypeError: it is no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise ArgumentTypeError(f"expected a number ≥ 0; got {text[:80]!r}")
    return value


def count(text: str) -> int:
    """The value of an option that says how many.

    Raises:
        ArgumentTypeError: it is no whole number from 0 on.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArgumentTypeError(f"expected a whole number ≥ 0; got {text[:80]!r}")
    return int(text)


def megabytes(text: str) -> float:
    """The value of ``--memory``.

    Raises:
        ArgumentTypeError: it is no number, or out of bounds.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_MEMORY_MB:
        raise ArgumentTypeError(
            f"expected a number > 0 and ≤ {MOST_MEMORY_MB:g}; got {text[:80]!r}"
        )
    return value
