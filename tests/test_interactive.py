"""The interactive page: whole in itself, small, true to the tables, and alive in a browser."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import browser
import synthetic_tables as synthetic
from nup.claims import load_catalogue
from nup.report import interactive, study_page
from nup.tables import store
from page_reader import Page
from synthetic_base import together

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "results" / "reference" / "laptop" / "tables"
HOSTILE = "</script><b>relu"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study with synthetic runs, an activation of an odd name, and shipped verdicts."""
    folder = tmp_path_factory.mktemp("results") / "study"
    (folder / "tables").mkdir(parents=True)
    tables = together(
        synthetic.depth_tables(("abs", "relu"), seeds=(0, 1)),
        synthetic.catapult_tables(("abs",), seeds=(0, 1)),
    )
    runs = tables["runs"]
    tables["runs"] = runs.assign(activation=runs["activation"].replace("relu", HOSTILE))
    for name in ("runs", "steps", "layers"):
        store.write_table(name, tables[name], folder / "tables" / f"{name}.parquet")
    for name in ("claims", "readings", "init", "phases"):
        shutil.copy(SHIPPED / f"{name}.parquet", folder / "tables")
    catalogue = load_catalogue(ROOT / "config" / "claims.yaml")
    study_page.write(folder, folder / "tables", catalogue)
    return folder


def held(folder: Path) -> dict[str, Any]:
    """What the page draws, as a browser would read it."""
    text = (folder / interactive.NAME).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_is_linked_small_and_asks_for_nothing(study):
    page = study / interactive.NAME
    assert page.stat().st_size < 5_000_000
    assert interactive.NAME in Page(study / "index.html").links
    assert not re.search(r'(?:src|href)=["\']?(?:https?:)?//', page.read_text(encoding="utf-8"))


def test_cells_and_boundary_are_those_of_the_tables(study):
    runs = store.read_table("runs", study / "tables" / "runs.parquet")
    groups = [each for each in held(study)["groups"] if each["experiment"] == "depth"]
    (mup,) = [each for each in groups if (each["net"], each["activation"]) == ("μP", "abs")]
    own = runs[
        (runs["experiment"] == "depth") & (runs["net"] == "mup") & (runs["activation"] == "abs")
    ]
    assert len(mup["cells"]) == len(own.groupby(["depth", "learning_rate"]))
    depth, rate, loss, stable, seeds = mup["cells"][0]
    cell = own[(own["depth"] == depth) & np.isclose(own["learning_rate"], rate, rtol=1e-2)]
    assert seeds == len(cell) == 2
    ratio = (cell["late_loss"] / cell["null_loss"]).where(cell["status"] == "ok", 1).clip(upper=1)
    assert loss == pytest.approx(np.exp(np.log(ratio).mean()), rel=1e-2)
    assert stable == pytest.approx((ratio < 0.7).mean())
    # The synthetic μP has a largest stable rate that falls as 1/depth.
    depths, rates = np.array(mup["boundary"]).T
    assert np.polyfit(np.log2(depths), np.log2(rates), 1)[0] == pytest.approx(-1, abs=0.1)


def test_histories_are_those_of_the_steps(study):
    steps = store.read_table("steps", study / "tables" / "steps.parquet")
    groups = [each for each in held(study)["groups"] if each["experiment"] == "catapult"]
    histories = [run["history"] for each in groups for run in each["runs"] if run["history"]]
    assert histories
    for history in histories:
        assert history["step"] == sorted(set(history["step"]))
        assert {len(history[name]) for name in ("loss", "edge", "cosine")} == {len(history["step"])}
    losses = {float(f"{value:.3g}") for value in steps["loss"] if np.isfinite(value)}
    assert {value for each in histories for value in each["loss"] if value is not None} <= losses


def test_names_do_not_end_the_script(study):
    assert HOSTILE in {each["activation"] for each in held(study)["groups"]}
    text = (study / interactive.NAME).read_text(encoding="utf-8")
    assert "<b>relu" not in text


def test_a_study_without_histories_has_no_page(tmp_path, study):
    shutil.copy(study / "tables" / "runs.parquet", tmp_path)
    assert interactive.write(tmp_path, tmp_path) is None
    assert not (tmp_path / interactive.NAME).exists()


# -- in a browser ----------------------------------------------------------------------------------

#: Chooses μP of the experiment on depth and its deepest net, then points at the loss.
_USED = """(() => {
  const list = name => document.querySelector(`select[name=${name}]`);
  const pick = (name, value) => {
    list(name).value = value;
    list(name).dispatchEvent(new Event("change"));
  };
  pick("experiment", "depth");
  pick("family", "mup");
  pick("depth", "8");
  const cells = document.querySelectorAll("#map rect");
  cells[0].dispatchEvent(new MouseEvent("click"));
  const depth = list("depth").value;
  pick("experiment", "catapult");
  const drawing = document.querySelector("#loss svg"), box = drawing.getBoundingClientRect();
  drawing.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width / 2}));
  return {
    cells: cells.length, depth, told: document.querySelector(".told").textContent,
    lines: document.querySelectorAll("polyline.line").length,
    nets: [...list("net").options].map(each => each.text),
  };
})()"""

chromium = pytest.mark.skipif(not browser.PROGRAM, reason="no chromium (Debian package chromium)")


@chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_opens_in_a_browser(study, dark):
    browser.check([study / interactive.NAME], dark=dark)


@chromium
def test_lists_cells_and_drawings_answer(study):
    page = study / interactive.NAME
    (visit,) = browser.visits([page], [1200], script=_USED).values()
    assert visit.errors == []
    (mup,) = [
        each
        for each in held(study)["groups"]
        if (each["experiment"], each["net"], each["activation"]) == ("depth", "μP", "abs")
    ]
    assert visit.answer["cells"] == len(mup["cells"])
    assert visit.answer["depth"] == str(mup["cells"][0][0])  # a cell chooses its depth
    assert re.match(r"Step \d+: loss [\d.e−]+, η_tλ_t", visit.answer["told"])
    assert visit.answer["lines"] == 3
