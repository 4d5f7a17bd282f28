"""Readings against the paper's sentences: which ideas and which claims hold under which reading."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from nup.claims import Catalogue, identification
from nup.claims.catalogue import Claim
from nup.claims.evaluation import OVERALL
from nup.claims.verdicts import NOT_RUN


class Idea(NamedTuple):
    """A sentence of the paper that several claims make.

    Attributes:
        sentence: the paper's.
        claims: ids of the claims.
        lines: label of a reading, and the verdict for each activation.
    """

    sentence: str
    claims: list[str]
    lines: list[tuple[str, dict[str, str]]]


class Matrix(NamedTuple):
    """Claims that are read along the same dimensions.

    Attributes:
        under: the dimensions, ``one reading`` for claims with one.
        claims: id and title of each claim, a column each.
        lines: label of a reading, and of each claim the verdict for each activation.
        absent: labels of the readings that were not run.
    """

    under: str
    claims: list[tuple[str, str]]
    lines: list[tuple[str, list[dict[str, str]]]]
    absent: list[str]


def ideas(readings: pd.DataFrame, catalogue: Catalogue) -> tuple[list[Idea], dict[str, str]]:
    """The ideas under their readings, and for each activation whether they hold together.

    Args:
        readings: the table ``readings``.
        catalogue: the ideas and their claims.
    """
    found = identification.ideas(readings, catalogue)
    shown = []
    for idea in catalogue.ideas:
        rows = found[found["idea"] == idea.sentence]
        lines = [
            (
                str(reading) or "its one reading",
                dict(zip(group["activation"], group["verdict"], strict=True)),
            )
            for reading, group in rows.groupby("reading", sort=False)
        ]
        shown.append(Idea(idea.sentence, idea.claims, lines))
    return shown, identification.conclusions(found, catalogue)


def matrices(readings: pd.DataFrame, catalogue: Catalogue) -> list[Matrix]:
    """Readings against claims, as ``nup verdicts --by-reading`` prints them.

    Args:
        readings: the table ``readings``.
        catalogue: the claims, with the readings under which each is judged.

    Returns:
        Claims with one reading are last. What has no verdict is left out.
    """
    overall = readings[readings["criterion"] == OVERALL]
    groups = identification.dimensions(catalogue)
    alone = groups.pop((), [])
    found = [
        _matrix(overall, " and ".join(under), claims, [each.label for each in claims[0].readings])
        for under, claims in groups.items()
    ]
    found.append(_matrix(overall, "one reading", alone, [""]))
    return [matrix for matrix in found if matrix.lines]


def _matrix(overall: pd.DataFrame, under: str, claims: list[Claim], labels: list[str]) -> Matrix:
    lines: list[tuple[str, list[dict[str, str]]]] = []
    absent = []
    for label in labels:
        cells = [identification.by_activation(overall, claim.id, label) for claim in claims]
        if all(verdict == NOT_RUN for cell in cells for verdict in cell.values()):
            absent.append(label)
        else:
            lines.append((label, cells))
    return Matrix(under, [(claim.id, claim.title) for claim in claims], lines, absent)
