"""The verdicts as text: a table for the end of a run, and one in Markdown for pages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from nup.claims import Catalogue, identification
from nup.claims import markdown as tables
from nup.claims.catalogue import Claim
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import claim_regimes
from nup.claims.verdicts import MARKS, NOT_RUN
from nup.report import contents
from nup.tables import store


def text(path: str | Path) -> str:
    """One line per claim, one column per activation; below, how many verdicts of each kind.

    A claim that was judged in several regimes has a line for each. A last line says whether mixed
    results were accepted into the tables beside that of the claims.
    """
    overall = _overall(path)
    if overall.empty:
        return f"{path}: no claim was judged"
    wide = _by_activation(overall)
    wide.index = pd.Index(
        [
            f"{claim}: {regime}" if len(claim_regimes(overall, claim)) > 1 else claim
            for claim, regime in wide.index
        ]
    )
    wide.columns.name = None
    counts = overall["verdict"].value_counts()
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    lines = [wide.fillna("-").to_string(), total, contents.accepted(Path(path).parent)]
    return "\n".join(filter(None, lines))


def markdown(
    paths: Sequence[str | Path], catalogue: Catalogue, page: str | Path = "README.md"
) -> str:
    """A Markdown table with a line per claim: figure, claim, notebook, and verdicts.

    Several tables of claims, of several studies, stand side by side. Where regimes differ, between
    the studies or within one, each has its line and there is a column for it.

    Args:
        paths: tables of claims, each at ``<study>/tables/``. Figures are linked in the folder
            ``figures`` beside that.
        catalogue: the claims with their titles.
        page: where the table stands; links are relative to its folder.
    """
    studies = {Path(path).parent.parent: _overall(path) for path in paths}
    columns = {
        (folder, str(name)): verdicts
        for folder, overall in studies.items()
        for name, verdicts in _by_activation(overall).items()
    }
    judged = pd.concat(studies.values())
    titles = {claim.id: claim.title for claim in catalogue.claims}
    claims = judged.drop_duplicates("claim")
    lines = [(claim, each) for claim in claims["claim"] for each in claim_regimes(judged, claim)]
    with_setting = len(lines) > len(claims)
    alone = len(studies) == 1
    heads = [f"`{name}`" if alone else f"{folder.name}, `{name}`" for folder, name in columns]
    names = ["figure", "claim", "notebook", *(["setting"] if with_setting else []), *heads]
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for claim, regime in lines:
        first = claims[claims["claim"] == claim].iloc[0]
        cells = [
            _figure_links(str(first["figure"]), claim, studies, Path(page)),
            f"{tables.text(titles.get(claim, 'of the first registration'))} (`{claim}`)",
            f"`{first['notebook']}`",
            *([regime or "-"] if with_setting else []),
            *(verdicts.dropna().get((claim, regime), "-") for verdicts in columns.values()),
        ]
        rows.append(f"| {' | '.join(map(tables.cell, cells))} |")
    return "\n".join(rows)


def by_reading(paths: Sequence[str | Path], catalogue: Catalogue) -> str:
    """Markdown tables of readings against sentences, the marks of several studies in a cell.

    Claims with the same dimensions of readings share a table: a line for each reading, a column for
    each claim. In a cell stand the marks of each study in the order of ``paths``, within a study
    those of its activations (abs, relu, pairs), over all settings: ✓ supported in each, ✗
    contradicted in one, ? undecided. Claims with one reading are the lines of a last table.

    Args:
        paths: tables of readings, each at ``<study>/tables/``.
        catalogue: the claims with their titles.
    """
    studies = [_overall(path, "readings") for path in paths]
    groups = identification.dimensions(catalogue)
    alone = groups.pop((), [])
    parts = []
    for under, claims in groups.items():
        rows = [
            {
                " and ".join(under): tables.text(reading.label),
                **{_heading(claim): _marks(studies, claim.id, reading.label) for claim in claims},
            }
            for reading in claims[0].readings
        ]
        kept = [row for row in rows if any(cell.strip("–· ") for cell in [*row.values()][1:])]
        if kept:
            parts.append(tables.table(pd.DataFrame(kept)))
    rows = [
        {"with one reading": _heading(claim), "": _marks(studies, claim.id, "")} for claim in alone
    ]
    return "\n\n".join([*parts, tables.table(pd.DataFrame(rows))])


def summary(
    paths: Sequence[str | Path], catalogue: Catalogue, page: str | Path = "README.md"
) -> str:
    """A Markdown table with a line for each claim and a column for each study.

    In a cell stand the marks of the activations (abs, relu, pairs), over all settings, as a link to
    the study's figure where that is there.

    Args:
        paths: tables of claims, each at ``<study>/tables/``.
        catalogue: the claims with their titles.
        page: where the table stands; links are relative to its folder.
    """
    # The reading that decides a claim does not matter here.
    folders = {Path(path).parent.parent: _overall(path).assign(reading="") for path in paths}
    rows = []
    for claim in catalogue.claims:
        row = {"claim": tables.text(claim.title)}
        for folder, overall in folders.items():
            figure = folder / "figures" / claim.figure
            marks = _joined(identification.by_activation(overall, claim.id, ""))
            row[folder.name] = (
                f"[{marks}]({_relative(figure, Path(page))})" if figure.is_file() else marks
            )
        rows.append(row)
    return tables.table(pd.DataFrame(rows))


def _heading(claim: Claim) -> str:
    return f"{tables.text(claim.title)} (`{claim.id}`)"


def _marks(studies: Sequence[pd.DataFrame], claim: str, reading: str) -> str:
    """The marks of a claim under a reading: a group for each study, a mark for each activation."""
    groups = []
    for overall in studies:
        groups.append(_joined(identification.by_activation(overall, claim, reading)))
    return " · ".join(groups)


def _joined(verdicts: Mapping[str, str]) -> str:
    """A mark for each activation."""
    return "".join(MARKS[verdict] for verdict in verdicts.values()) or MARKS[NOT_RUN]


def _figure_links(figure: str, claim: str, studies: Mapping[Path, pd.DataFrame], page: Path) -> str:
    """The figure's name as a link; with several studies, a link to that of each."""
    links = {
        folder.name: f"({_relative(folder / 'figures' / figure, page)})"
        for folder, judged in studies.items()
        if (judged.loc[judged["claim"] == claim, "verdict"] != NOT_RUN).any()
    }
    if len(studies) == 1:
        return "".join(f"[`{figure}`]{link}" for link in links.values())
    return f"`{figure}`: " + ", ".join(f"[{study}]{link}" for study, link in links.items())


def _relative(path: Path, page: Path) -> str:
    """``path`` as a link of the page; of absolute paths what they have in common is left out."""
    return Path(os.path.relpath(path, page.parent)).as_posix()


def _overall(path: str | Path, table: str = "claims") -> pd.DataFrame:
    claims = store.read_table(table, path)
    return claims[claims["criterion"] == OVERALL]


def _by_activation(overall: pd.DataFrame) -> pd.DataFrame:
    """Verdicts: a row per claim and regime, a column per activation, in the table's order."""
    keys = overall[["claim", "setting"]].drop_duplicates()
    wide = overall.pivot(index=["claim", "setting"], columns="activation", values="verdict")
    return wide.loc[
        list(keys.itertuples(index=False, name=None)), list(dict.fromkeys(overall["activation"]))
    ]
