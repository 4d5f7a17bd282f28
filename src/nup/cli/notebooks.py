"""Commands about executed notebooks."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nup.cli.paths import check_file, drop_leftovers
from nup.errors import UserError


def tidy_notebook(options: Namespace) -> None:
    """Write an executed notebook without what is not its content."""
    from nup.report import notebook

    check_file(options.out)
    drop_leftovers(options.out)
    if options.notebook.is_file():
        _check(options.notebook)
    notebook.tidy(options.notebook, options.out)


def _check(path: Path) -> None:
    """Refuse a file that is no notebook.

    Raises:
        UserError: it has not the format of one.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        ok = isinstance(values["metadata"], dict) and all(
            isinstance(cell["metadata"], dict) for cell in values["cells"]
        )
    except (LookupError, RecursionError, TypeError, ValueError):  # of JSON and of UTF-8 as well
        ok = False
    if not ok:
        raise UserError(f"{path}: expected an executed notebook (.ipynb), got another file")


def tidy_notebook_options(parser: ArgumentParser) -> None:
    """Options of ``tidy-notebook``."""
    parser.add_argument("notebook", type=Path, help="the executed notebook")
    parser.add_argument("--out", type=Path, required=True, help="the notebook to write")
