"""The pages of a study: whole, from disk, described, and with links that lead somewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import browser
from nup import cli
from nup.claims import load_catalogue
from nup.figures import style
from nup.figures.description import described
from nup.report import study_page
from nup.tables import store
from page_reader import Page, faults, figure

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "config" / "claims.yaml"
SHIPPED = ROOT / "results" / "reference" / "laptop" / "tables"
HOSTILE = "A <script>alert(1)</script> & <img src=x onerror=alert(1)> title"


def executed(heading: str, image: bytes = b"") -> nbformat.NotebookNode:
    """A notebook as papermill leaves it: words, silent code, a claim, a figure, a table, prints."""
    import base64

    claim = {"text/markdown": f"### {HOSTILE}\n\n| a | b |\n|---|---|\n| <b>x</b> | {'y ' * 90} |"}
    outputs = [
        new_output("display_data", claim, metadata={"text/markdown": {"anchor": "claim-eoc-init"}}),
        new_output("stream", text="\x1b[31mloss < 1\x1b[0m"),
    ]
    if image:
        told = {"alt": "Rates against depth.", "width": 900, "figure": "eoc-init.png"}
        data = {"image/png": base64.b64encode(image).decode()}
        outputs.append(new_output("display_data", data, metadata={"image/png": told}))
    cells = [
        new_markdown_cell(f"# {heading}\n\nWords *with* m<sub>k</sub>."),
        new_code_cell("first = 1"),
        new_code_cell("second = '</code><script>'", outputs=outputs),
        new_markdown_cell("## Part <i>two</i>"),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study with the shipped tables, two notebooks, a configuration, and another beside it."""
    results = tmp_path_factory.mktemp("project") / "results"
    folder = results / "a study"
    for path in (folder / "tables", results / "other" / "tables"):
        path.mkdir(parents=True)
        for name in ("claims", "readings", "runs", "init", "phases"):
            shutil.copy(SHIPPED / f"{name}.parquet", path)
    for name in ("eoc-init", "depth-needs-help", "soft-rank"):
        saved = style.save(figure(), folder / "figures" / f"{name}.png")
    (folder / "notebooks").mkdir()
    for name, heading in (("01_initialization", "Start"), ("02_depth", "Depth & <more>")):
        text = nbformat.writes(executed(heading, saved.read_bytes()))
        (folder / "notebooks" / f"{name}.ipynb").write_text(text)
    config = ROOT / "config" / "laptop.yaml"
    command = ["pages", str(folder), "--config", str(config), "--catalogue", str(CATALOGUE)]
    assert cli.main(command) == 0
    return folder


def pages(folder: Path) -> list[Path]:
    return [folder / "index.html", *sorted((folder / "notebooks").glob("*.html"))]


def test_pages_are_whole(study):
    assert [path.name for path in pages(study)] == [
        "index.html",
        "01_initialization.html",
        "02_depth.html",
    ]
    for path in pages(study):
        assert faults(path) == []
        assert path.stat().st_size < 2_000_000


def test_a_page_with_faults_is_found_out(tmp_path):
    """The reader of these tests sees what it looks for."""
    path = tmp_path / "page.html"
    path.write_text(
        "<style>@import 'http://a/b.css'; p { background: url(//c/d.png) }</style>"
        "<script src=https://e/f.js></script><img src=x.png><a href=absent.html>g</a>"
        "<a href=#h>i</a><p id=j></p><p id=j></p>"
    )
    found = faults(path)
    assert [line for line in found if line.startswith("asks for")] == [
        "asks for //c/d.png",
        "asks for http://a/b.css",
        "asks for https://e/f.js",
    ]
    assert len(found) == 9


def test_a_verdict_has_its_picture_section_and_rows_at_hand(study):
    page = Page(study / "index.html")
    judged = store.read_table("claims", SHIPPED / "claims.parquet")
    assert set(judged["claim"]) <= set(page.ids)
    assert "figures/eoc-init.png" in page.links
    assert "notebooks/01_initialization.html#claim-eoc-init" in page.links
    # A page that does not state the claim is linked as a whole.
    assert "notebooks/02_depth.html" in page.links
    # A claim whose figure or notebook is absent has no link to it.
    assert "figures/useful.png" not in page.links
    for row in judged[judged["claim"] == "eoc-init"].itertuples():
        assert row.criterion in page.text
    assert page.alts[0] == described(study / "figures" / "eoc-init.png")
    assert "../other/tables" in page.links
    assert "study: laptop" in page.text  # the configuration
    runs = pd.read_parquet(SHIPPED / "runs.parquet")
    diverged = (runs["status"] == "diverged").sum()
    assert f"{len(runs):,} runs, of which {diverged:,} diverged" in page.text
    assert f"{runs['wall_time_s'].sum() / 60:,.1f} core minutes" in page.text
    assert runs["commit"].iloc[0] in page.text


def test_titles_are_text(study, tmp_path):
    text = CATALOGUE.read_text().replace(
        "The Edge of Chaos solves depth at initialization", HOSTILE
    )
    (tmp_path / "claims.yaml").write_text(text)
    catalogue = load_catalogue(tmp_path / "claims.yaml")
    shutil.copytree(study / "tables", tmp_path / "study" / "tables")
    path = study_page.write(tmp_path / "study", study / "tables", catalogue)
    page = Page(path)
    assert "script" not in page.tags and "img" not in page.tags
    assert HOSTILE in page.text
    notebook = Page(study / "notebooks" / "01_initialization.html")
    assert "script" not in notebook.tags and "b" not in notebook.tags[notebook.tags.index("main") :]
    assert HOSTILE in notebook.text


def test_notebooks_link_to_each_other_and_to_the_study(study):
    first, second = (Page(path) for path in pages(study)[1:])
    assert "02_depth.html" in first.links and "01_initialization.html" in second.links
    assert "../index.html" in first.links
    assert "../figures/eoc-init.png" in first.links
    assert "claim-eoc-init" in first.ids
    assert "Depth & <more>" in first.text  # a title, as it is written
    # The code of both cells is in one fold, and the author's own tags are kept.
    assert first.source.count("<details class=code>") == 1
    assert "first = 1\n\nsecond = '</code><script>'" in first.text
    assert "sub" in first.tags
    assert "loss < 1" in first.text


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "got no such file"), ("[1]", "got another file"), ("\xff{", "got another file")],
)
def test_what_is_no_notebook_is_refused(tmp_path, content, message, capsys):
    path = tmp_path / "some.ipynb"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert cli.main(["pages", str(tmp_path), "--notebooks", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}: expected an executed notebook" in said and message in said


def test_a_study_without_tables_is_refused(tmp_path, capsys):
    assert cli.main(["pages", str(tmp_path), "--catalogue", str(CATALOGUE)]) == 2
    said = capsys.readouterr().err
    assert "expected the table 'claims', got no such file" in said


def test_a_damaged_neighbour_does_no_harm(study, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    table = tmp_path / "damaged" / "tables" / "claims.parquet"
    table.parent.mkdir(parents=True)
    table.write_text("no table")
    assert study_page.neighbours(folder) == [
        study_page.Neighbour("damaged", "../damaged/tables", {})
    ]


# -- in a browser ----------------------------------------------------------------------------------


@pytest.mark.skipif(not browser.PROGRAM, reason="no chromium (Debian package chromium)")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_open_in_a_browser(study, dark):
    browser.check(pages(study), dark=dark)
