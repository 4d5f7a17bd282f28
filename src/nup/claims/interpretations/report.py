"""The table ``readings`` as Markdown: substitutions, verdicts and estimates."""

from __future__ import annotations

import pandas as pd

from nup.claims import markdown, verdicts
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import judged_names

#: Phrases for the verdicts on an interpretation.
_WORDS = {
    verdicts.SUPPORTED: "reproduced by",
    verdicts.CONTRADICTED: "not reproduced by",
    verdicts.INCONCLUSIVE: "undecided for",
    verdicts.NOT_RUN: "not run for",
}


def overall_rows(table: pd.DataFrame, aspect: str = "") -> pd.DataFrame:
    """The overall verdicts of one aspect, or of all, with a column ``judged_for``.

    ``judged_for`` is the activation, with the regime where a claim was evaluated in several.
    """
    rows = table[table["criterion"] == OVERALL]
    if aspect:
        rows = rows[rows["aspect"] == aspect]
    names = [judged_names(group) for _, group in rows.groupby("claim", sort=False)]
    return rows.assign(judged_for=pd.concat(names) if names else "")


def reproduction_text(table: pd.DataFrame, aspect: str) -> str:
    """Markdown: for each claim, the interpretations of an aspect that reproduce it or do not.

    The interpretation that the claims table evaluates is bold.
    """
    rows = overall_rows(table, aspect)
    if rows.empty:
        return "No reading was judged: the tables hold no runs."
    lines = [
        {"claim": f"`{claim}`", "judged for": name}
        | {word: _names(group[group["verdict"] == label]) for label, word in _WORDS.items()}
        for (claim, name), group in rows.groupby(["claim", "judged_for"], sort=False)
    ]
    return markdown.table(pd.DataFrame(lines))


def _names(rows: pd.DataFrame) -> str:
    pairs = zip(rows["reading"], rows["judged"], strict=True)
    names = [f"**{reading}**" if judged else f"{reading}" for reading, judged in pairs]
    return "; ".join(names) or "–"


def substitutions_text(table: pd.DataFrame, aspect: str) -> str:
    """Markdown: the substitutions of each interpretation of an aspect, and its depths by claim."""
    rows = table[table["aspect"] == aspect]
    lines = []
    for reading, group in rows.groupby("reading", sort=False):
        places = group.drop_duplicates("claim")
        depths = "; ".join(
            f"`{claim}`: {found or 'no runs'}"
            for claim, found in zip(places["claim"], places["depths"], strict=True)
        )
        label = f"**{reading}**, as the claims table" if group["judged"].all() else f"{reading}"
        put_in = group["substitution"].iloc[0] or "–"
        lines.append({"reading": label, "puts in": put_in, "depths, by claim": depths})
    return markdown.table(pd.DataFrame(lines, columns=["reading", "puts in", "depths, by claim"]))


def criteria_text(table: pd.DataFrame, aspect: str, claim: str) -> str:
    """Markdown: every criterion of a claim under every interpretation of an aspect."""
    chosen = (table["aspect"] == aspect) & (table["claim"] == claim)
    rows = table[chosen & (table["criterion"] != OVERALL)]
    shown = {
        "reading": rows["reading"],
        "judged for": judged_names(rows),
        "criterion": rows["criterion"],
        "estimate": rows["estimate"].map(markdown.number),
        "range": rows["threshold"],
        "verdict": "**" + rows["verdict"] + "**",
        "remarks": rows["reason"],
    }
    return markdown.table(pd.DataFrame(shown))
