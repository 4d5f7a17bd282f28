"""The table of readings as text: what is put in, and which reading reproduces which claim."""

from __future__ import annotations

import pandas as pd

from nup.claims import verdicts
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import judged_names

#: How a verdict on a reading is said.
_WORDS = {
    verdicts.SUPPORTED: "reproduced by",
    verdicts.CONTRADICTED: "not reproduced by",
    verdicts.INCONCLUSIVE: "undecided for",
    verdicts.NOT_RUN: "not run for",
}


def overall_rows(table: pd.DataFrame, aspect: str = "") -> pd.DataFrame:
    """The overall verdicts of one aspect, or of all, with a column ``judged_for``.

    ``judged_for`` is the activation, with the regime where that claim was judged in several.
    """
    rows = table[table["criterion"] == OVERALL]
    if aspect:
        rows = rows[rows["aspect"] == aspect]
    names = [judged_names(group) for _, group in rows.groupby("claim", sort=False)]
    return rows.assign(judged_for=pd.concat(names) if names else "")


def reproduction_text(table: pd.DataFrame, aspect: str) -> str:
    """Markdown: for each claim, the readings of an aspect that reproduce it and those that do not.

    The reading that the claims table judges is bold.
    """
    rows = overall_rows(table, aspect)
    if rows.empty:
        return "No reading was judged: the tables hold no runs."
    lines = [
        f"| claim | judged for | {' | '.join(_WORDS.values())} |",
        "|---" * (2 + len(_WORDS)) + "|",
    ]
    for (claim, name), group in rows.groupby(["claim", "judged_for"], sort=False):
        cells = [_names(group[group["verdict"] == verdict]) for verdict in _WORDS]
        lines.append(f"| `{claim}` | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(rows: pd.DataFrame) -> str:
    pairs = zip(rows["reading"], rows["judged"], strict=True)
    names = [f"**{reading}**" if judged else f"{reading}" for reading, judged in pairs]
    return "; ".join(names) or "–"


def substitutions_text(table: pd.DataFrame, aspect: str) -> str:
    """Markdown: what each reading of an aspect puts into the criteria, and at which depths."""
    rows = table[table["aspect"] == aspect]
    lines = ["| reading | puts in | depths, by claim |", "|---|---|---|"]
    for reading, group in rows.groupby("reading", sort=False):
        label = f"**{reading}**, as the claims table" if group["judged"].all() else f"{reading}"
        places = group.drop_duplicates("claim")
        depths = "; ".join(
            f"`{claim}`: {found or 'no runs'}"
            for claim, found in zip(places["claim"], places["depths"], strict=True)
        )
        put_in = group["substitution"].iloc[0] or "–"
        lines.append(f"| {label} | {put_in} | {depths} |")
    return "\n".join(lines)


def criteria_text(table: pd.DataFrame, aspect: str, claim: str) -> str:
    """Markdown: every criterion of a claim in every reading of an aspect, estimate by estimate."""
    chosen = (table["aspect"] == aspect) & (table["claim"] == claim)
    rows = table[chosen & (table["criterion"] != OVERALL)]
    rows = rows.assign(judged_for=judged_names(rows))
    lines = [
        "| reading | judged for | criterion | estimate | range | verdict | remarks |",
        "|---|---|---|---|---|---|---|",
    ]
    columns = ["reading", "judged_for", "criterion", "estimate", "threshold", "verdict", "reason"]
    for row in rows[columns].to_dict("records"):
        row["estimate"] = "–" if pd.isna(row["estimate"]) else f"{row['estimate']:.3g}"
        row["verdict"] = f"**{row['verdict']}**"
        cells = (str(cell).replace("|", "\\|") for cell in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
