"""The cells of a figure notebook: read tables, state claims, draw and show figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure

from nup.claims import Catalogue, load_catalogue, markdown, report
from nup.claims.catalogue import Claim
from nup.figures import FIGURES
from nup.figures.description import describe
from nup.figures.phase_diagrams import phase_diagram
from nup.figures.style import save
from nup.registry import plugin_files
from nup.report import findings
from nup.report.contents import Contents, accepted, of_tables, place_of
from nup.tables import store

#: Width in pixels at which figures are shown.
_WIDTH = 900


class Page:
    """The tables, claims and figures of one notebook.

    Args:
        tables: folder of the study's tables.
        figures: folder to which figures are saved.
        claims: the file of claims; those of plug-ins are added.
        reads: names of the tables to read.
        plugins: paths of plug-ins, joined by ``os.pathsep``.

    Attributes:
        catalogue: all claims.
        data: the tables that were read, by name.
        judged: the table ``claims``; without rows if it was not read.
        contents: the experiments and phase diagrams of the study.
    """

    def __init__(
        self,
        tables: str | Path,
        figures: str | Path,
        claims: str | Path,
        reads: Sequence[str],
        plugins: str = "",
    ) -> None:
        for path in filter(None, plugins.split(os.pathsep)):
            plugin_files.load(path)
        further = [file for plugin in plugin_files.loaded() for file in plugin.claims]
        self.catalogue: Catalogue = load_catalogue(claims, *further)
        self.data = {
            name: store.read_table(name, Path(tables) / f"{name}.parquet") for name in reads
        }
        empty = pd.DataFrame(
            columns=["claim", "reading", "activation", "setting", "criterion", "verdict"]
        )
        self.judged: pd.DataFrame = self.data.get("claims", empty)
        self.contents: Contents = of_tables(tables)
        self._figures = Path(figures)
        if note := accepted(tables):
            self.write(f"**{note}**")

    def state(self, claim_id: str) -> None:
        """Show a claim as fixed before the runs, then its verdicts."""
        text = report.claim_text(self.catalogue[claim_id])
        # Pages link to the place.
        display(Markdown(text), metadata={"text/markdown": {"anchor": place_of(claim_id)}})
        self.write("**Verdicts**\n\n" + report.verdict_text(self.judged, claim_id))

    def rows(self, claim_id: str) -> None:
        """Show every row of the claims table that belongs to a claim."""
        self.write(report.verdict_rows(self.judged, claim_id))

    def readings(self, claim_id: str) -> None:
        """Show every reading of a claim with its criteria."""
        self.write(report.readings_text(self.data["readings"], claim_id))

    def write(self, text: str) -> None:
        """Show Markdown."""
        display(Markdown(text))

    def draw(
        self, claim_id: str, figure: str | Callable[..., Figure], file: str = "", **options: Any
    ) -> None:
        """Draw a figure on the runs of a claim, or say that the study has none.

        Args:
            claim_id: the claim.
            figure: a name in ``nup.figures.FIGURES``, or a function with the same parameters.
            file: name of the file, the claim's ``figure`` by default.
            options: further arguments of the function.
        """
        claim = self.catalogue[claim_id]
        if claim.experiment not in self.contents.experiments:
            self.write(f"Not drawn: the study has no runs of the experiment `{claim.experiment}`.")
            return
        function = FIGURES[figure].draw if isinstance(figure, str) else figure
        self.show(function(self.data, self.judged, claim, **options), file or claim.figure)
        if not file:
            self.found(claim_id)

    def found(self, claim_id: str) -> None:
        """Say what decided the verdicts on a claim, and how far they are from another."""
        rows = self.judged[self.judged["claim"] == claim_id]
        lines = [
            f"- `{each.name}`: **{each.verdict}**. {markdown.text(each.sentence)} {each.margin}"
            for each in findings.findings(rows, rows.iloc[:0])
        ]
        if lines:
            self.write("\n".join(["**What decided it**", "", *lines]))

    def diagram(self, name: str, file: str, **options: Any) -> None:
        """Draw a phase diagram of the study by its name, or say that the study has no such one."""
        if name not in self.contents.diagrams:
            self.write(f"Not drawn: the study has no phase diagram `{name}`.")
            return
        self.show(phase_diagram(self.data, name, **options), file)

    def show(self, figure: Figure, file: str) -> None:
        """Save a figure under ``figures`` and show the saved file."""
        path = save(figure, self._figures / file)
        shown = {"width": _WIDTH, "alt": describe(figure), "figure": file}
        display(Image(path), metadata={"image/png": shown})

    def claims_with_runs(self) -> list[Claim]:
        """The claims whose experiments the study has."""
        return self.contents.claims(self.catalogue)
