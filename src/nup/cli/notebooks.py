"""The command that executes a figure notebook."""

from __future__ import annotations

import json
import os
import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nup.cli.claims import add_catalogue
from nup.cli.options import add_log, add_plugins
from nup.cli.paths import check_file, drop_leftovers
from nup.errors import UserError


def notebook(options: Namespace) -> None:
    """Execute a notebook on the tables of a study, and keep what it has drawn.

    Figures are moved into place when all is done, so that none of an older call stays, and what was
    there stays where a cell fails.
    """
    from nup.report.execution import execute
    from nup.report.notebook import tidy

    check_file(options.out)
    drop_leftovers(options.out)
    _check(options.source)
    folder, name = options.work, options.out.name
    drawn = folder / options.out.stem
    shutil.rmtree(drawn, ignore_errors=True)
    parameters = {
        "tables": str(options.tables),
        "figures": str(drawn),
        "claims": str(options.catalogue[0]),
        "plugins": os.pathsep.join(map(str, options.plugin or [])),
    }
    execute(options.source, folder / name, parameters)
    tidy(folder / name, options.out)
    options.figures.mkdir(parents=True, exist_ok=True)
    for figure in sorted(drawn.glob("*")):
        figure.replace(options.figures / figure.name)


def _check(path: Path) -> None:
    """Refuse a file that is no notebook.

    Raises:
        UserError: it is absent, or has not the format of one.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected a notebook (.ipynb), got no such file")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        ok = isinstance(values["metadata"], dict) and all(
            isinstance(cell["metadata"], dict) for cell in values["cells"]
        )
    except (LookupError, RecursionError, TypeError, ValueError):  # of JSON and of UTF-8 as well
        ok = False
    if not ok:
        raise UserError(f"{path}: expected a notebook (.ipynb), got another file")


def notebook_options(parser: ArgumentParser) -> None:
    """Options of ``notebook``."""
    parser.add_argument("source", type=Path, help="the notebook")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    parser.add_argument("--figures", type=Path, required=True, help="folder for its figures")
    parser.add_argument("--out", type=Path, required=True, help="the executed notebook to write")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/notebooks"),
        help="folder for what is not finished, or failed (default: build/notebooks)",
    )
    add_catalogue(parser)
    add_plugins(parser)
    add_log(parser)
