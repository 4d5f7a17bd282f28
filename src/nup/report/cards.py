"""Cards of claims: the verdict, what was found in a sentence, the figure and the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from nup.claims import Catalogue, report, verdicts
from nup.claims.catalogue import Claim, ReadClaim
from nup.claims.evaluation import OVERALL
from nup.figures.description import described
from nup.report.contents import place_of
from nup.report.findings import Finding, findings


class Card(NamedTuple):
    """A claim as the page shows it.

    Attributes:
        id: of the claim.
        title: of the claim.
        quote: the paper's words; empty for a claim that the catalogue does not have.
        verdict: over all activations and settings.
        summary: which activations have which verdict, in a sentence.
        findings: one for each activation and setting.
        meanings: what must hold by each criterion that decided a finding, by its name.
        figure: name of the figure's file; empty if there is none.
        description: of the figure in words.
        section: address of the claim in its notebook's page; empty if there is no such page.
        head: the columns of ``rows``.
        rows: the claim's rows, as text.
    """

    id: str
    title: str
    quote: str
    verdict: str
    summary: str
    findings: list[Finding]
    meanings: dict[str, str]
    figure: str
    description: str
    section: str
    head: list[str]
    rows: list[list[str]]


def cards(
    judged: pd.DataFrame, readings: pd.DataFrame, catalogue: Catalogue, folder: Path
) -> list[Card]:
    """A card for each claim that was judged, in the order of the table.

    Args:
        judged: the table ``claims``.
        readings: the table ``readings``.
        catalogue: the claims with their titles.
        folder: of the study, where ``figures/`` and ``notebooks/`` are.
    """
    known = {claim.id: claim for claim in catalogue.claims}
    by_reading = readings[readings["criterion"] == OVERALL]
    found = []
    for claim_id, rows in judged.groupby("claim", sort=False):
        claim = known.get(str(claim_id))
        overall = rows[rows["criterion"] == OVERALL]
        if overall.empty:
            continue
        figure = folder / "figures" / str(overall["figure"].iloc[0])
        page = folder / "notebooks" / str(overall["notebook"].iloc[0])
        told = findings(rows, by_reading[by_reading["claim"] == claim_id])
        title = claim.title if claim else f"{claim_id}, a claim of an earlier registration"
        shown = report.rows_shown(rows)
        found.append(
            Card(
                id=str(claim_id),
                title=title,
                quote=claim.quote if claim else "",
                verdict=verdicts.all_of(overall["verdict"]),
                summary=_summary(told),
                findings=told,
                meanings=_meanings(claim, told),
                figure=figure.name if figure.is_file() else "",
                description=_description(figure, title),
                section=_section(page.with_suffix(".html"), str(claim_id)),
                head=list(shown.columns),
                rows=shown.fillna("").astype(str).to_numpy().tolist(),
            )
        )
    return found


def _meanings(claim: Claim | None, told: Sequence[Finding]) -> dict[str, str]:
    """What the criteria ask that decided; a part of a criterion has its name before a comma."""
    found = {}
    for each in told:
        for reading in claim.readings if claim else ():
            if each.reading in ("", reading.label):
                asked = _asked(reading)
                whole = each.criterion.rpartition(", ")[0]
                name = each.criterion if each.criterion in asked else whole
                under = f", {reading.label}" if each.reading else ""
                if name in asked:
                    found[f"“{name}”{under}"] = asked[name]
    return found


def _asked(reading: ReadClaim) -> dict[str, str]:
    """What each criterion asks; one that refers to an earlier one is told with it."""
    found: dict[str, str] = {}
    whole = ""
    for criterion in reading.criteria:
        refers = criterion.what.startswith(("The same", "That "))
        whole = whole if refers else criterion.what
        found[criterion.name] = f"{whole}. {criterion.what}" if refers else whole
    return found


def _section(page: Path, claim_id: str) -> str:
    """The page of a notebook, and the place in it where it states the claim, if it does."""
    if not page.is_file():
        return ""
    address = f"{page.parent.name}/{quote(page.name)}"
    place = place_of(claim_id)
    stated = f' id="{place}"' in page.read_text(encoding="utf-8")
    return f"{address}#{place}" if stated else address


def _description(figure: Path, title: str) -> str:
    own = described(figure) if figure.is_file() else ""
    return own or f"Figure of the claim: {title}."


def _summary(told: Sequence[Finding]) -> str:
    """Which activations and settings have which verdict: “Supported for abs; …”."""
    named: dict[str, list[str]] = {}
    for each in told:
        named.setdefault(each.verdict, []).append(each.name)
    text = "; ".join(f"{verdict} for {_and(names)}" for verdict, names in named.items())
    return f"{text[:1].upper()}{text[1:]}."


def _and(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
