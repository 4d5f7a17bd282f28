"""The pages of a study: whole, from disk, described, and with links that lead somewhere."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import browser
from nup import cli
from nup.claims import load_catalogue, ranges
from nup.claims.catalogue import Threshold
from nup.figures import style
from nup.figures.description import describe, described
from nup.report import notebook_page, rendering, sentences, study_page
from nup.report.cards import cards
from nup.report.run_summary import summary
from nup.report.strip import strip
from nup.tables import store
from page_reader import Page, faults

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "config" / "claims.yaml"
SHIPPED = ROOT / "results" / "reference" / "laptop" / "tables"
HOSTILE = "A <script>alert(1)</script> & <img src=x onerror=alert(1)> title"


def figure() -> Figure:
    drawn = Figure(figsize=(6, 4))
    drawn.suptitle("Rates against depth")
    for axis, name in zip(drawn.subplots(1, 2), ("abs", "relu"), strict=True):
        axis.set_title(name)
        axis.set_xlabel("depth")
        axis.set_ylabel(r"$\eta$ best")
        axis.plot([1, 2], [1, 2], label="νP")
        axis.legend()
    return drawn


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
    assert "nup-depth-transfer, a claim of an earlier registration" in page.text
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


# -- numbers in words ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(-inf, 0]", "≤ 0"),
        ("(-inf, -0.5)", "< −0.5"),
        ("[0.3, inf)", "≥ 0.3"),
        ("(0.3, inf)", "> 0.3"),
        ("[-0.35, 0.35]", "−0.35 … 0.35"),
        ("no range", "no range"),
    ],
)
def test_ranges_are_written_in_signs(text, shown):
    assert ranges.readable(text) == shown


def test_every_range_of_the_catalogue_survives_its_table():
    found = [
        each.threshold for claim in load_catalogue(CATALOGUE).claims for each in claim.criteria
    ]
    assert found == [ranges.parsed(str(threshold)) for threshold in found]


def judged_rows(
    verdict: str, criteria: list[tuple], reason: str, reading: str = ""
) -> pd.DataFrame:
    """Rows of one claim; the overall row repeats the last criterion."""
    names = ["criterion", "estimate", "low", "high", "threshold", "n_seeds", "verdict", "reason"]
    rows = [dict(zip(names, row, strict=True)) for row in criteria]
    overall = {**rows[-1], "criterion": "overall", "verdict": verdict, "reason": reason}
    shared = {
        "claim": "eoc-init",
        "reading": reading,
        "activation": "abs",
        "setting": "initialization",
        "provenance": "v1",
        "figure": "eoc-init.png",
        "notebook": "01_initialization.ipynb",
    }
    return pd.DataFrame([{**shared, **row} for row in (overall, *rows)])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            judged_rows(
                "contradicted",
                [
                    ("a", 1.0, 0.5, 1.5, "[0, inf)", 8, "supported", ""),
                    ("b", -0.6, -0.7, -0.5, "[-0.3, 0.3]", 8, "contradicted", "depth 4"),
                ],
                "1 of 2 criteria contradicted: b",
            ),
            "“b” is −0.6 [−0.7, −0.5] over 8 seeds, outside the range −0.3 … 0.3; "
            "1 of 2 criteria contradicted: b.",
        ),
        (
            judged_rows(
                "inconclusive",
                [("a", 0.1, -0.2, 0.4, "(-inf, 0)", 5, "inconclusive", "5 seeds, 8 needed; more")],
                "of 2 readings, inconclusive: x, y",
                reading="x",
            ),
            "Under x: “a” is 0.1 [−0.2, 0.4] over 5 seeds, across an end of the range < 0; "
            "5 seeds, 8 needed; of 2 readings, inconclusive: x, y.",
        ),
        (
            judged_rows(
                "supported",
                [("never", 3.0, math.nan, math.nan, "(-inf, 10]", 8, "supported", "")],
                "1 of 1 criteria supported",
            ),
            "“never” is 3 at the worst of 8 seeds, ≤ 10 was asked for; 1 of 1 criteria supported.",
        ),
        (
            judged_rows(
                "not run",
                [("a", math.nan, math.nan, math.nan, "[0, 1]", 0, "not run", "no runs of μP")],
                "1 of 1 criteria not run: a",
            ),
            "Not run: 1 of 1 criteria not run: a.",
        ),
    ],
)
def test_a_finding_is_a_sentence_of_its_numbers(tmp_path, rows, sentence):
    (card,) = cards(rows, load_catalogue(CATALOGUE), tmp_path)
    assert [each.sentence for each in card.findings] == [sentence]
    assert card.figure == card.section == ""
    assert len(card.rows) == len(rows)


def test_a_card_sums_up_its_activations(tmp_path):
    criteria = [("a", 1.0, 0.5, 1.5, "[0, inf)", 8, "supported", "")]
    rows = [
        judged_rows(verdict, criteria, "").assign(activation=name)
        for name, verdict in (("abs", "supported"), ("relu", "contradicted"), ("id", "supported"))
    ]
    (card,) = cards(pd.concat(rows, ignore_index=True), load_catalogue(CATALOGUE), tmp_path)
    assert card.summary == "Supported for abs and id; contradicted for relu."
    assert card.verdict == "contradicted"


def test_places_on_the_line():
    """84 % of the length lie between the least and the greatest number, 8 % at either side."""
    found = strip(0.5, 0.25, 0.75, Threshold(low=0.0, high=1.0))
    assert found is not None
    assert (found.estimate, found.interval, found.range) == (50.0, (29.0, 42.0), (8.0, 84.0))
    assert found.ends == [(8.0, "0"), (92.0, "1")]
    below = strip(2.0, math.nan, math.nan, Threshold(high=1.0))
    assert below is not None
    assert (below.estimate, below.interval, below.range) == (92.0, None, (0.0, 8.0))
    # Numbers over many powers of ten are on a logarithmic line: 10 is in the middle of 0.1 … 1000.
    wide = strip(10.0, 0.1, 1000.0, Threshold(high=10.0))
    assert wide is not None and wide.estimate == 50.0
    assert strip(math.nan, 0.0, 1.0, Threshold(low=0.0)) is None
    assert strip(math.inf, 0.0, 1.0, Threshold(low=0.0)) is None


def test_figures_carry_their_description(tmp_path):
    text = describe(figure())
    assert (
        text
        == r"Rates against depth. Panels: abs; relu. Axes: \eta best against depth. Legend: νP."
    )
    path = style.save(figure(), tmp_path / "saved.png")
    assert described(path) == text
    assert style.save(figure(), tmp_path / "again.png").read_bytes() == path.read_bytes()
    assert described(ROOT / "results/reference/laptop/figures/readings.png") == ""


def test_readings_against_claims(study):
    readings = store.read_table("readings", SHIPPED / "readings.parquet")
    catalogue = load_catalogue(CATALOGUE)
    found = {matrix.under: matrix for matrix in sentences.matrices(readings, catalogue)}
    schedules = found["schedule"]
    assert schedules.claims == [("catapult-prolonged", catalogue["catapult-prolonged"].title)]
    # As `nup verdicts --by-reading` prints it of the same table: ?? and ✓✗.
    assert schedules.lines == [
        ("sharpness", [{"abs": "inconclusive", "relu": "inconclusive"}]),
        ("taylor", [{"abs": "supported", "relu": "contradicted"}]),
    ]
    ideas, conclusions = sentences.ideas(readings, catalogue)
    assert [idea.sentence for idea in ideas] == [idea.sentence for idea in catalogue.ideas]
    assert ("taylor", {"abs": "supported", "relu": "contradicted"}) in ideas[2].lines
    assert set(conclusions) == {"abs", "relu"}


def test_an_empty_study_says_so(tmp_path):
    assert summary(tmp_path).facts == [("Training", "no runs")]
    page = notebook_page.read
    with pytest.raises(Exception, match="expected an executed notebook"):
        page(tmp_path / "absent.ipynb")
    assert len(rendering.digest()) == 12


# -- in a browser ----------------------------------------------------------------------------------


@pytest.mark.skipif(not browser.PROGRAM, reason="no chromium (Debian package chromium)")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_open_in_a_browser(study, dark):
    browser.check(pages(study), dark=dark)
