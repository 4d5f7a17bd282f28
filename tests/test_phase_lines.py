"""Slopes of critical lines, and figures of them, from tables made from known laws."""

import numpy as np
import pytest

from figure_faults import faults
from nup.analysis import phase_lines
from nup.figures.phase_diagrams import phase_diagram
from nup.phases.threshold_search import LINES
from synthetic_base import MATCHED, NUP
from synthetic_phases import phase_table

SIZES = {"depth": "depth", "width": "base_width"}


def row(table, net, line, activation="abs"):
    (found,) = table[
        (table["net"] == net) & (table["line"] == line) & (table["activation"] == activation)
    ].to_dict("records")
    return found


@pytest.mark.parametrize(("experiment", "axis"), SIZES.items())
def test_slopes_are_those_of_the_law(experiment, axis):
    """λ_0 grows like the size, so a line is steeper by 1 in c than in η."""
    table = phase_table(("abs", "relu"), seeds=range(4))
    found = phase_lines.slopes({"phases": table}, experiment, axis)
    assert len(found) == 2 * 3 * 4
    for net, expected in ((NUP, 0.0), ("mup", 1.0), (MATCHED, 1.0)):
        line = row(found, net, "divergence", "relu")
        assert line["c"] == pytest.approx(expected, abs=0.03)
        assert line["c_low"] <= line["c"] <= line["c_high"]
        assert line["learning_rate"] == pytest.approx(expected - 1, abs=0.03)
        assert (line["n_seeds"], line["censored"], line["n_lines"]) == (4, 0, 12)


def test_censored_lines_are_counted_and_left_out_of_the_fit():
    table = phase_table(slopes={NUP: 0.0, "mup": 2.0, MATCHED: -1.2}, seeds=range(3))
    found = phase_lines.slopes({"phases": table}, "depth")
    absent = row(found, "mup", "catapult")
    assert np.isnan(absent["c"])
    assert (absent["n_seeds"], absent["censored"], absent["n_lines"]) == (0, 9, 9)
    high = row(found, "mup", "divergence")  # above the range at depth 8
    assert (high["n_seeds"], high["censored"]) == (0, 3)
    low = row(found, MATCHED, "loss")  # below it at depth 8
    assert (low["n_seeds"], low["censored"]) == (0, 3)
    text = phase_lines.markdown(found)
    assert "| mup | abs | catapult | – | – | 0 | 9 of 9 |" in text
    assert text.count("\n") == 1 + len(found)


def test_one_seed_has_no_interval():
    found = phase_lines.slopes({"phases": phase_table(seeds=[0])}, "depth")
    line = row(found, "mup", "loss")
    assert np.isfinite(line["c"])
    assert np.isnan(line["c_low"])
    assert "[" not in phase_lines.markdown(found).split("\n", 2)[2]


def test_raggedness_counts_lines_with_exceptions():
    table = phase_table()
    table.loc[table["line"] == "loss", "exceptions"] = [2] + [0] * 35
    found = phase_lines.raggedness({"phases": table})
    assert list(found.index) == list(LINES)
    assert found.loc["loss", ["lines", "bracketed", "ragged"]].tolist() == [36, 36, 1]
    assert found.loc["loss", "exceptions"] == pytest.approx(2 / 17)
    assert found.loc["catapult", ["bracketed", "ragged"]].tolist() == [12, 0]
    assert "| sharpness | 36 | 36 | 0 | – |" in phase_lines.markdown_raggedness({"phases": table})


# -- figures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", ["c", "learning_rate"])
@pytest.mark.parametrize(("experiment", "axis"), SIZES.items())
def test_a_panel_for_each_net_and_activation(experiment, axis, quantity):
    table = phase_table(("abs", "relu"), slopes={NUP: 0.0, "mup": 2.0, MATCHED: -1.2})
    figure = phase_diagram({"phases": table}, experiment, axis, quantity)
    titles = [panel.get_title().split("\n") for panel in figure.axes]
    assert [title[0] for title in titles] == [
        f"{activation}: {net}"
        for activation in ("abs", "relu")
        for net in ("νP (r = 2)", "μP", "μP, equal parameters")
    ]
    # The law of the tables: c of νP does not move. That of μP is above the range, and has no slope.
    if quantity == "c":
        lost = table[(table["net"] == NUP) & (table["activation"] == "abs")]
        lost = lost[(lost["experiment"] == experiment) & (lost["line"] == "divergence")]
        slope = np.mean(
            [
                np.polyfit(np.log2(own[axis]), np.log2(own["c"]), 1)[0]
                for _, own in lost.groupby("seed")
            ]
        )
        assert titles[0][1:] == [f"runs are lost at c ∝ size$^{{{round(slope, 2) + 0.0:+.2f}}}$"]
        assert titles[1][1:] == []
    assert figure.axes[0].get_ylabel() == ("c = ηλ₀" if quantity == "c" else "learning rate η")
    assert figure.axes[-1].get_xlabel()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"loss first rises", "divergence", "in some seeds only"} <= set(labels)
    assert ("c = 2 and c = 4" in labels) == (quantity == "c")
    assert len({panel.get_ylim() for panel in figure.axes}) == 1
    assert faults(figure) == []


def test_absent_diagrams_are_said_in_the_panel():
    for tables in ({}, {"phases": phase_table().iloc[:0]}):
        figure = phase_diagram(tables, "depth")
        assert figure.axes[0].texts[0].get_text() == "not run: no phase diagram `depth`"
        assert "not run" in phase_lines.markdown(phase_lines.slopes(tables, "depth"))
