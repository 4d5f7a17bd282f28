"""Claims and verdicts as Markdown."""

from __future__ import annotations

import pandas as pd

from nup.claims import markdown
from nup.claims.catalogue import Catalogue, Claim
from nup.claims.evaluation import OVERALL
from nup.claims.ranges import readable
from nup.claims.regimes import claim_regimes, judged_names

#: Meanings of the provenance tags.
PROVENANCE = {
    "v1": "said in the abstract of arXiv 2502.13110v1",
    "v2": "said in the abstract of version 2 or a published summary of it",
    "comp": "said in a companion paper's abstract",
    "lit": "standard in the literature",
    "derived": "follows by calculation",
    "operational": "our reading, not the paper's",
}


def claim_text(claim: Claim) -> str:
    """Markdown: the claim, the quoted words, their provenance, and the criteria set beforehand."""
    criteria = pd.DataFrame(
        [
            (markdown.text(each.name), markdown.text(each.what), readable(each.threshold))
            for each in claim.criteria
        ],
        columns=["criterion", "what must hold", "range"],
    )
    return (
        f"### {markdown.text(claim.title)}\n\n"
        f"> {markdown.text(claim.quote)}\n\n"
        f"Claim `{claim.id}`. Provenance of the claim: `{claim.provenance}`, "
        f"{PROVENANCE[claim.provenance]}. How it is judged is `operational`, "
        f"{PROVENANCE['operational']}: it holds if every criterion does."
        f"{_readings_text(claim)}\n\n{markdown.table(criteria)}\n"
    )


def _readings_text(claim: Claim) -> str:
    """The readings under which a claim is judged; empty for a claim with one."""
    if len(claim.readings) == 1:
        return ""
    labels = ", ".join(markdown.text(reading.label) for reading in claim.readings)
    return (
        f" It is judged under {len(claim.readings)} readings and holds if it does under one: "
        f"{labels}. The criteria below are those of the first."
    )


def readings_text(table: pd.DataFrame, claim_id: str) -> str:
    """Markdown: the verdict and the criteria of each reading of a claim that has runs.

    Args:
        table: the table ``readings``.
        claim_id: the claim.
    """
    rows = table[table["claim"] == claim_id]
    overall = rows[rows["criterion"] == OVERALL]
    absent = [
        markdown.text(reading)
        for reading, group in overall.groupby("reading", sort=False)
        if set(group["verdict"]) == {"not run"}
    ]
    shown = rows[~rows["reading"].isin(absent)]
    lines = [f"Not run: {', '.join(absent)}."] if absent else []
    return "\n\n".join([*([verdict_table(shown)] if len(shown) else []), *lines])


def verdict_text(judged: pd.DataFrame, claim_id: str) -> str:
    """Markdown: the overall verdict for each activation, and regime if there are several."""
    rows = judged[(judged["claim"] == claim_id) & (judged["criterion"] == OVERALL)]
    if rows.empty:
        return "No activation was judged: the tables hold no runs."
    lines = [
        f"- `{name}`: **{row.verdict}** ({markdown.text(row.reason)})"
        for name, row in zip(judged_names(rows), rows.itertuples(index=False), strict=True)
    ]
    return "\n".join(lines)


def verdict_rows(judged: pd.DataFrame, claim_id: str) -> str:
    """Markdown: a line for each row of one claim, with its estimate, interval and verdict."""
    return verdict_table(judged[judged["claim"] == claim_id])


def verdict_table(rows: pd.DataFrame) -> str:
    """Markdown: rows of ``claims`` or ``readings`` with estimate, interval and verdict."""
    shown = rows_shown(rows)
    written = {
        name: shown[name].map(_written)
        for name in ("reading", "criterion", "remarks")
        if name in shown
    }
    shown = shown.assign(**written)
    return markdown.table(shown.assign(verdict="**" + shown["verdict"] + "**"))


def rows_shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``claims`` or ``readings`` as text, in the columns that readers see."""
    low, high = (rows[end].map(markdown.number) for end in ("low", "high"))
    readings = {"reading": rows["reading"]} if rows["reading"].fillna("").any() else {}
    shown = {
        "judged for": judged_names(rows),
        **readings,
        "criterion": rows["criterion"],
        "verdict": rows["verdict"],
        "estimate": rows["estimate"].map(markdown.number),
        "95 % interval": low + " … " + high,
        "range": rows["threshold"].map(readable),
        "seeds": rows["n_seeds"],
        "remarks": rows["reason"],
    }
    return pd.DataFrame(shown)


def _written(value: object) -> object:
    """What stands in a file of claims, as text; a missing value as it is."""
    return markdown.text(value) if isinstance(value, str) else value


def index_text(judged: pd.DataFrame, catalogue: Catalogue) -> str:
    """Markdown: a table of the claims with their verdicts and links to their notebooks.

    A claim that was judged in several regimes has a line for each.
    """
    overall = judged[judged["criterion"] == OVERALL]
    names = list(dict.fromkeys(overall["activation"]))
    found = overall.set_index(["claim", "setting", "activation"])["verdict"]
    lines = []
    for claim in catalogue.claims:
        # An activation that the claim's experiment does not have is not judged.
        absent = "–" if claim.id in set(overall["claim"]) else "not run"
        stem = claim.notebook.removesuffix(".ipynb")
        regimes = claim_regimes(overall, claim.id)
        for regime in regimes:
            where = f": {regime}" if len(regimes) > 1 else ""
            verdicts = {name: found.get((claim.id, regime, name), absent) for name in names}
            lines.append(
                {
                    "claim": f"{markdown.text(claim.title)}{where}",
                    "provenance": f"`{claim.provenance}`",
                    **verdicts,
                    "shown in": f"[notebook]({stem}.ipynb), [page]({stem}.html)",
                }
            )
    return markdown.table(pd.DataFrame(lines))
