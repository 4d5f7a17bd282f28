"""Both registrations' verdicts side by side: every claim has a successor, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import synthetic_tables as synthetic
from nup.claims import evaluate, load_catalogue
from nup.report import registrations

ROOT = Path(__file__).parents[1]
FIRST = ROOT / "docs" / "first-registration.csv"


@pytest.fixture(scope="module")
def first() -> pd.DataFrame:
    return registrations.read_first(FIRST)


def test_every_claim_of_the_first_has_successors_in_the_second(first):
    catalogue = load_catalogue(ROOT / "config" / "claims.yaml")
    assert set(first["claim"]) == set(registrations.SUCCESSORS)
    named = {claim for claims, _ in registrations.SUCCESSORS.values() for claim in claims}
    assert named <= {claim.id for claim in catalogue.claims}


def test_verdicts_stand_side_by_side(first):
    catalogue = load_catalogue(ROOT / "config" / "claims.yaml")
    alone = catalogue.model_copy(update={"claims": [catalogue["eoc-init"]]})
    second = evaluate({"init": synthetic.init_table(drift=0.1)}, alone).claims
    own = first[(first["study"] == "laptop") & (first["claim"] == "eoc-init")]
    rows = registrations.verdict_rows(own, second)
    abs_row = rows[rows["judged for"] == "abs, initialization"].iloc[0]
    assert (abs_row["first"], abs_row["second"]) == ("supported", "contradicted")
    relu = rows[rows["judged for"] == "relu, initialization"].iloc[0]
    assert relu["second"] == "–"


def test_slopes_change_one_rule_at_a_time(first):
    tables = synthetic.depth_tables(slopes={synthetic.NUP: 0.5})
    own = first[(first["study"] == "laptop") & (first["activation"] == "abs")]
    steps = registrations.slope_steps(tables, own)
    (row,) = steps.to_dict("records")
    old = own[own["criterion"] == "slope of the largest stable LR"].iloc[0]
    assert row["first: grid points, depths from 2, cutoff 0.95"].startswith(
        f"{old['estimate']:+.3g}".replace("-", "−")
    )
    found = float(row["interpolated, depths from 3, cutoff 0.7"].split()[0].replace("−", "-"))
    assert found == pytest.approx(-0.5, abs=0.15)  # runs diverge between two half octaves


def test_the_page_holds_every_verdict_of_the_first(first):
    text = (ROOT / "docs" / "registrations.md").read_text()
    overall = first[first["criterion"] == "overall"]
    for study, rows in overall.groupby("study"):
        section = text.split(f"## {study}\n")[1].split("\n## ")[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        for row in rows.itertuples():
            start = f"| {row.claim} | {row.activation}, {row.setting} | {row.verdict} |"
            assert any(line.startswith(start) for line in lines), start
