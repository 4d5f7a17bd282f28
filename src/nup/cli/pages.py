"""The command that writes what readers open: the pages of a study."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nup.cli.claims import add_catalogue, catalogue
from nup.cli.options import add_log, add_plugins
from nup.cli.paths import check_file, drop_leftovers

log = logging.getLogger("nup")


def pages(options: Namespace) -> None:
    """Write the entry page of a study and a page for each of its executed notebooks."""
    from nup.report import interactive, notebook_page, study_page

    folder = options.folder
    check_file(folder / study_page.NAME, "the study's folder")
    notebooks = options.notebooks
    if notebooks is None:
        notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    pages = [folder / name for name in (study_page.NAME, interactive.NAME)]
    drop_leftovers(*pages, *(path.with_suffix(".html") for path in notebooks))
    notebook_page.write_pages(notebooks)
    tables = options.tables or folder / "tables"
    page = study_page.write(folder, tables, catalogue(options), notebooks, options.config)
    log.info("Open: %s", page)


def pages_options(parser: ArgumentParser) -> None:
    """Options of ``pages``."""
    parser.add_argument("folder", type=Path, help="the study's folder, results/<study>")
    parser.add_argument("--tables", type=Path, help="folder of its tables (default: tables in it)")
    parser.add_argument(
        "--notebooks",
        type=Path,
        nargs="*",
        help="its executed notebooks (default: all in its folder notebooks)",
    )
    parser.add_argument("--config", type=Path, help="the study's file, to be shown")
    add_catalogue(parser)
    add_plugins(parser)
    add_log(parser)
