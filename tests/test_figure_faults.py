"""The check of figures sees what it looks for; schematics are exact."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from figure_faults import faults
from nup.figures import schematics, style


def plotted() -> Figure:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axis = figure.subplots()
    axis.plot([1, 2], [3, 4], label="a line")
    axis.set_xlabel("x")
    return figure


def test_a_sound_figure_has_no_faults():
    assert faults(plotted()) == []


def test_text_beyond_the_page_is_cut_off():
    figure = plotted()
    figure.text(0.9, 0.5, "a long label at the right")
    assert faults(figure) == ["cut off: a long label at the right"]


def test_text_over_text_is_an_overlap():
    figure = plotted()
    axis = figure.axes[0]
    axis.text(1.5, 3.5, "first")
    axis.text(1.5, 3.5, "second")
    assert faults(figure) == ["overlap: first | second"]


def test_axes_without_data_or_labels_are_found():
    figure = Figure()
    figure.subplots().set_title("nothing")
    assert faults(figure) == ["empty: nothing", "no label: nothing"]
    figure = plotted()
    figure.axes[0].clear()
    figure.axes[0].scatter([], [])
    figure.axes[0].set_xlabel("x")
    assert faults(figure) == ["empty: axes"]


def test_a_legend_over_data_and_a_second_one_are_found():
    figure = plotted()
    figure.axes[0].legend()
    assert faults(figure) == ["legend over data: axes"]
    figure.legend(loc="outside lower center")
    assert faults(figure) == ["2 legends", "legend over data: axes"]


SCHEMATICS = [
    schematics.cosine_schematic,
    schematics.catapult_schematic,
    schematics.scaling_schematic,
]


@pytest.mark.parametrize("function", SCHEMATICS)
def test_schematics_are_fit_to_print(function):
    assert faults(function()) == []


def test_the_catapult_of_a_small_net_begins_beyond_the_edge_alone():
    calm, _ = schematics.catapult(1.5, 30)
    thrown, edges = schematics.catapult(3.0, 60)
    assert calm.argmax() == 0
    assert thrown.argmax() > 0
    assert edges[0] == pytest.approx(3)
    assert edges[-1] < 2
    assert thrown[-1] < 1e-6


def test_the_cosine_of_a_straight_path_is_one_and_of_a_return_minus_one():
    assert schematics.cosine_of(np.array([[0.0, 0], [1, 1], [3, 3]])) == pytest.approx(1)
    assert schematics.cosine_of(np.array([[0.0, 0], [2, 0], [1, 0]])) == pytest.approx(-1)


def test_the_gradient_scaling_cancels_both_powers():
    forward, backward, xi = schematics.powers()
    np.testing.assert_allclose(forward * backward * xi, 1)
    assert backward[-1] == 1
    # Off the Edge of Chaos both grow by the gain a layer, the one upwards, the other downwards.
    assert (forward[-1] / forward[0]) ** (1 / 5) == pytest.approx(1.3, rel=0.15)
    assert (backward[0] / backward[-1]) ** (1 / 5) == pytest.approx(1.3, rel=0.15)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("m_k = k²m", "$m_k$ = k²m"),
        ("η_tλ_t > 2 costs 3 $", r"$η_tλ_t$ > 2 costs 3 \$"),
        ("soft_rank of nup_x", "soft_rank of nup_x"),
    ],
)
def test_symbols_in_titles_have_subscripts(text, shown):
    assert style.plain(text) == shown
