"""Commands about executed notebooks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path


def tidy_notebook(options: Namespace) -> None:
    """Write an executed notebook without what is not its content, and its page."""
    from nup.report import notebook

    notebook.tidy(options.notebook, options.out)
    if options.page is not None:
        notebook.render(options.out, options.page)


def tidy_notebook_options(parser: ArgumentParser) -> None:
    """Options of ``tidy-notebook``."""
    parser.add_argument("notebook", type=Path, help="the executed notebook")
    parser.add_argument("--out", type=Path, required=True, help="the notebook to write")
    parser.add_argument("--page", type=Path, help="the HTML page to write as well")
