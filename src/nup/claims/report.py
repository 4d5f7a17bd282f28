"""Claims and verdicts as text and tables for a reader."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nup.claims.catalogue import Catalogue, Claim
from nup.claims.evaluation import OVERALL
from nup.claims.regimes import claim_regimes, judged_names

#: What a provenance tag means.
PROVENANCE = {
    "v1": "said in the abstract of arXiv 2502.13110v1",
    "v2": "said in the abstract of version 2 or a published summary of it",
    "comp": "said in a companion paper's abstract",
    "lit": "standard in the literature",
    "derived": "follows by calculation",
    "operational": "our reading, not the paper's",
}


def claim_text(claim: Claim) -> str:
    """Markdown: the claim, the words it reads, where they come from, and its pre-set criteria."""
    criteria = "\n".join(_criterion_lines(claim))
    return (
        f"### {claim.title}\n\n"
        f"> {claim.quote}\n\n"
        f"Claim `{claim.id}`. Provenance of the claim: `{claim.provenance}`, "
        f"{PROVENANCE[claim.provenance]}. How it is judged is `operational`, "
        f"{PROVENANCE['operational']}: it holds if every criterion does, with at least "
        f"{claim.min_seeds} seeds.\n\n"
        f"| criterion | what must hold | range |\n|---|---|---|\n{criteria}\n"
    )


def _criterion_lines(claim: Claim) -> list[str]:
    return [
        f"| {_cell(each.name)} | {_cell(each.what)} | {each.threshold} |" for each in claim.criteria
    ]


def _cell(text: str) -> str:
    """Text that does not end a cell of a Markdown table."""
    return text.replace("|", "\\|")


def verdict_text(judged: pd.DataFrame, claim_id: str) -> str:
    """Markdown: the overall verdict for each activation, and regime if there are several."""
    rows = judged[(judged["claim"] == claim_id) & (judged["criterion"] == OVERALL)]
    if rows.empty:
        return "No activation was judged: the tables hold no runs."
    lines = [
        f"- `{name}`: **{row.verdict}** ({row.reason})"
        for name, row in zip(judged_names(rows), rows.itertuples(index=False), strict=True)
    ]
    return "\n".join(lines)


def verdict_rows(judged: pd.DataFrame, claim_id: str) -> str:
    """Markdown: the rows of one claim with the columns that a reader needs."""
    rows = judged[judged["claim"] == claim_id]
    lines = [
        "| judged for | criterion | estimate | 95 % interval | range | seeds | verdict | remarks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in zip(judged_names(rows), rows.itertuples(index=False), strict=True):
        cells = (
            name,
            _cell(str(row.criterion)),
            _number(row.estimate),
            f"{_number(row.low)} … {_number(row.high)}",
            str(row.threshold),
            str(row.n_seeds),
            f"**{row.verdict}**",
            _cell(str(row.reason)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: Any) -> str:
    return f"{value:.3g}" if pd.notna(value) else "–"


def index_text(judged: pd.DataFrame, catalogue: Catalogue) -> str:
    """Markdown: a table of the claims with their verdicts and links to their notebooks.

    A claim that was judged in several regimes has a line for each.
    """
    overall = judged[judged["criterion"] == OVERALL]
    names = list(dict.fromkeys(overall["activation"]))
    found = overall.set_index(["claim", "setting", "activation"])["verdict"]
    lines = [
        "| claim | provenance | " + "".join(f"{name} | " for name in names) + "shown in |",
        "|---|---|" + "---|" * (len(names) + 1),
    ]
    for claim in catalogue.claims:
        # An activation that the claim's experiment does not have is not judged.
        absent = "–" if claim.id in set(overall["claim"]) else "not run"
        stem = claim.notebook.removesuffix(".ipynb")
        links = f"[notebook]({stem}.ipynb), [page]({stem}.html)"
        regimes = claim_regimes(overall, claim.id)
        for regime in regimes:
            where = f": {regime}" if len(regimes) > 1 else ""
            key = (claim.id, regime)
            verdicts = "".join(f"{found.get((*key, name), absent)} | " for name in names)
            lines.append(f"| {claim.title}{where} | `{claim.provenance}` | {verdicts}{links} |")
    return "\n".join(lines)
