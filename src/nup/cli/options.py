"""Options that several commands have."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


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
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    parser.add_argument(
        "--no-compiled",
        dest="compiled",
        action="store_false",
        help="let torch take all steps, and compiled kernels none",
    )
    add_log(parser)
