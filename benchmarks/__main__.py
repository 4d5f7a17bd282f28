"""``python -m benchmarks``: measure, keep the raw records, and write the page from them."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib import import_module
from pathlib import Path

from benchmarks import raw
from benchmarks.effort import EFFORTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
log = logging.getLogger("benchmarks")


def parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--effort", choices=EFFORTS, default="full")
    options.add_argument(
        "--sections",
        nargs="*",
        choices=raw.SECTIONS,
        default=raw.SECTIONS,
        help="what to measure; none only writes the page again",
    )
    options.add_argument(
        "--out", type=Path, help="folder for records, page and figures instead of the repository's"
    )
    return options


def main() -> None:
    """Run the sections asked for and write the page from all there are."""
    # Imported here, since every worker imports this module and needs neither.
    from benchmarks import figures, goals, history, machine, report

    options = parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    logging.getLogger("nup").setLevel(logging.WARNING)  # of ten thousand jobs in this process
    results = (options.out or ROOT / "benchmarks") / "results"
    page = options.out / PAGE.name if options.out else PAGE
    effort = EFFORTS[options.effort]
    environment = {"effort": options.effort, **machine.environment()}
    for section in options.sections:
        records = import_module(f"benchmarks.{section}").measure(effort)
        log.info("wrote %s", raw.write(results, section, environment, records))
    sections = raw.read(results)
    drawn = figures.draw(sections, page.parent / "images")
    images = {section: os.path.relpath(path, page.parent) for section, path in drawn.items()}
    report.write(PAGE, page, sections, images)
    log.info("wrote %s", page)
    if options.sections:
        measured = {section: sections[section] for section in options.sections}
        sys.stdout.write(report.body(measured, {}) + "\n")
    if "training" in options.sections:
        reached = goals.outcomes(sections["training"]["records"])
        new = history.record(sections["training"]["environment"], reached)
        sys.stdout.write(history.change(history.read(results), new) + "\n")
        history.append(results, new)


if __name__ == "__main__":
    main()
