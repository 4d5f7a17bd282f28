"""The verdicts as text: a table for the end of a run, and one in Markdown for pages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nup import store
from nup.claims import Catalogue
from nup.claims.judgement import OVERALL


def text(path: str | Path) -> str:
    """One line per claim, one column per activation; below, how many verdicts of each kind."""
    overall = _overall(path)
    if overall.empty:
        return f"{path}: no claim was judged"
    wide = _by_activation(overall)
    wide.columns.name = wide.index.name = None
    counts = overall["verdict"].value_counts()
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{wide.fillna('-').to_string()}\n{total}"


def markdown(path: str | Path, catalogue: Catalogue) -> str:
    """A Markdown table with a line per claim: figure, claim, notebook, and verdicts.

    Figures are linked in the folder ``figures`` beside that of the table.
    """
    folder = (Path(path).parent.parent / "figures").as_posix()
    overall = _overall(path)
    wide = _by_activation(overall).fillna("-")
    titles = {claim.id: claim.title for claim in catalogue.claims}
    places = overall.drop_duplicates("claim").set_index("claim")[["figure", "notebook"]]
    lines = [
        "| figure | claim | notebook | " + " | ".join(f"`{name}`" for name in wide) + " |",
        "|---" * (3 + wide.shape[1]) + "|",
    ]
    for claim in wide.index:
        figure, notebook = (str(place) for place in places.loc[claim])
        cells = [
            f"[`{figure}`]({folder}/{figure})",
            f"{titles[claim]} (`{claim}`)",
            f"`{notebook}`",
            *wide.loc[claim],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _overall(path: str | Path) -> pd.DataFrame:
    claims = store.read_table("claims", path)
    return claims[claims["criterion"] == OVERALL]


def _by_activation(overall: pd.DataFrame) -> pd.DataFrame:
    """Verdicts with a row per claim and a column per activation, both in the table's order."""
    claims, names = (list(dict.fromkeys(overall[name])) for name in ("claim", "activation"))
    wide = overall.pivot(index="claim", columns="activation", values="verdict")
    return wide.loc[claims, names]
