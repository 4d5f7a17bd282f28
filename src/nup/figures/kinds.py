"""Which kinds of run a figure of single runs has rows for."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nup.analysis.cosine.trajectories import KINDS, first_run
from nup.claims.catalogue import Claim
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures.panels import regime_selections


def kinds_run(tables: Mapping[str, pd.DataFrame], claim: Claim) -> tuple[list[str], str]:
    """The kinds of run that some activation has, and a note on what a panel is and what is absent.

    All kinds if none was run: their panels then say so.
    """
    selections = regime_selections(tables, claim)
    shown = [kind for kind in KINDS if any(_has(each, kind) for each in selections)]
    note = "One run a panel, at the lowest seed."
    if not shown:
        return list(KINDS), note
    absent = [kind for kind in KINDS if kind not in shown]
    return shown, f"{note} Not run: {', '.join(absent)}." if absent else note


def _has(selection: RunSelection, kind: str) -> bool:
    try:
        first_run(selection, kind)
    except (NotRun, Undecided):
        return False
    return True
