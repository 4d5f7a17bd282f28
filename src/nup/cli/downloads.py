"""The command that fetches data sets before machines without a network need them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nup.errors import UserError


def download(options: Namespace) -> None:
    """Fetch and check the files of data sets, and print where they are.

    Raises:
        UserError: a data set has no files, or see ``nup.data.downloads.fetch``.
    """
    from nup.data import images

    known = {each.name: each for each in images.IMAGE_SETS}
    for name in options.data:
        if name not in known:
            raise UserError(f"data set: expected one with files, {', '.join(known)}, got {name!r}")
    for name in options.data:
        for path in images.download(known[name]):
            print(path)


def download_options(parser: ArgumentParser) -> None:
    """Options of ``download``."""
    parser.add_argument("data", nargs="+", metavar="DATA", help="data sets, mnist for example")
