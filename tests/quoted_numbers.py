"""Numbers that prose quotes from a table of claims, each followed by a comment that says which.

``−0.12 [−0.19, −0.05]<!-- laptop: nup-best-rate | abs | slope -->`` quotes the estimate and its
interval of one criterion in the shipped claims of ``laptop``; a setting and a reading may follow,
where there are several. ``5.6 points`` and ``5.6 %`` are hundredths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nup.tables import store

KEYS = ("claim", "activation", "criterion", "setting", "reading")
_NUMBER = r"[−-]?\d[\d,]*(?:\.\d+)?"
_QUOTED = re.compile(
    rf"(?P<estimate>{_NUMBER})(?: \[(?P<low>{_NUMBER}), (?P<high>{_NUMBER})\])?"
    r"(?P<unit>\s(?:points|%))?<!-- (?P<study>[\w-]+): (?P<row>[^>]*?) -->"
)
_MARKED = re.compile(r"<!-- [\w-]+: [\w-]+ \|")


@dataclass(frozen=True)
class Quoted:
    """A quoted number: its text by column, and the row that it is of."""

    study: str
    row: dict[str, str]
    numbers: dict[str, str]
    scale: int

    def mistakes(self, folder: Path) -> list[str]:
        """What is wrong with the numbers, by the tables of the study in this folder."""
        table = "readings" if "reading" in self.row else "claims"
        rows = store.read_table(table, folder / self.study / "tables" / f"{table}.parquet")
        for key, value in self.row.items():
            rows = rows[rows[key].fillna("") == value]
        where = f"{self.study}: {' | '.join(self.row.values())}"
        if len(rows) != 1:
            return [f"{where}: {len(rows)} rows of {table}"]
        row = rows.iloc[0]
        return [
            f"{where}: {column} is {row[column]:.4g}, and {text} is quoted"
            for column, text in self.numbers.items()
            if not self._agrees(text, row[column])
        ]

    def _agrees(self, text: str, value: float) -> bool:
        written = text.replace("−", "-").replace(",", "")
        decimals = len(written.partition(".")[2])
        # Half a unit of the last decimal, and rounding of what is shipped.
        return not pd.isna(value) and (
            abs(float(written) - self.scale * value) <= 0.5001 * 10.0**-decimals
        )


def quoted(text: str) -> list[Quoted]:
    """All quoted numbers of a page.

    Raises:
        ValueError: a comment follows no number.
    """
    found = []
    for match in _QUOTED.finditer(text):
        row = dict(zip(KEYS, (part.strip() for part in match["row"].split("|")), strict=False))
        numbers = {key: match[key] for key in ("estimate", "low", "high") if match[key]}
        found.append(Quoted(match["study"], row, numbers, 100 if match["unit"] else 1))
    if len(found) != len(_MARKED.findall(text)):
        raise ValueError("a comment that names a row of claims follows no number")
    return found
