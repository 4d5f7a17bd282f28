"""Two tables of claims side by side: differences are marked, and the page stands alone."""

from pathlib import Path

import pytest

import browser
from nup import cli
from nup.report import comparison
from nup.tables import store
from page_reader import Page, faults

SHIPPED = Path(__file__).parents[1] / "results" / "reference" / "laptop" / "tables"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The page of the shipped claims with one other verdict and one row less, and the shipped."""
    folder = tmp_path_factory.mktemp("compared")
    reference = store.read_table("claims", SHIPPED / "claims.parquet")
    new = reference.copy()
    criteria = new.index[new["criterion"] != "overall"]
    row = criteria[new.loc[criteria, "verdict"] == "supported"][0]
    new.loc[row, "verdict"] = "contradicted"
    new = new.drop(index=criteria[-1])
    new.loc[new["claim"] == new["claim"].iloc[-1], "claim"] = HOSTILE
    store.write_table("claims", new, folder / "claims.parquet")
    page = folder / "page.html"
    paths = [str(folder / "claims.parquet"), str(SHIPPED / "claims.parquet")]
    assert cli.main(["compare", *paths, "--page", str(page)]) == 1
    return page, paths


def test_what_differs_is_marked_and_nothing_else(compared):
    path, paths = compared
    page = Page(path)
    expected = comparison.differences(*paths)
    assert len(expected) > 2
    assert page.source.count('class="differs"') == len(expected)
    assert page.text.count("≠ ") == len(expected)
    for line in expected:
        assert line.rpartition(": ")[2] in page.text
    assert all(name in page.text for name in paths)


def test_the_page_stands_alone_and_text_is_text(compared):
    path, _ = compared
    assert faults(path) == []
    page = Page(path)
    assert "script" not in page.tags
    assert HOSTILE in page.text


def test_equal_tables_have_no_marks(tmp_path):
    page, table = tmp_path / "page.html", str(SHIPPED / "claims.parquet")
    assert cli.main(["compare", table, table, "--page", str(page)]) == 0
    read = Page(page)
    assert 'class="differs"' not in read.source
    assert "No criterion differs." in read.text


def test_a_page_that_cannot_be_written_is_named(tmp_path, capsys):
    table = str(SHIPPED / "claims.parquet")
    assert cli.main(["compare", table, table, "--page", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.skipif(not browser.PROGRAM, reason="no chromium (Debian package chromium)")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_opens_in_a_browser(compared, dark):
    path, _ = compared
    browser.check([path], dark=dark)
