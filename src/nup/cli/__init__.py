"""The command line: ``nup <command>``.

Each command is a function of one of these modules, beside the function that declares its options.
Both are imported only when the command is asked for, so that ``nup --help`` imports nothing heavy.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nup
from nup.errors import Interrupted, UserError, writing

#: Command → (module, what it does).
COMMANDS = {
    "check-config": ("studies", "check a study configuration"),
    "plan": ("studies", "print the runs, jobs and estimated cost of a study"),
    "status": ("studies", "print how far a study is, what is left, and which jobs stopped"),
    "schema": ("studies", "print the documentation of the tables, or of the configuration"),
    "download": ("downloads", "fetch the files of data sets, for machines without a network"),
    "train": ("training", "train one configuration and print a summary"),
    "job": ("training", "compute a planned job"),
    "tables": ("training", "collect the tables of jobs into those of the study"),
    "verify": (
        "integrity",
        "check that what a study has stored is whole, of one code, and all there",
    ),
    "rerun": ("integrity", "train one stored run again and print where it differs"),
    "ship": ("shipping", "copy a study's tables, rounded, and figures to where git keeps them"),
    "claims": ("claims", "judge the claims, under every reading, on a study's tables"),
    "verdicts": ("claims", "print the verdict on each claim"),
    "compare": ("claims", "hold a table of claims against another"),
    "registrations": ("claims", "write both registrations' verdicts on the same data as a page"),
    "pages": ("pages", "write the pages of a study: index.html, and one for each notebook"),
    "notebook": ("notebooks", "execute a figure notebook on a study's tables"),
}

#: Exit status of a command that kept what it had and goes on when it is given again: EX_TEMPFAIL.
RESUME = 75

log = logging.getLogger("nup")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        The exit status: 0, 1 for a failure, 2 for a user's mistake, 75 for a command that was asked
        to stop, and goes on where it was when it is given again.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without ν and λ gets their codes, not an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    try:
        options = parser(name).parse_args(arguments)
        _configure_log(getattr(options, "log", None))
        _check_surroundings(arguments)
        for path in getattr(options, "plugin", None) or []:
            _load_plugin(path)
        return _function(options.name)(options) or 0
    except Exception as error:
        status, message = _explained(error)
        if message:
            log.error("nup %s: %s", name, message)
        elif not isinstance(error, BrokenPipeError):
            log.exception("nup %s: unexpected error", name)
        return status


def _check_surroundings(arguments: Sequence[str]) -> None:
    """Refuse what libraries fail on later, in words of their own.

    Raises:
        UserError: an argument is not UTF-8, or the current folder is gone.
    """
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UserError(
                f"expected arguments in UTF-8, got {argument!a}; rename this file or folder"
            )
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError(
            "expected a current folder, got one that was deleted; change to another folder (cd)"
        ) from None


def _explained(error: Exception) -> tuple[int, str]:
    """The exit status of a command that ends with this error, and what to say; empty if unknown."""
    match error:
        case ModuleNotFoundError() if error.name and not error.name.startswith("nup"):
            needed = "install all that commands need: pip install 'nup[study]'"
            return 2, f"the package {error.name} is missing; {needed}"
        case UserError():
            return 2, str(error)
        case Interrupted():
            return RESUME, str(error)
        case OSError() if error.filename is not None and not isinstance(error, BrokenPipeError):
            # Paths are users' own: one that is taken, missing, too long, or not theirs to use.
            said = f"{error.filename}: {error.strerror}"
            return 2, f"{said}; check this path and its permissions"
    return 1, ""


def parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of all commands, with the options of one of them."""
    top = argparse.ArgumentParser(
        prog="nup", description="MLPs at the edge of chaos: train, tabulate and judge."
    )
    top.add_argument("--version", action="version", version=f"nup {nup.__version__}")
    commands = top.add_subparsers(dest="name", required=True, metavar="command")
    for name, (_, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == command:
            _function(name, "_options")(sub)
    return top


def _function(command: str, suffix: str = "") -> Any:
    module = importlib.import_module(f"nup.cli.{COMMANDS[command][0]}")
    return getattr(module, command.replace("-", "_") + suffix)


def _load_plugin(path: Path) -> None:
    from nup.registry import plugin_files

    plugin_files.load(path)


def _configure_log(path: Path | None) -> None:
    """Log to stderr, and to ``path`` as well if one is given."""
    shown = logging.StreamHandler()
    # Other packages say more than anyone asks for, as each table of a font in a PDF.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[shown], force=True)
    log.setLevel(logging.INFO)
    if path is not None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            written = _LogFile(path, mode="w", encoding="utf-8")
        written.setFormatter(shown.formatter)
        logging.getLogger().addHandler(written)
        # Of many jobs in one terminal these lines hide all others: `nup status` sums them up.
        shown.addFilter(lambda record: record.name != "nup.progress")


class _LogFile(logging.FileHandler):
    """A log that may end on a full disk: its messages go to stderr as well."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (a method of logging)
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)
