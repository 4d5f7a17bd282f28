"""Under which readings the paper's ideas hold together."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from nup.claims import identification, load_catalogue
from nup.cli import main
from nup.errors import UserError
from nup.report import scorecard
from nup.tables import store
from nup.tables.schema import READINGS

CRITERION = {
    "name": "slope",
    "what": "it is small",
    "estimator": "loss_depth_slope",
    "arguments": {"net": "{net}"},
    "threshold": {"high": 0.0},
}


def claim(name, under, net="{net}"):
    return {
        "id": name,
        "title": name.capitalize(),
        "quote": name,
        "provenance": "v1",
        "experiment": "depth",
        "under": under,
        "figure": f"{name}.png",
        "notebook": "02_depth.ipynb",
        "criteria": [{**CRITERION, "arguments": {"net": net}}],
    }


FILE = {
    "readings": {
        "width": [{"label": "wide", "net": "nup(r=2)"}, {"label": "narrow", "net": "nup(r=1)"}],
    },
    "ideas": [
        {"sentence": "deep", "provenance": "v1", "claims": ["stable", "best", "plain"]},
        {"sentence": "long", "provenance": "v1", "claims": ["plain"]},
    ],
    "claims": [
        claim("stable", ["width"]),
        claim("best", ["width"]),
        claim("plain", [], net="mup"),
    ],
}


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(FILE))
    return load_catalogue(path)


def readings(**verdicts):
    """Rows of the table: ``stable_wide="supported"``, and of ``plain`` without a reading."""
    rows = []
    for key, verdict in verdicts.items():
        name, _, label = key.partition("_")
        row = {"claim": name, "reading": label, "activation": "abs", "setting": "mse, full batch"}
        numbers = {"estimate": 1.0, "low": 0.5, "high": 1.5, "n_seeds": 8, "provenance": "v1"}
        texts = {"threshold": "(-inf, 0]", "reason": "", "figure": "a.png", "notebook": "b.ipynb"}
        for criterion in ("overall", "slope"):
            rows.append({**row, **numbers, **texts, "criterion": criterion, "verdict": verdict})
    return pd.DataFrame(rows, columns=list(READINGS))


def test_an_idea_holds_under_a_reading_if_all_its_claims_do(catalogue):
    table = readings(
        stable_wide="supported",
        best_wide="supported",
        stable_narrow="supported",
        best_narrow="contradicted",
        plain="supported",
    )
    found = identification.ideas(table, catalogue)
    deep = found[found["idea"] == "deep"].set_index("reading")
    assert deep["verdict"].to_dict() == {"wide": "supported", "narrow": "contradicted"}
    assert deep.loc["narrow", "open"] == "best contradicted"
    assert found[found["idea"] == "long"]["reading"].tolist() == [""]
    text = identification.together(found, catalogue)
    assert "`abs`: **all ideas hold together**" in text
    assert "1. supported under wide; contradicted under narrow." in text
    assert "2. supported under its one reading." in text


def test_an_idea_that_no_reading_makes_true_refutes_the_set(catalogue):
    table = readings(stable_wide="supported", best_wide="supported", plain="contradicted")
    found = identification.ideas(table, catalogue)
    assert set(found["verdict"]) == {"contradicted"}
    assert "no set of readings makes all ideas true" in identification.together(found, catalogue)


def test_open_claims_leave_the_set_undecided(catalogue):
    table = readings(stable_wide="supported", best_wide="inconclusive", plain="supported")
    found = identification.ideas(table, catalogue)
    assert found.loc[0, "open"] == "best inconclusive"
    assert "**undecided**" in identification.together(found, catalogue)


def test_an_idea_has_to_hold_in_every_setting(catalogue):
    one = readings(stable_wide="supported", best_wide="supported", plain="supported")
    other = one.assign(setting="mse, batch 64")
    other.loc[other["claim"] == "best", "verdict"] = "contradicted"
    found = identification.ideas(pd.concat([one, other]), catalogue)
    assert found[found["idea"] == "deep"]["verdict"].tolist() == ["contradicted"]


def test_what_was_not_run_is_no_reading(catalogue):
    table = readings(stable_wide="supported", stable_narrow="not run", best_narrow="not run")
    found = identification.ideas(table, catalogue)
    assert found["reading"].tolist() == ["wide"]
    assert "not run: plain" in identification.together(found, catalogue)


def test_the_criterion_that_tells_two_readings_apart(catalogue):
    names = [f"{name}_{label}" for name in ("stable", "best") for label in ("wide", "narrow")]
    table = readings(**dict.fromkeys(names, "inconclusive"))
    narrow = (table["claim"] == "best") & (table["reading"] == "narrow")
    table.loc[narrow, ["estimate", "low", "high"]] = (4.0, 3.5, 4.5)
    row = identification.telling(table, catalogue).iloc[0]
    assert (row["one"], row["other"], row["claim"]) == ("wide", "narrow", "best")
    assert row["difference"] == pytest.approx(-3)
    assert row["distance"] == pytest.approx(3 / 0.5**0.5)
    text = identification.telling_text(identification.telling(table, catalogue))
    assert "wide – narrow | `best`: slope | −3 | 4.24" in text
    contradicted = table.assign(verdict="contradicted")
    assert identification.telling(contradicted, catalogue).empty
    assert "No two readings" in identification.telling_text(
        identification.telling(contradicted, catalogue)
    )


def test_ideas_name_claims_of_the_file(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({**FILE, "ideas": [{**FILE["ideas"][0], "claims": ["stabel"]}]}))
    with pytest.raises(UserError, match="idea 'deep': expected claims of this file, got stabel"):
        load_catalogue(path)


def test_readings_stand_against_claims_with_the_marks_of_each_study(catalogue, tmp_path, capsys):
    one = readings(
        stable_wide="supported",
        best_wide="inconclusive",
        stable_narrow="contradicted",
        plain="supported",
    )
    relu = one.assign(activation="relu", verdict="inconclusive")
    paths = []
    for name, table in (("mnist", pd.concat([one, relu])), ("laptop", one)):
        path = tmp_path / name / "tables" / "readings.parquet"
        path.parent.mkdir(parents=True)
        store.write_table("readings", table, path)
        paths.append(path)
    text = scorecard.by_reading(paths, catalogue)
    assert "| width | Stable (`stable`) | Best (`best`) |" in text
    assert "| wide | ✓? · ✓ | ?? · ? |" in text
    assert "| narrow | ✗? · ✗ | – · – |" in text
    assert "| Plain (`plain`) | ✓? · ✓ |" in text
    claims = [str(path.with_name("claims.parquet")) for path in paths]
    files = ["--catalogue", str(tmp_path / "claims.yaml")]
    assert main(["verdicts", *claims, "--by-reading", *files]) == 0
    assert text in capsys.readouterr().out


def test_summary_has_a_line_a_claim_and_links_that_are_relative_to_the_page(
    catalogue, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    one = readings(stable_wide="supported", best_wide="contradicted", plain="inconclusive")
    claims = one.assign(reading=None)
    relu = claims.assign(activation="relu", verdict="inconclusive")
    for name, table in (("mnist", pd.concat([claims, relu])), ("laptop", claims)):
        store.write_table("claims", table, Path("results", name, "tables", "claims.parquet"))
    figure = Path("results", "mnist", "figures", "stable.png")
    figure.parent.mkdir()
    figure.touch()
    tables = [f"results/{name}/tables/claims.parquet" for name in ("mnist", "laptop")]
    options = ["--catalogue", str(tmp_path / "claims.yaml"), "--page", "docs/results.md"]
    assert main(["verdicts", *tables, "--summary", *options]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| Stable | [✓?](../results/mnist/figures/stable.png) | ✓ |",
        "| Best | ✗? | ✗ |",
        "| Plain | ?? | ? |",
    ]
