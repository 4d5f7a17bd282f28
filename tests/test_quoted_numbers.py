"""Numbers in prose are those of the shipped tables."""

from pathlib import Path

import pandas as pd
import pytest

from nup.tables import store
from nup.tables.schema import TABLES
from quoted_numbers import quoted

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHIPPED = ROOT / "results" / "reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_numbers_are_those_of_the_shipped_tables(page):
    assert [said for each in quoted(page.read_text()) for said in each.mistakes(SHIPPED)] == []


def test_the_results_quote_numbers_of_every_study():
    studies = {path.name for path in SHIPPED.iterdir()}
    assert {each.study for each in quoted((ROOT / "docs" / "results.md").read_text())} == studies


@pytest.fixture
def shipped(tmp_path):
    row = dict.fromkeys(TABLES["claims"]) | {
        "claim": "useful",
        "activation": "abs",
        "criterion": "νP",
        "setting": "mse",
        "estimate": -0.0564,
        "low": -0.084,
        "high": 1234.0,
    }
    rows = [row, row | {"criterion": "twice"}, row | {"criterion": "twice", "setting": "ce"}]
    columns = ("provenance", "verdict", "figure", "notebook")
    frame = pd.DataFrame([each | dict.fromkeys(columns, "x") for each in rows])
    store.write_table("claims", frame, tmp_path / "tiny" / "tables" / "claims.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("by −0.056 [−0.08, 1,234]<!-- tiny: useful | abs | νP -->", []),
        ("by −5.6 points<!-- tiny: useful | abs | νP -->", []),
        ("−0.06<!-- tiny: useful | abs | twice | ce -->", []),
        ("-0.05<!-- tiny: useful | abs | νP -->", ["estimate is -0.0564, and -0.05 is quoted"]),
        ("0.06<!-- tiny: useful | abs | νP -->", ["estimate is -0.0564, and 0.06 is quoted"]),
        (
            "−0.06 [−0.09, 1,235]<!-- tiny: useful | abs | νP -->",
            ["low is -0.084, and −0.09 is quoted", "high is 1234, and 1,235 is quoted"],
        ),
        ("−0.06<!-- tiny: useful | abs | twice -->", ["2 rows of claims"]),
        ("−0.06<!-- tiny: useful | relu | νP -->", ["0 rows of claims"]),
    ],
)
def test_a_wrong_number_is_found(shipped, text, mistakes):
    (number,) = quoted(f"It fell {text}, they say.")
    found = number.mistakes(shipped)
    assert [said.rpartition(": ")[2] for said in found] == mistakes


def test_a_row_without_a_number_is_found():
    with pytest.raises(ValueError, match="follows no number"):
        quoted("It fell.<!-- tiny: useful | abs | νP -->")
