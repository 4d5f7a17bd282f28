"""The verdicts as a text table, for the end of a run."""

from __future__ import annotations

from pathlib import Path

from nup import store


def text(path: str | Path) -> str:
    """One line per claim, one column per activation; below, how many verdicts of each kind."""
    claims = store.read_table("claims", path)
    overall = claims[claims["criterion"] == "overall"]
    if overall.empty:
        return f"{path}: no claim was judged"
    order = list(dict.fromkeys(overall["claim"]))
    wide = overall.pivot(index="claim", columns="activation", values="verdict").loc[order]
    wide.columns.name = wide.index.name = None
    counts = overall["verdict"].value_counts()
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{wide.fillna('-').to_string()}\n{total}"
