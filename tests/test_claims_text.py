"""What a file of claims says is text on a page: no HTML, no link, no row or heading of its own."""

import nbformat
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nup.claims import load_catalogue, markdown, report
from nup.errors import UserError
from nup.figures import style
from nup.report import notebook_page, scorecard
from nup.tables import store

CLAIMS = r"""
claims:
  - id: tiny
    title: "<script>alert(1)</script> a | b\n\n# owned <img src=x onerror=alert(2)> &lt;"
    quote: "<b>said</b>\n\n# heading [here](javascript:alert(3)) <!-- <a href=x>"
    provenance: lit
    experiment: eoc
    figure: tiny.png
    notebook: tiny.ipynb
    criteria:
      - name: "a | b\nc <svg onload=alert(4)>"
        what: "<img src=x onerror=alert(5)> x < 2 & y > 1"
        estimator: log_norm_slope
        arguments: {net: mup, weight_variance: 1.0, direction: forward}
        threshold: {low: -1, high: 1}
"""


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(CLAIMS)
    return load_catalogue(path)


def rendered(text, folder):
    """The cells on the page of an executed notebook that shows Markdown."""
    output = nbformat.v4.new_output("display_data", {"text/markdown": text})
    cells = [nbformat.v4.new_code_cell("x", outputs=[output])]
    path = folder / "executed.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    notebook_page.write_pages([path])
    return path.with_suffix(".html").read_text().partition("<main")[2].partition("</main")[0]


def check_text(page):
    for markup in (
        "<script>alert",
        "<img src=x",
        'src="x"',
        "<svg onload",
        "<b>said",
        'href="java',
    ):
        assert markup not in page
    assert "<h1>" not in page and "<h1 " not in page


def judged(catalogue):
    claim = catalogue.claims[0]
    names = {"claim": claim.id, "activation": "abs", "setting": "", "figure": claim.figure}
    rows = [
        {**names, "criterion": criterion, "verdict": "supported", "reason": "<script>alert(6)"}
        for criterion in ("overall", claim.criteria[0].name)
    ]
    missing = dict.fromkeys(store.schema("claims").names)
    frame = pd.DataFrame([{**missing, "notebook": claim.notebook, **row} for row in rows])
    return frame.astype({"estimate": float, "low": float, "high": float})


def test_a_claim_on_the_page_of_a_notebook_is_text(catalogue, tmp_path, fault):
    table = judged(catalogue)
    parts = [
        report.claim_text(catalogue.claims[0]),
        report.verdict_text(table, "tiny"),
        report.verdict_rows(table, "tiny"),
        report.index_text(table, catalogue),
    ]
    page = rendered("\n\n".join(parts), tmp_path)
    check_text(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; a | b # owned" in page
    assert "x &lt; 2 &amp; y &gt; 1" in page
    fault("bad input", "HTML and Markdown in a file of claims", "text on the page", len(parts))


def test_titles_are_cells_of_the_scorecard(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr(scorecard, "_overall", lambda *_: judged(catalogue)[:1])
    head, _, line = scorecard.markdown(["small/tables/claims.parquet"], catalogue).splitlines()
    assert line.replace("\\|", "").count("|") == head.count("|")
    check_text(rendered("\n".join([head, _, line]), tmp_path))


def test_bars_and_ends_of_lines_stay_in_their_cell():
    shown = markdown.table(pd.DataFrame({"a | b\nc": ["d | e\r\nf"]}))
    assert len(shown.splitlines()) == 3
    assert shown.splitlines()[0] == "| a \\| b c |"
    assert shown.splitlines()[2] == "| d \\| e f |"


@pytest.mark.parametrize("name", ["../x.png", "a b.png", "{x}.png", "x.html", "/x.png", ".png"])
def test_a_figure_is_a_name_in_the_folder_of_figures(tmp_path, name, fault):
    path = tmp_path / "claims.yaml"
    path.write_text(CLAIMS.replace("tiny.png", f"'{name}'"))
    with pytest.raises(UserError, match=r"claims\.0\.figure: String should match pattern"):
        load_catalogue(path)
    fault("bad input", "name of a figure in a file of claims", "one message that names the key")


def test_dollars_of_a_title_are_no_mathematics():
    figure = Figure()
    title = figure.suptitle("a $x^$ b")
    with pytest.raises(ValueError, match="x"):
        FigureCanvasAgg(figure).draw()
    title.set_text(style.plain("a $x^$ b"))
    FigureCanvasAgg(figure).draw()
    assert title.get_text() == r"a \$x^\$ b"
