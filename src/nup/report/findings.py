"""Findings: what decided a verdict, its numbers against their range, and what would overturn it."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from nup.claims import markdown, ranges, verdicts
from nup.claims.catalogue import Threshold
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import judged_names
from nup.report.strip import Strip, strip

#: The columns in which an overall row repeats the criterion that decides.
_REPEATED = ["threshold", "estimate", "low", "high", "n_seeds"]
#: What a criterion says that is open for where its interval lies, and for nothing else.
_CROSSES = "the interval crosses"
#: More seeds than these are not counted.
_MANY = 1_000


class Finding(NamedTuple):
    """The verdict on a claim for one activation and setting, and the numbers it rests on.

    Attributes:
        name: the activation, and the setting if there are several.
        verdict: overall.
        sentence: what decided it, with its numbers against its range.
        reading: under which it was decided; empty for a claim with one.
        criterion: name of the criterion that decided; empty where there is none.
        margin: how far it is from another verdict, in a sentence; empty where no number says.
        strip: the numbers on a line.
    """

    name: str
    verdict: str
    sentence: str
    reading: str
    criterion: str
    margin: str
    strip: Strip | None


def findings(rows: pd.DataFrame, readings: pd.DataFrame) -> list[Finding]:
    """A finding for each activation and setting for which a claim was judged.

    Args:
        rows: those of the claim in the table ``claims``.
        readings: its overall rows in the table ``readings``; none for a claim with one reading.
    """
    decided = rows["criterion"] == OVERALL
    overall, criteria = rows[decided], rows[~decided]
    found = []
    for name, (_, row) in zip(judged_names(overall), overall.iterrows(), strict=True):
        own, under = _of_same(criteria, row), _of_same(readings, row)["verdict"]
        deciding = _deciding(own, row)
        threshold = ranges.parsed(str(row["threshold"]))
        numbers = [float(row[each]) for each in ("estimate", "low", "high")]
        drawn = strip(numbers[0], numbers[1], numbers[2], threshold) if threshold else None
        verdict = str(row["verdict"])
        doubt = _doubt(verdict, deciding, len(own), len(under))
        sentence = _sentence(row, deciding, doubt, _counted(under))
        margin = "" if threshold is None else _margin(row, deciding, threshold)
        criterion = "" if deciding is None else _text(deciding["criterion"])
        reading = _text(row.get("reading"))
        found.append(Finding(str(name), verdict, sentence, reading, criterion, margin, drawn))
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


def _sentence(row: pd.Series, deciding: pd.Series | None, doubt: str, counted: str) -> str:
    """What was found: the criterion that decides, its numbers against its range, and the count.

    Args:
        row: overall.
        deciding: the criterion whose numbers it has.
        doubt: why the criterion decides less than its interval says; empty if it does not.
        counted: how many readings have which verdict; empty for a claim with one.
    """
    reason = counted or _text(row["reason"])
    doubt = "" if doubt in reason else doubt
    if row["verdict"] == verdicts.NOT_RUN:
        return f"Not run: {reason}."
    reading = _text(row.get("reading"))
    head = f"Under {reading}: " if reading else ""
    head += f"“{_text(deciding['criterion'])}” is " if deciding is not None else ""
    parts = [f"{head}{_numbers(row)}", doubt, reason]
    return f"{'; '.join(part for part in parts if part)}."


def _doubt(verdict: str, deciding: pd.Series | None, criteria: int, readings: int) -> str:
    """Why a claim is open, unless it is since the deciding interval crosses an end of its range.

    Args:
        verdict: overall.
        deciding: the criterion whose numbers are shown.
        criteria: how many its reading has.
        readings: how many the claim has.
    """
    if deciding is None or verdict != verdicts.INCONCLUSIVE:
        return ""
    match deciding["verdict"]:
        case verdicts.INCONCLUSIVE:
            first = _text(deciding["reason"]).partition("; ")[0]
            return "" if first.startswith(_CROSSES) else first
        case verdicts.CONTRADICTED:
            return f"outside at 95 %, not at the 5 %/{criteria} that {criteria} criteria ask for"
        case verdicts.SUPPORTED if readings > 1:  # without their rows, the claim's reason says it
            return f"within at 95 %, not at the 5 %/{readings} that {readings} readings ask for"
    return ""


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


def _margin(row: pd.Series, deciding: pd.Series | None, threshold: Threshold) -> str:
    """How far the deciding interval is from another verdict."""
    estimate, low, high = (float(row[name]) for name in ("estimate", "low", "high"))
    if deciding is None or math.isnan(estimate) or math.isnan(low) or math.isnan(high):
        return ""
    start = -math.inf if threshold.low is None else threshold.low
    end = math.inf if threshold.high is None else threshold.high
    match row["verdict"]:
        case verdicts.SUPPORTED:
            room = markdown.number(min(low - start, end - high))
            return f"Its interval clears the end by {room}: shifted by more, it would be open."
        case verdicts.CONTRADICTED:
            room = markdown.number(max(start - high, low - end))
            return f"Its interval misses the range by {room}: shifted by more, it would be open."
        case verdicts.INCONCLUSIVE if _text(deciding["reason"]).startswith(_CROSSES):
            inside = start <= estimate <= end
            way = min(abs(estimate - each) for each in (start, end))
            seeds = _seeds_to_decide(int(row["n_seeds"]), (high - low) / 2, way)
            side = "within" if inside else "outside"
            return (
                f"At this estimate and spread, {seeds} would put this criterion {side} its range."
            )
    return ""


def _seeds_to_decide(seeds: int, half: float, way: float) -> str:
    """Seeds that make an interval of this half width as short as the way to the range's end."""
    wanted = math.inf if way == 0 else seeds * (half / way) ** 2
    return f"more than {_MANY:,} seeds" if wanted > _MANY else f"about {round(wanted):,} seeds"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
