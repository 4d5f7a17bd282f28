"""Cards of claims: the verdict, what was found in a sentence, the figure and the rows behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from nup.claims import Catalogue, markdown, ranges, report, verdicts
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import judged_names
from nup.figures.description import described
from nup.report.contents import place_of
from nup.report.strip import Strip, strip

#: The columns in which an overall row repeats the criterion that decides.
_REPEATED = ["threshold", "estimate", "low", "high", "n_seeds"]


class Finding(NamedTuple):
    """The verdict on a claim for one activation and setting, and the numbers it rests on."""

    name: str
    verdict: str
    sentence: str
    strip: Strip | None


class Card(NamedTuple):
    """A claim as the page shows it.

    Attributes:
        id: of the claim.
        title: of the claim.
        quote: the paper's words; empty for a claim that the catalogue does not have.
        verdict: over all activations and settings.
        summary: which activations have which verdict, in a sentence.
        findings: one for each activation and setting.
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
        findings = _findings(rows, overall, by_reading[by_reading["claim"] == claim_id])
        title = claim.title if claim else f"{claim_id}, a claim of an earlier registration"
        shown = report.rows_shown(rows)
        found.append(
            Card(
                id=str(claim_id),
                title=title,
                quote=claim.quote if claim else "",
                verdict=verdicts.all_of(overall["verdict"]),
                summary=_summary(findings),
                findings=findings,
                figure=figure.name if figure.is_file() else "",
                description=_description(figure, title),
                section=_section(page.with_suffix(".html"), str(claim_id)),
                head=list(shown.columns),
                rows=shown.fillna("").astype(str).to_numpy().tolist(),
            )
        )
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


def _findings(rows: pd.DataFrame, overall: pd.DataFrame, readings: pd.DataFrame) -> list[Finding]:
    """A finding for each overall row; ``readings`` are those of the claim's readings."""
    criteria = rows[rows["criterion"] != OVERALL]
    found = []
    for name, (_, row) in zip(judged_names(overall), overall.iterrows(), strict=True):
        deciding = _deciding(_of_same(criteria, row), row)
        counted = _counted(_of_same(readings, row)["verdict"])
        threshold = ranges.parsed(str(row["threshold"]))
        numbers = [float(row[each]) for each in ("estimate", "low", "high")]
        drawn = strip(numbers[0], numbers[1], numbers[2], threshold) if threshold else None
        found.append(
            Finding(str(name), str(row["verdict"]), _sentence(row, deciding, counted), drawn)
        )
    return sorted(found, key=lambda each: each.name.startswith("("))  # pairs after names


def _of_same(rows: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """The rows of the same activation and setting."""
    same = rows["activation"] == row["activation"]
    return rows[same & (rows["setting"].fillna("") == _text(row["setting"]))]


def _counted(found: pd.Series) -> str:
    """How many readings have which verdict; empty unless there are several."""
    if len(found) < 2:
        return ""
    counts = found.value_counts()
    listed = [f"{counts[each]} {each}" for each in verdicts.MARKS if each in counts]
    return f"of {len(found)} readings, {', '.join(listed)}"


def _deciding(criteria: pd.DataFrame, overall: pd.Series) -> pd.Series | None:
    """The criterion whose numbers an overall row repeats: the first that gives it its verdict."""
    for _, row in criteria.iterrows():
        if all(
            row[name] == overall[name] or (pd.isna(row[name]) and pd.isna(overall[name]))
            for name in _REPEATED
        ):
            return row
    return None


def _sentence(row: pd.Series, deciding: pd.Series | None, counted: str) -> str:
    """What was found: the criterion that decides, its numbers against its range, and the count.

    Args:
        row: overall.
        deciding: the criterion whose numbers it has.
        counted: how many readings have which verdict; empty for a claim with one.
    """
    reason = counted or _text(row["reason"])
    if row["verdict"] == verdicts.NOT_RUN:
        return f"Not run: {reason}."
    reading = _text(row.get("reading"))
    head = f"Under {reading}: " if reading else ""
    head += f"“{_text(deciding['criterion'])}” is " if deciding is not None else ""
    parts = [f"{head}{_numbers(row)}", _doubt(deciding), reason]
    return f"{'; '.join(part for part in parts if part)}."


def _doubt(deciding: pd.Series | None) -> str:
    """The first reason why a criterion is open, unless it is where its interval lies."""
    if deciding is None or deciding["verdict"] != verdicts.INCONCLUSIVE:
        return ""
    first = _text(deciding["reason"]).partition("; ")[0]
    return "" if first.startswith("the interval crosses") else first


def _numbers(row: pd.Series) -> str:
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    asked = ranges.readable(_text(row["threshold"]))
    if math.isnan(estimate):
        return f"no estimate, {asked} was asked for"
    number = markdown.number(estimate).replace("-", "−")
    seeds = f"{row['n_seeds']} seeds"
    if math.isnan(low) or math.isnan(high):
        return f"{number} at the worst of {seeds}, {asked} was asked for"
    interval = f"[{markdown.number(low)}, {markdown.number(high)}]".replace("-", "−")
    return (
        f"{number} {interval} over {seeds}, {_relation(low, high, _text(row['threshold']))}{asked}"
    )


def _relation(low: float, high: float, text: str) -> str:
    """How an interval lies to a range, in words before the range."""
    threshold = ranges.parsed(text)
    if threshold is None:
        return ""
    start = -math.inf if threshold.low is None else threshold.low
    end = math.inf if threshold.high is None else threshold.high
    if start <= low and high <= end:
        return "within the range "
    return "outside the range " if high < start or low > end else "across an end of the range "


def _summary(findings: Sequence[Finding]) -> str:
    """Which activations and settings have which verdict: “Supported for abs; …”."""
    named: dict[str, list[str]] = {}
    for each in findings:
        named.setdefault(each.verdict, []).append(each.name)
    text = "; ".join(f"{verdict} for {_and(names)}" for verdict, names in named.items())
    return f"{text[:1].upper()}{text[1:]}."


def _and(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
