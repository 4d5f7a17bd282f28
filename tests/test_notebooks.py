"""Notebooks: clean sources that run on synthetic tables and leave the figures of their claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import nbformat
import papermill
import pytest

import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from nup import cli
from nup.claims import evaluate, load_catalogue
from nup.errors import UserError
from nup.report import contents, notebook
from nup.report.execution import execute
from nup.report.page import Page
from nup.tables import store
from synthetic_base import in_regime, together

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CATALOGUE = ROOT / "config" / "claims.yaml"


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """The tables of a small study in which every claim is true, except on too few seeds.

    One experiment was run in two regimes.
    """
    folder = tmp_path_factory.mktemp("tables")
    usual = in_regime(comparisons.useful_tables(seeds=(0, 1)), "cross_entropy", 256)
    made = together(synthetic.all_tables(seeds=(0, 1), steps=800), usual)
    for name, frame in made.items():
        store.write_table(name, frame, folder / f"{name}.parquet")
    catalogue = load_catalogue(CATALOGUE)
    judged = evaluate(made, catalogue)
    store.write_table("claims", judged.claims, folder / "claims.parquet")
    store.write_table("readings", judged.readings, folder / "readings.parquet")
    return folder


def by_name(paths: list[Path]) -> list:
    return [pytest.param(path, id=path.stem) for path in paths]


@pytest.mark.parametrize("path", by_name(NOTEBOOKS))
def test_sources_hold_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell["id"] for cell in notebook.cells] == [str(i) for i in range(len(notebook.cells))]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", by_name(NOTEBOOKS))
def test_parameters_are_paths_only(path):
    parameters = papermill.inspect_notebook(path)
    assert set(parameters) == {"tables", "figures", "claims", "plugins"}
    defaults = {name: json.loads(value["default"]) for name, value in parameters.items()}
    assert defaults == {
        "tables": "../results/laptop/tables",
        "figures": "../results/laptop/figures",
        "claims": "../config/claims.yaml",
        "plugins": "",
    }


@pytest.mark.parametrize("path", by_name(NOTEBOOKS))
def test_notebook_runs_and_leaves_its_figures(path, tables, tmp_path):
    parameters = {"tables": tables, "figures": tmp_path / "figures", "claims": CATALOGUE}
    execute(path, tmp_path / path.name, {name: str(value) for name, value in parameters.items()})
    catalogue = load_catalogue(CATALOGUE)
    claims = [claim for claim in catalogue.claims if claim.notebook == path.name]
    expected = {claim.figure for claim in claims}
    if path.stem == "00_scorecard":
        expected = {"scorecard.png"} | {f"criteria-{claim.id}.png" for claim in catalogue.claims}
    if path.stem == "10_readings":
        expected = {"readings.png", "readings-rises.png"}
    figures = [*(tmp_path / "figures").iterdir()]
    left = {figure.name for figure in figures if figure.suffix == ".png"}
    prints = {figure.stem for figure in figures if figure.suffix == ".pdf"}
    assert prints == {Path(name).stem for name in left}
    assert expected <= left
    assert left == set(notebook.figures(path, catalogue, contents.of_tables(tables)))
    text = (tmp_path / path.name).read_text()
    if {claim.experiment for claim in claims} & {"useful"} or path.stem == "00_scorecard":
        assert "cross-entropy, batch 256" in text
    for claim in claims:
        assert claim.quote in text
        assert f"`{claim.provenance}`" in text


CELLS = (
    "# Paths only.\nx = 'default'",
    "import sys\nprint(x)\nprint('to stderr', file=sys.stderr)",
    "from IPython.display import Markdown, display\ndisplay(Markdown('*shown*'))",
    "import pandas as pd\ndisplay(pd.DataFrame({'a': [1]}))",
    "import io\nimport matplotlib.pyplot as plt\nplt.subplots(figsize=(1, 1))\n"
    "plt.savefig(drawn := io.BytesIO())\n"
    "from IPython.display import Image\ndisplay(Image(data=drawn.getvalue()))",
)


def written(path: Path, cells: Sequence[str]) -> Path:
    """A notebook of these cells of code, the first of which has the parameters."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    for number, cell in enumerate(made.cells):
        cell["id"] = str(number)
    made.cells[0].metadata["tags"] = ["parameters"]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path.write_text(nbformat.writes(made))
    return path


