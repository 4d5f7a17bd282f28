"""Commands about claims: from tables to verdicts."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nup.cli.options import add_log, add_plugins
from nup.cli.paths import check_file, drop_leftovers
from nup.errors import UserError

if TYPE_CHECKING:
    from nup.claims import Catalogue

log = logging.getLogger("nup")


def claims(options: Namespace) -> None:
    """Evaluate the claims under every reading and write the tables ``claims`` and ``readings``."""
    from nup.claims import evaluate
    from nup.tables import store

    readings = options.readings or options.out.with_name("readings.parquet")
    check_file(options.out)
    check_file(readings, "--readings")
    drop_leftovers(options.out, readings)
    judged = evaluate(_frames(options.tables), catalogue(options))
    store.write_table("readings", judged.readings, readings)
    store.write_table("claims", judged.claims, options.out)


def claims_options(parser: ArgumentParser) -> None:
    """Options of ``claims``."""
    parser.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    add_catalogue(parser)
    parser.add_argument("--out", type=Path, required=True, help="the table of claims to write")
    parser.add_argument(
        "--readings",
        type=Path,
        help="the table of readings to write (default: readings.parquet beside that of claims)",
    )
    add_plugins(parser)
    add_log(parser)


def registrations(options: Namespace) -> None:
    """Write the page that holds both registrations' verdicts on the same data side by side."""
    from nup.claims import evaluate
    from nup.report import registrations
    from nup.tables import atomic_files

    check_file(options.out)
    drop_leftovers(options.out)
    claims, first = catalogue(options), registrations.read_first(options.first)
    studies = {}
    for folder in options.tables:
        tables = _frames(folder)
        studies[folder.parent.name] = (tables, evaluate(tables, claims).claims)
    atomic_files.write_text(registrations.page(first, studies), options.out)


def registrations_options(parser: ArgumentParser) -> None:
    """Options of ``registrations``."""
    parser.add_argument(
        "tables", type=Path, nargs="+", help="folders of tables, each `<study>/tables`"
    )
    parser.add_argument(
        "--first",
        type=Path,
        default=Path("docs/first-registration.csv"),
        help="the rows of the first registration (default: docs/first-registration.csv)",
    )
    add_catalogue(parser)
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    add_plugins(parser)


def verdicts(options: Namespace) -> None:
    """Print the verdicts of one or several tables of claims."""
    from nup.report import scorecard

    if options.by_reading:
        paths = [path.with_name("readings.parquet") for path in options.claims]
        print(scorecard.by_reading(paths, catalogue(options)))
    elif options.summary:
        print(scorecard.summary(options.claims, catalogue(options), options.page))
    elif options.markdown:
        print(scorecard.markdown(options.claims, catalogue(options), options.page))
    else:
        print("\n\n".join(scorecard.text(path) for path in options.claims))


def verdicts_options(parser: ArgumentParser) -> None:
    """Options of ``verdicts``."""
    parser.add_argument(
        "claims", type=Path, nargs="+", help="the table of claims; several stand side by side"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as a Markdown table for a page")
    form.add_argument(
        "--summary",
        action="store_true",
        help="as a short Markdown table: a mark for each activation, a column for each study",
    )
    form.add_argument(
        "--by-reading",
        action="store_true",
        help="readings against claims in Markdown, from the tables of readings beside those given",
    )
    parser.add_argument(
        "--page",
        type=Path,
        default=Path("README.md"),
        help="the page that a Markdown table is for: links are relative to its folder "
        "(default: README.md)",
    )
    add_catalogue(parser)
    add_plugins(parser)


def compare(options: Namespace) -> int:
    """Print what differs between two tables of claims; the exit status is 1 if anything does."""
    from nup.report import comparison

    if options.page is not None:
        from nup.report import comparison_page

        check_file(options.page, "--page")
        drop_leftovers(options.page)
        comparison_page.write(options.claims, options.reference, options.page)
        log.info("both side by side: %s", options.page)
    found = comparison.differences(options.claims, options.reference)
    for line in comparison.machines(options.claims, options.reference):
        print(f"computed otherwise, {line}")
    print("\n".join(found) or "same verdicts, and intervals overlap")
    return int(bool(found))


def compare_options(parser: ArgumentParser) -> None:
    """Options of ``compare``."""
    parser.add_argument("claims", type=Path, help="the new table of claims")
    parser.add_argument("reference", type=Path, help="the table to hold it against")
    parser.add_argument(
        "--page", type=Path, metavar="HTML", help="page to write, with both side by side"
    )


def _frames(folder: Path) -> dict[str, Any]:
    from pyarrow import ArrowException

    from nup.tables import store

    names = ("runs", "steps", "layers", "init")
    try:
        return {name: store.read_table(name, folder / f"{name}.parquet") for name in names}
    except (ArrowException, OSError) as error:
        raise UserError(
            f"--tables {folder}: expected whole tables, got a damaged one ({error}); make it again"
        ) from error


def catalogue(options: Namespace) -> Catalogue:
    """The claims of the given files and of the loaded plug-ins."""
    from nup import plugin
    from nup.claims import load_catalogue

    return load_catalogue(*options.catalogue, *plugin.claims_files())


def add_catalogue(parser: ArgumentParser) -> None:
    """``--catalogue``."""
    parser.add_argument(
        "--catalogue",
        type=Path,
        nargs="+",
        default=[Path("config/claims.yaml")],
        help="files of the claims (default: config/claims.yaml); those of plug-ins are added",
    )
