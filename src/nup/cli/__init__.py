"""The command line: ``nup <command>``.

Each command is a function of one of these modules, beside the function that declares its options.
Both are imported only when the command is asked for, so that ``nup --help`` imports nothing heavy.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nup
from nup.errors import UserError

#: Command → (module, what it does).
COMMANDS = {
    "check-config": ("studies", "check a study configuration"),
    "plan": ("studies", "print the runs, jobs and estimated cost of a study"),
    "schema": ("studies", "print the documentation of the tables, or of the configuration"),
    "train": ("training", "train one configuration and print a summary"),
    "job": ("training", "compute a planned job"),
    "tables": ("training", "collect the tables of jobs into those of the study"),
    "verify": (
        "integrity",
        "check that what a study has stored is whole, of one code, and all there",
    ),
    "rerun": ("integrity", "train one stored run again and print where it differs"),
    "claims": ("claims", "judge the claims, under every reading, on a study's tables"),
    "verdicts": ("claims", "print the verdict on each claim"),
    "compare": ("claims", "hold a table of claims against another"),
    "registrations": ("claims", "write both registrations' verdicts on the same data as a page"),
    "tidy-notebook": ("notebooks", "drop from an executed notebook what is not its content"),
}

log = logging.getLogger("nup")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        The exit status: 0, 1 for a failure, 2 for a user's mistake.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    try:
        options = parser(name).parse_args(arguments)
        _configure_log(getattr(options, "log", None))
        for path in getattr(options, "plugin", None) or []:
            _load_plugin(path)
        status = _function(options.name)(options)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("nup"):
            raise
        log.error(
            "nup %s: the package %s is missing; install all that commands need: "
            "pip install 'nup[study]'",
            name,
            error.name,
        )
        return 2
    except UserError as error:
        log.error("nup %s: %s", name, error)
        return 2
    except BrokenPipeError:
        return 1
    except Exception:
        log.exception("nup %s: unexpected error", name)
        return 1
    return status or 0


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
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