def test_a_notebook_is_executed_as_a_kernel_of_its_own_would(tmp_path, monkeypatch):
    """To the same bytes: outputs, counts, metadata, pictures."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    source = written(tmp_path / "source.ipynb", CELLS)
    execute(source, tmp_path / "here.ipynb", {"x": "given"})
    papermill.execute_notebook(
        source,
        tmp_path / "kernel.ipynb",
        {"x": "given"},
        kernel_name="python3",
        language="python",
        progress_bar=False,
    )
    for name in ("here", "kernel"):
        notebook.tidy(tmp_path / f"{name}.ipynb", tmp_path / f"{name}.tidy")
    here = (tmp_path / "here.tidy").read_text()
    assert here == (tmp_path / "kernel.tidy").read_text()
    for shown in ("given", "to stderr", "*shown*", "image/png", "<table"):
        assert shown in here
    execute(source, tmp_path / "again.ipynb", {"x": "given"})  # which knows nothing of the first
    notebook.tidy(tmp_path / "again.ipynb", tmp_path / "again.tidy")
    assert (tmp_path / "again.tidy").read_text() == here


def test_a_notebook_stops_at_a_cell_that_fails(tmp_path):
    source = written(tmp_path / "bad.ipynb", ["x = 1", "print('before')\n1 / 0", "print('after')"])
    message = r"bad.ipynb: expected its cells to run, got ZeroDivisionError in cell 2: division by "
    with pytest.raises(UserError, match=message):
        execute(source, tmp_path / "out.ipynb", {"x": "2"})
    text = (tmp_path / "out.ipynb").read_text()
    assert "before" in text
    assert "ZeroDivisionError" in text
    assert '"after\\n"' not in text


def test_figures_stay_where_a_cell_fails(tables, tmp_path, capfd):
    """And those of an older call do not stay among the new."""
    draw = "from pathlib import Path\nfrom matplotlib.figure import Figure\n"
    draw += "from nup.figures.style import save\nfigure = Figure()\nfigure.suptitle('title')\n"
    draw += "save(figure, Path(figures) / 'a.png')"
    names = "tables = ''\nfigures = ''\nclaims = ''\nplugins = ''"
    source = written(tmp_path / "own.ipynb", [names, draw, "1 / 0"])
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "a.png").write_text("old")
    command = ["notebook", source, "--tables", tables, "--figures", tmp_path / "drawn"]
    command += ["--catalogue", CATALOGUE, "--work", tmp_path / "work", "--out"]
    command = [str(each) for each in [*command, tmp_path / "done.ipynb"]]
    assert cli.main(command) == 2
    assert (tmp_path / "drawn" / "a.png").read_text() == "old"
    assert not (tmp_path / "done.ipynb").exists()
    written(source, [names, draw])
    assert cli.main(command) == 0
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"a.png", "a.pdf"}
    assert (tmp_path / "drawn" / "a.png").read_bytes() != b"old"
    assert not list((tmp_path / "work").glob("own/*"))
    assert "injected-parameters" in (tmp_path / "done.ipynb").read_text()
    assert capfd.readouterr().err.count("\n") == 1  # of the cell that failed


def test_every_claim_has_its_notebook_and_captions():
    catalogue = load_catalogue(CATALOGUE)
    names = {path.name for path in NOTEBOOKS}
    captions = ROOT / "workflow" / "report"
    everything = contents.Contents(frozenset(claim.experiment for claim in catalogue.claims))
    readings = ROOT / "notebooks" / "10_readings.ipynb"
    for figure in notebook.figures(readings, catalogue, everything):
        assert (captions / figure).with_suffix(".rst").is_file()
    for claim in catalogue.claims:
        assert claim.notebook in names
        assert (captions / claim.figure).with_suffix(".rst").is_file()


CONTENTS = contents.Contents(frozenset({"depth"}), frozenset({"width"}))


def test_only_what_a_study_has_is_drawn():
    catalogue = load_catalogue(CATALOGUE)
    drawn = [path.stem for path in NOTEBOOKS if not notebook.absent(path, catalogue, CONTENTS)]
    assert drawn == ["00_scorecard", "02_depth", "11_phase_diagrams"]
    reason = notebook.absent(ROOT / "notebooks" / "04_catapult.ipynb", catalogue, CONTENTS)
    assert reason == "04_catapult.ipynb is skipped: the study has no experiment catapult"
    nothing = contents.Contents(frozenset())
    assert [p.stem for p in NOTEBOOKS if not notebook.absent(p, catalogue, nothing)] == [
        "00_scorecard"
    ]
    left = {path.stem: notebook.figures(path, catalogue, CONTENTS) for path in NOTEBOOKS}
    assert left["06_features"] == []
    assert left["10_readings"] == ["readings.png"]
    assert left["11_phase_diagrams"] == ["phases-width-rate.png", "phases-width.png"]
    assert {"scorecard.png", "criteria-growth-matters.png"} <= set(left["00_scorecard"])
    assert "criteria-useful.png" not in left["00_scorecard"]


def test_a_figure_without_runs_is_not_drawn(tables, tmp_path):
    page = Page(tables, tmp_path, CATALOGUE, reads=["runs", "steps", "claims"])
    page.contents = CONTENTS
    page.draw("useful", "tuned_accuracies")
    page.diagram("depth", "phases-depth.png")
    assert not list(tmp_path.iterdir())
    assert [claim.experiment for claim in page.claims_with_runs()] == ["depth"] * 6
    page.draw("growth-matters", "growth_matters", "own.png")
    assert {path.name for path in tmp_path.iterdir()} == {"own.png", "own.pdf"}
