"""The entry page of a study, ``results/<study>/index.html``: verdicts, figures and rows at hand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from nup.claims import Catalogue, verdicts
from nup.claims.evaluation import OVERALL
from nup.errors import UserError
from nup.inputs import read_text
from nup.report import contents, interactive, notebook_page, rendering
from nup.report import readings as by_reading
from nup.report.cards import cards
from nup.report.notebook_page import Link
from nup.report.run_summary import summary
from nup.tables import atomic_files, store

#: The page's file in the folder of a study.
NAME = "index.html"


class Neighbour(NamedTuple):
    """Results of another study: its name, where they are, and how many verdicts of each kind."""

    name: str
    address: str
    counts: dict[str, int]


def write(
    folder: Path,
    tables: Path,
    catalogue: Catalogue,
    notebooks: Sequence[Path] = (),
    configuration: Path | None = None,
) -> Path:
    """Write the entry page of a study, and the interactive one beside it if it has runs.

    Args:
        folder: of the study, where ``figures/`` and ``notebooks/`` are, and the page will be.
        tables: folder of its tables, of which ``claims`` and ``readings`` are needed.
        catalogue: the claims with their titles.
        notebooks: the executed notebooks whose pages are linked, in their order.
        configuration: the study's file, which is shown if it is given.

    Returns:
        The path of the page.

    Raises:
        UserError: a table is absent or damaged, or the configuration cannot be read.
    """
    judged = store.read_table("claims", tables / "claims.parquet")
    readings = store.read_table("readings", tables / "readings.parquet")
    ideas, conclusions = by_reading.ideas(readings, catalogue)
    overall = judged[judged["criterion"] == OVERALL]
    page = rendering.render(
        "study.html",
        study=folder.resolve().name,
        counts=_counts(overall["verdict"]),
        claims=overall["claim"].nunique(),
        ideas=ideas,
        conclusions=conclusions,
        matrices=by_reading.matrices(readings, catalogue),
        cards=cards(judged, readings, catalogue, folder),
        runs=summary(tables),
        accepted=contents.accepted(tables).replace("`", ""),
        tables=Path(os.path.relpath(tables, folder)).as_posix(),
        configuration=read_text(configuration) if configuration else "",
        interactive=interactive.NAME if interactive.write(folder, tables) else "",
        notebooks=[_notebook_link(path, folder) for path in notebooks],
        neighbours=neighbours(folder),
    )
    path = folder / NAME
    atomic_files.write_text(page, path)
    return path


def neighbours(folder: Path) -> list[Neighbour]:
    """The other studies whose results lie beside this one's, and the shipped ones.

    A study without a page of its own is linked by its scorecard, or by its tables.
    """
    beside = folder.resolve().parent
    found = []
    patterns = ("*/tables/claims.parquet", "reference/*/tables/claims.parquet")
    for path in sorted(each for pattern in patterns for each in beside.glob(pattern)):
        other = path.parents[1]
        if other == folder.resolve():
            continue
        places = [other / NAME, other / "figures" / "scorecard.png", other / "tables"]
        place = next(each for each in places if each.exists())
        found.append(
            Neighbour(
                other.relative_to(beside).as_posix(),
                Path(os.path.relpath(place, folder.resolve())).as_posix(),
                _counts_of(path),
            )
        )
    return found


def _counts_of(path: Path) -> dict[str, int]:
    """The verdicts in a table of claims; none if another study's is damaged."""
    try:
        table = store.read_table("claims", path, columns=["criterion", "verdict"])
    except UserError:
        return {}
    return _counts(table["verdict"][table["criterion"] == OVERALL])


def _counts(found: Iterable[str]) -> dict[str, int]:
    """How often each verdict occurs, in the order of ``MARKS``."""
    counted = Counter(found)
    return {verdict: counted[verdict] for verdict in verdicts.MARKS if counted[verdict]}


def _notebook_link(path: Path, folder: Path) -> Link:
    page = path.with_suffix(".html")
    address = Path(os.path.relpath(page, folder)).as_posix()
    return Link(notebook_page.title(notebook_page.read(path), path), address)
