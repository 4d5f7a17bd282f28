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


def of_tables(folder: str | Path) -> Contents:
    """The contents of the study whose tables are in ``folder``; an absent table has none."""

    def experiments(name: str) -> frozenset[str]:
        path = Path(folder) / f"{name}.parquet"
        if not path.is_file():
            return frozenset()
        return frozenset(store.read_table(name, path, columns=["experiment"])["experiment"])

    return Contents(experiments("runs") | experiments("init"), experiments("phases"))
