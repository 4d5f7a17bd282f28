"""Figures of the readings: every reading has its cell or its line, or the panel says why not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import synthetic_readings as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.interpretations import (
    Interpretations,
    evaluate_interpretations,
    load_interpretations,
)
from nup.figures import FIGURES
from nup.figures.interpretation_matrix import interpretation_matrix

CONFIG = Path(__file__).parents[1] / "config"
DRAWN = {
    "width_patterns": ("nup-depth-transfer", 4),
    "scaling_by_width_pattern": ("beyond-edge", 2),
    "update_rules": ("nup-depth-transfer", 3),
    "spikes_by_schedule": ("catapult-prolonged", 1),
    "ranks_against_rate": ("soft-rank", 4),
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CONFIG / "claims.yaml")


@pytest.fixture(scope="module")
def readings(catalogue) -> Interpretations:
    return load_interpretations(CONFIG / "readings.yaml", catalogue)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    seeds = (0, 1)
    return synthetic.together(
        synthetic.depth_tables(seeds=seeds),
        synthetic.catapult_tables(fading={"sharpness": 0.1}, seeds=seeds),
        synthetic.scaling_tables(seeds=seeds),
    )


@pytest.fixture(scope="module")
def table(tables, catalogue, readings) -> pd.DataFrame:
    return evaluate_interpretations(tables, catalogue, readings)


def draw(name: str, tables, catalogue) -> Figure:
    claim = catalogue[DRAWN[name][0]]
    return FIGURES[name].draw(tables, evaluate({}, catalogue), claim)


def legend_of(axis) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


@pytest.mark.parametrize("name", DRAWN)
def test_panels_are_labelled_and_none_is_empty(name, tables, catalogue):
    figure = draw(name, tables, catalogue)
    assert len(figure.axes) == DRAWN[name][1]
    for axis in figure.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert not [text for text in axis.texts if "not run" in text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_absent_runs_are_said_in_the_panel(name, catalogue):
    for axis in draw(name, {}, catalogue).axes:
        assert axis.texts[0].get_text().startswith("not run:")


def test_further_nets_are_drawn_beside_those_of_the_claim(tables, catalogue):
    labels = [
        label.partition(":")[0]
        for label in legend_of(draw("width_patterns", tables, catalogue).axes[0])
    ]
    assert labels[1:] == ["νP (r = 1)", "νP (r = 2)", "νP (r = 3)", "μP"]
    equal = [
        label.partition(":")[0]
        for label in legend_of(draw("width_patterns", tables, catalogue).axes[1])
    ]
    assert "νP (r = 3), equal parameters" in equal
    assert "νP (r = 2), last width" in " ".join(
        legend_of(draw("update_rules", tables, catalogue).axes[0])
    )


def test_every_schedule_has_its_line_and_scaling_its_dashes(tables, catalogue):
    axis = draw("spikes_by_schedule", tables, catalogue).axes[0]
    lines = {line.get_label(): line for line in axis.get_lines()}
    names = ["constant", "sharpness", "taylor"]
    assert {*names, *(f"{name} with ξ" for name in names)} <= set(lines)
    assert lines["taylor"].get_linestyle() == "-"
    assert lines["taylor with ξ"].get_linestyle() == "--"
    # Spikes last without ξ, and fade to a tenth with it.
    last, first = (lines["sharpness with ξ"].get_ydata()[index] for index in (-1, 0))
    assert last < 0.3 * first
    last, first = (lines["sharpness"].get_ydata()[index] for index in (-1, 0))
    assert last == pytest.approx(first, rel=0.1)


def test_the_matrix_has_a_cell_for_every_reading_of_a_claim(table, readings):
    axis = interpretation_matrix(table).axes[0]
    wanted = sum(
        len(aspect.claims_of(interpretation))
        for aspect in readings.aspects
        for interpretation in aspect.interpretations
    )
    assert len(axis.patches) == len(axis.texts) == wanted
    ticks = axis.get_yticklabels()
    bold = [tick.get_text() for tick in ticks if tick.get_fontweight() == "bold"]
    assert bold == [
        next(each.label for each in aspect.interpretations if each.judged)
        for aspect in readings.aspects
    ]
    assert [tick.get_text() for tick in ticks if tick.get_fontstyle() == "italic"] == [
        aspect.name for aspect in readings.aspects
    ]
    claims = [tick.get_text() for tick in axis.get_xticklabels()]
    assert claims == list(dict.fromkeys(table["claim"]))


def test_the_matrix_of_nothing_is_empty(catalogue, readings):
    figure = interpretation_matrix(evaluate_interpretations({}, catalogue, readings))
    assert [axis.get_title() for axis in figure.axes] == ["no runs"]
