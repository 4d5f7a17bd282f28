"""Contents of a study: its experiments and phase diagrams decide what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nup.claims.catalogue import Catalogue, Claim
from nup.tables import store


class Contents(NamedTuple):
    """Names of the experiments, untrained ones included, and of the phase diagrams of a study."""

    experiments: frozenset[str]
    diagrams: frozenset[str] = frozenset()

    def claims(self, catalogue: Catalogue) -> list[Claim]:
        """The claims whose experiment the study has."""
        return [claim for claim in catalogue.claims if claim.experiment in self.experiments]


def place_of(claim_id: str) -> str:
    """The name of the place in a notebook's page where a claim is stated."""
    return f"claim-{claim_id}"


def accepted(folder: str | Path) -> str:
    """A sentence on results that were accepted although they are of other code or versions.

    Args:
        folder: of a study's tables. An absent table has none.

    Returns:
        An empty string where there are none.
    """
    found = []
    for name in ("runs", "init", "phases"):
        path = Path(folder) / f"{name}.parquet"
        if path.is_file():
            marks = store.read_table(name, path, columns=["mixed"])["mixed"]
            if count := int(marks.notna().sum()):
                reasons = marks.value_counts().index
                more = f" and {len(reasons) - 3} further reasons" if len(reasons) > 3 else ""
                listed = f"{'; '.join(reasons[:3])}{more}"
                found.append(f"{count} of {len(marks)} rows of `{name}` ({listed})")
    if not found:
        return ""
    return f"Mixed results, which were accepted: {', '.join(found)}. See docs/integrity.md."


def of_tables(folder: str | Path) -> Contents:
    """The contents of the study whose tables are in ``folder``; an absent table has none."""

    def experiments(name: str) -> frozenset[str]:
        path = Path(folder) / f"{name}.parquet"
        if not path.is_file():
            return frozenset()
        return frozenset(store.read_table(name, path, columns=["experiment"])["experiment"])

    return Contents(experiments("runs") | experiments("init"), experiments("phases"))
