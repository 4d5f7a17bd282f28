"""Figures: panels, thresholds and verdicts are there; absent runs are said, not hidden."""

from __future__ import annotations

import ast
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import synthetic_comparisons as comparisons
import synthetic_motion as moving
import synthetic_tables as synthetic
from figure_faults import faults
from nup.analysis.cosine.correlations import DIFFERENCE, OUTCOMES, correlations
from nup.analysis.cosine.trajectories import KINDS
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.estimators.evolution import evolutions_at_fixed_rate
from nup.claims.estimators.features import rank_curvature_correlations
from nup.claims.learning_rates import constant_rate_runs
from nup.claims.run_selection import RunSelection
from nup.figures import FIGURES, style
from nup.figures.coordinates import changes, coordinate_check
from nup.figures.correlations import correlation_forest
from nup.figures.displacement import displacement_identity
from nup.figures.features import rank_predictions
from nup.figures.kernels import edge_against_depth
from nup.figures.layer_cosines import layer_cosines, phase_portraits
from nup.figures.net_shapes import net_shapes, shape_of
from nup.figures.nets import net_styles, styles_of
from nup.figures.nulls import null_cosines, null_displacements
from nup.figures.panels import drawn_rates
from nup.figures.scorecard import forest, verdict_table
from nup.figures.sharpening import catapult_start, sharpness_against_edge
from nup.figures.transfer import loss_against_rate, transfer_curves
from synthetic_base import complete, net_columns, together
from synthetic_cells import cells_tables

ROOT = Path(__file__).parents[1]
NUP = synthetic.NUP


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "config" / "claims.yaml")


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    depth = synthetic.depth_tables(("abs", "relu"), seeds=(0, 1))
    catapult = synthetic.catapult_tables(("abs", "relu"), seeds=(0, 1))
    parts = [depth, catapult, cells_tables(("abs", "relu"), seeds=range(10))]
    for make in (comparisons.width_tables, comparisons.scaling_tables, comparisons.useful_tables):
        parts.append(make(("abs", "relu"), seeds=(0, 1)))
    found = together(*parts)
    kernels = synthetic.kernel_table(seeds=(0, 1))
    init = pd.concat([synthetic.init_table(("abs", "relu"), seeds=(0, 1)), kernels])
    return {**found, "init": init}


@pytest.fixture(scope="module")
def judged(tables, catalogue) -> pd.DataFrame:
    return evaluate(tables, catalogue).claims


DRAWN = {
    "eoc-init": "norms_at_initialization",
    "depth-needs-help": "rates_against_depth",
    "nup-stable-rate": "rates_against_depth",
    "nup-best-rate": "rates_against_depth",
    "nup-depth-pays": "depth_pays",
    "nup-regular-evolution": "preactivation_evolution",
    "cosine-phases": "cosine_against_edge",
    "catapult-ends": "catapult_ends",
    "catapult-prolonged": "catapult_prolonged",
    "edge-of-stability": "edge_of_stability",
    "ntk-concentration": "kernel_concentration",
    "ntk-spectrum": "kernel_spectrum",
    "width-settled": "width_settled",
    "growth-matters": "growth_matters",
    "cosine-features": "cosine_features",
    "beyond-edge": "beyond_edge",
    "quadratic-in-tandem": "quadratic_in_tandem",
    "soft-rank": "quantity_against_rate",
    "sharpness-regularized": "quantity_against_rate",
    "useful": "tuned_accuracies",
}


def draw(claim_id: str, tables, judged, catalogue) -> Figure:
    return FIGURES[DRAWN[claim_id]].draw(tables, judged, catalogue[claim_id])


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def note_of(figure: Figure) -> str:
    (legend,) = figure.legends
    return " ".join(legend.get_title().get_text().split())


CLAIMS = [
    ("eoc-init", 2),
    ("depth-needs-help", 1),
    ("nup-stable-rate", 1),
    ("nup-best-rate", 1),
    ("nup-depth-pays", 4),
    ("nup-regular-evolution", 3),
    ("cosine-phases", 2),
    ("catapult-ends", 3),
    ("catapult-prolonged", 4),
    ("edge-of-stability", 2),
    ("width-settled", 2),
    ("growth-matters", 2),
    ("cosine-features", 5),
    ("beyond-edge", 2),
    ("quadratic-in-tandem", 2),
    ("soft-rank", 4),
    ("sharpness-regularized", 2),
    ("useful", 2),
]
#: Rows of figures that split nets or columns by what is in the tables, where there is nothing.
WITHOUT_RUNS = {
    "nup-depth-pays": 2,
    "cosine-features": 2,
    "soft-rank": 1,
}
#: Their experiments have a third activation.
KERNEL_CLAIMS = [("ntk-concentration", 2), ("ntk-spectrum", 2)]


@pytest.mark.parametrize(("claim_id", "n_rows"), CLAIMS)
def test_a_column_per_activation_with_labels_and_verdict(
    claim_id, n_rows, tables, judged, catalogue
):
    figure = draw(claim_id, tables, judged, catalogue)
    assert len(figure.axes) == 2 * n_rows
    # Two seeds are too few for any verdict; the cells alone have more.
    verdict = "✓ supported" if claim_id == "cosine-features" else "? inconclusive"
    title = " ".join(figure.get_suptitle().split())
    assert title == f"{style.plain(catalogue[claim_id].title)} {verdict}"
    for axis, activation in zip(figure.axes, ["abs", "relu"], strict=False):
        assert axis.get_title().startswith(f"{activation}: {verdict}")
    assert "seeds" in note_of(figure)
    for axis in figure.axes:
        assert axis.get_xlabel()
    for left, right in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert left.get_ylabel()
        assert left.get_ylim() == right.get_ylim()
    for axis in figure.axes:
        assert not [text for text in axis.texts if "not run:" in text.get_text()]
    assert faults(figure) == []


@pytest.mark.parametrize(("claim_id", "n_rows"), KERNEL_CLAIMS)
def test_kernels_have_a_column_for_every_activation(claim_id, n_rows, tables, judged, catalogue):
    figure = draw(claim_id, tables, judged, catalogue)
    assert len(figure.axes) == 3 * n_rows
    for axis, activation in zip(figure.axes, ["(1,2)", "abs", "relu"], strict=False):
        assert axis.get_title().startswith(f"{activation}: ? inconclusive")
    for axis in figure.axes:
        assert axis.get_xlabel()
        assert not axis.texts
    own = "(1,2), Δ = 0.8" if claim_id == "ntk-spectrum" else "νP (r = 2)"
    assert own in legend_of(figure)
    assert faults(figure) == []


def test_both_eigenvalues_are_drawn_and_runs_that_do_not_count_are_hollow(
    tables, judged, catalogue
):
    low = {**tables, "steps": tables["steps"].assign(hessian_edge=tables["steps"]["hessian_edge"])}
    slow = low["runs"]["learning_rate"] == 0.25
    steps = low["steps"]["run_id"].isin(low["runs"].loc[slow, "run_id"])
    low["steps"].loc[steps, "hessian_edge"] *= 0.5
    figure = draw("edge-of-stability", low, judged, catalogue)
    assert {"Hessian", "Gauss–Newton", "reached 2", "did not"} <= set(legend_of(figure))


@pytest.mark.parametrize(("claim_id", "n_rows"), CLAIMS + KERNEL_CLAIMS)
def test_absent_runs_are_said_in_the_panel(claim_id, n_rows, judged, catalogue):
    figure = draw(claim_id, {}, judged, catalogue)
    # Nets are told from runs, so without any the claim's nets share a panel.
    assert len(figure.axes) == WITHOUT_RUNS.get(claim_id, n_rows)
    for axis in figure.axes:
        assert axis.texts[0].get_text().startswith("not run:")
    assert faults(figure) == []


def test_fitted_slopes_stand_at_the_lines_and_the_range_about_the_fit(tables, judged, catalogue):
    figure = draw("nup-best-rate", tables, judged, catalogue)
    axis = figure.axes[0]
    assert "slopes in the claim's range −0.35 … 0.35" in legend_of(figure)
    slopes = {text.get_color(): text.get_text() for text in axis.texts}
    styles = styles_of(tables)
    assert slopes[styles[NUP].color].startswith("−0.0")
    assert slopes[styles["mup"].color].startswith("−1.0")
    # The wedge has no width at the middle of the fit of νP, which it is about.
    wedge = next(each for each in axis.collections if "range" in str(each.get_label()))
    corners = np.log2(wedge.get_paths()[0].vertices)
    middle = np.log2([3, 4, 6, 8]).mean()
    heights = corners[np.isclose(corners[:, 0], middle), 1]
    assert np.ptp(heights) == pytest.approx(0, abs=1e-9)
    left = corners[np.isclose(corners[:, 0], np.log2(3)), 1]
    assert np.ptp(left) == pytest.approx(0.7 * (middle - np.log2(3)))


def test_rates_at_the_edge_of_the_grid_are_ringed(judged, catalogue):
    top = synthetic.depth_tables(rates=[2.0**-4, 2.0**-3, 2.0**-2])
    figure = draw("nup-best-rate", top, judged, catalogue)
    rings = [points for points in figure.axes[0].collections if len(points.get_offsets())]
    assert rings
    assert "in some seeds at the edge of the grid of rates" in legend_of(figure)


def test_the_width_figure_shows_every_pre_set_slope(tables, judged, catalogue):
    figure = draw("width-settled", tables, judged, catalogue)
    assert [label for label in legend_of(figure) if "range" in label] == [
        "slopes in the claim's range −0.25 … 0.25",
        "end of the claim's range of slopes, < −0.5, for standard",
        "end of the claim's range of slopes, < 0, for neural tangent",
    ]
    assert any(text.get_text().startswith("−0.9") for text in figure.axes[0].texts)


def test_every_tuned_net_has_its_line(tables, judged, catalogue):
    figure = draw("useful", tables, judged, catalogue)
    lines = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert lines[0] == "νP (r = 2), constant"
    assert len(lines) == 4 + 5
    gains = [tick.get_text() for tick in figure.axes[2].get_yticklabels()]
    assert gains == [f"νP (r = 2), {name}" for name in ("constant", *comparisons.SCHEDULES)]


def test_a_net_without_runs_keeps_its_line_in_every_column(tables, judged, catalogue):
    runs = tables["runs"]
    lost = (runs["experiment"] == "useful") & (runs["schedule_name"] == "polyak")
    gone = {**tables, "runs": runs[~(lost & (runs["activation"] == "relu"))]}
    figure = draw("useful", gone, judged, catalogue)
    left, right = figure.axes[:2]
    assert left.get_yticks().tolist() == right.get_yticks().tolist()
    (place,) = [text.get_position()[1] for text in right.texts if text.get_text() == "not run"]
    assert left.get_yticklabels()[int(place)].get_text() == "νP (r = 2), polyak"
    assert faults(figure) == []


def test_transfer_curves_have_a_panel_per_net(tables, judged, catalogue):
    claim = catalogue["nup-best-rate"]
    figure = loss_against_rate(tables, judged, claim)
    drawn = [axis for axis in figure.axes if axis.axison]
    assert len(drawn) == 2 * len(synthetic.SLOPES)
    titles = [" ".join(axis.get_title().split()) for axis in drawn]
    # The slopes that the synthetic tables were made with.
    assert any(title.startswith("abs: μP best η ∝ depth$^{−1.0") for title in titles)
    assert legend_of(figure)[:4] == ["depth 3", "depth 4", "depth 6", "depth 8"]
    assert faults(figure) == []
    figure = transfer_curves(tables, judged, claim)
    nets = {axis.get_title().split("\n")[0] for axis in figure.axes if axis.axison}
    assert {"abs: νP (r = 2)", "abs: μP"} <= nets
    assert faults(figure) == []


NEW = [
    ("nup-best-rate", transfer_curves),
    ("nup-best-rate", net_shapes),
    ("width-settled", coordinate_check),
    ("catapult-ends", catapult_start),
    ("catapult-ends", sharpness_against_edge),
]


@pytest.mark.parametrize(("claim_id", "function"), NEW)
def test_figures_beside_the_claims(claim_id, function, tables, judged, catalogue):
    figure = function(tables, judged, catalogue[claim_id])
    assert faults(figure) == []
    assert not [t for axis in figure.axes for t in axis.texts if "not run" in t.get_text()]
    empty = function({}, judged, catalogue[claim_id])
    assert any("not run" in text.get_text() for axis in empty.axes for text in axis.texts)
    assert faults(empty) == []


def test_drawn_nets_have_their_widths_and_factors(tables, judged, catalogue):
    figure = net_shapes(tables, judged, catalogue["nup-best-rate"])
    axis = next(each for each in figure.axes if each.get_title() == "νP (r = 2)")
    shape = shape_of(tables["runs"].query(f"net == '{NUP}' and depth <= 6"))
    assert [text.get_text() for text in axis.texts] == [str(width) for width in shape.widths]
    factors = [tick.get_text().split("\n")[1] for tick in axis.get_xticklabels()[1:]]
    assert [float(Fraction(each)) for each in factors] == pytest.approx(shape.lr_factors)


def test_layers_that_move_alike_at_every_width_are_flat(tables, catalogue):
    selection = RunSelection(tables, catalogue["width-settled"].experiment, "abs")
    found = changes(selection, "mup")
    largest = found.groupby(["base_width", "seed"])["value"].max()
    measured, _ = evolutions_at_fixed_rate(
        selection, "mup", constant_rate_runs(selection.runs_of("mup", "base_width"))
    )
    expected = measured.set_index(["base_width", "seed"])["value"]
    np.testing.assert_allclose(largest, expected.loc[largest.index], rtol=1e-6)


@pytest.fixture(scope="module")
def motion() -> dict[str, pd.DataFrame]:
    return moving.motion_tables(("abs", "relu"), seeds=(0, 1))


COSINE_FIGURES = [
    (displacement_identity, len(KINDS), 0),
    (layer_cosines, len(KINDS), 2 * len(KINDS)),
    (phase_portraits, len(KINDS), 1),
    (null_displacements, len(KINDS), 0),
    (null_cosines, 2, 0),
]


@pytest.mark.parametrize(("function", "n_rows", "bars"), COSINE_FIGURES)
def test_figures_of_the_motion(function, n_rows, bars, motion, judged, catalogue, tmp_path):
    figure = function(motion, judged, catalogue["cosine-phases"])
    assert len(figure.axes) == 2 * n_rows + bars
    drawn = figure.axes[: 2 * n_rows]
    assert [axis.get_title().split("\n")[0] for axis in drawn[:2]] == ["abs", "relu"]
    for axis in drawn:
        assert axis.get_xlabel()
        assert axis.lines or axis.collections
        assert not [text for text in axis.texts if "not run" in text.get_text()]
    assert faults(figure) == []
    figure.savefig(tmp_path / "a.png", dpi=20)
    assert matplotlib.image.imread(tmp_path / "a.png")[..., :3].std() > 0.05


@pytest.mark.parametrize(("function", "n_rows", "bars"), COSINE_FIGURES)
def test_motion_that_is_not_recorded_is_said(function, n_rows, bars, motion, judged, catalogue):
    bare = {"runs": motion["runs"]}
    for found in ({}, bare):
        figure = function(found, judged, catalogue["cosine-phases"])
        for axis in figure.axes:
            assert axis.texts[0].get_text().startswith("not run:")


def test_stacked_areas_end_at_the_measured_displacement(motion, judged, catalogue):
    figure = displacement_identity(motion, judged, catalogue["cosine-phases"])
    for axis in figure.axes:
        squares, measured = (line.get_ydata() for line in axis.lines)
        assert squares[-1] == pytest.approx(1)  # the unit
        parts = [area.get_paths() for area in axis.collections]
        # The upper end of what is left of the squares, and of what cross terms add.
        tops = [path.vertices[:, 1].max() for paths in parts[:2] for path in paths]
        assert max(tops) == pytest.approx(measured.max(), rel=1e-5)
        assert bool(parts[2]) or measured[-1] > 1


def test_sparse_steps_give_no_identity(judged, catalogue):
    sparse = moving.motion_tables(seeds=(0,), every=5)
    figure = displacement_identity(sparse, judged, catalogue["cosine-phases"])
    for axis in figure.axes:
        assert "every 5" in axis.texts[0].get_text().replace("\n", " ")


def test_the_correlation_forest_has_every_measure(tables, judged, catalogue):
    claim = catalogue["cosine-features"]
    found = correlations(tables, claim)
    figure = correlation_forest(tables, judged, claim, found)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == list(OUTCOMES.values())
    for axis in figure.axes:
        own = found[found["activation"] == axis.get_title().split("\n")[0]]
        marks = sorted(x for line in axis.lines[1:] for x in line.get_xdata())
        shown = own[own["predictor"] != DIFFERENCE]
        # The sharpness of these runs is not recorded, and their evolution is the same for all.
        absent = len(OUTCOMES) - shown["outcome"].nunique()
        assert [text.get_text() for text in axis.texts] == ["no correlation"] * absent
        assert marks == pytest.approx(sorted(shown["estimate"]))
    assert "late cosine, rivals held fixed too" in legend_of(figure)
    assert faults(figure) == []
    empty = correlation_forest({}, judged, claim, correlations({}, claim))
    assert empty.axes[0].texts[0].get_text().startswith("not run:")


def test_the_verdict_table_says_every_verdict_in_words(judged, catalogue):
    figure = verdict_table(judged, catalogue)
    words = [text.get_text() for text in figure.axes[0].texts]
    # Kernels have a third activation, for which no other claim is judged: no cell there.
    # The cells have enough seeds for a verdict, which the other claims have not.
    assert words.count("✓ supported") == 2
    assert words.count("? inconclusive") == 2 * (len(catalogue.claims) - 1) + len(KERNEL_CLAIMS)
    assert "– not run" not in words
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert [tick.split("\n")[0] for tick in ticks] == [claim.id for claim in catalogue.claims]


def test_the_verdict_table_of_nothing_is_not_run(catalogue):
    figure = verdict_table(evaluate({}, catalogue).claims, catalogue)
    assert {text.get_text() for text in figure.axes[0].texts} == {"– not run"}


@pytest.mark.parametrize("claim_id", [claim_id for claim_id, _ in CLAIMS + KERNEL_CLAIMS])
def test_forest_has_a_line_per_criterion(claim_id, judged, catalogue):
    claim = catalogue[claim_id]
    figure = forest(judged, claim)
    lines = [tick.get_text() for axis in figure.axes for tick in axis.get_yticklabels()]
    # The edge of stability is judged rate by rate.
    names = [line.partition(", η = ")[0] for line in lines]
    assert sorted(" ".join(name.split()) for name in names) == sorted(
        style.plain(criterion.name) for criterion in claim.criteria
    )
    assert faults(figure) == []


def test_nets_differ_by_marker_and_dashes_not_only_by_color(tables):
    styles = styles_of(tables)
    assert set(synthetic.SLOPES) | set(comparisons.BASELINES) <= set(styles)
    looks = {(look.marker, look.dashes) for look in styles.values()}
    assert len(looks) == len(styles)
    assert len({look.symbol for look in style.VERDICTS.values()}) == 4


def test_known_nets_look_the_same_in_every_study(tables):
    alone = {"runs": tables["runs"][tables["runs"]["net"] == "mup"]}
    assert styles_of(alone)["mup"] == styles_of(tables)["mup"]
    assert styles_of(tables)[NUP].label == "νP (r = 2)"


def test_unknown_nets_have_looks_of_their_own():
    names = [f"mine(alpha={k})" for k in range(40)]
    nets = pd.DataFrame({"net": names, "parameterization": "mine", "optimizer": "sgd"})
    nets = nets.assign(net_options=[f'{{"alpha":{k}.0}}' for k in range(40)], width_exponent=0.0)
    nets = nets.assign(matched_to="")
    twice = pd.concat([nets, nets.assign(net=nets["net"] + " matched to mup", matched_to="mup")])
    styles = net_styles(twice)
    known = {(look.color, look.marker) for look in styles_of({"runs": synthetic_nets()}).values()}
    own = {(look.color, look.marker) for name, look in styles.items() if "matched" not in name}
    assert len(own) == 40
    assert not own & known
    assert len({(str(look.color), look.marker, str(look.dashes)) for look in styles.values()}) == 80
    assert all(look.label == name for name, look in styles.items())
    assert net_styles(twice) == styles


def synthetic_nets() -> pd.DataFrame:
    names = [*synthetic.SLOPES, *comparisons.BASELINES, "nup(r=3)", "ntp", "sp"]
    rows = [{**net_columns(name), "depth": 2, "seed": 0} for name in names]
    return complete("runs", rows)


def test_saved_figures_are_reproducible_and_not_empty(tables, judged, catalogue, tmp_path):
    first, second = (
        style.save(draw("cosine-phases", tables, judged, catalogue), tmp_path / folder / "a.png")
        for folder in ("one", "two")
    )
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".pdf").read_bytes() == second.with_suffix(".pdf").read_bytes()
    pixels = matplotlib.image.imread(first)
    assert pixels.shape[1] > 1000
    assert pixels[..., :3].std() > 0.05


def test_figures_import_neither_torch_nor_training():
    command = "import sys, nup.figures; list(nup.figures.FIGURES); print(sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    imported = set(ast.literal_eval(result.stdout))
    assert "nup.figures.depth" in imported
    assert not {"torch", "nup.training.loop", "nup.jobs"} & imported


def test_edges_of_nets_stand_beside_infinite_width(tables, judged, catalogue):
    figure = edge_against_depth(tables, judged, catalogue["ntk-concentration"])
    axis = figure.axes[0]
    assert {"νP (r = 2)", "infinite width"} <= set(legend_of(figure))
    dotted = [line for line in axis.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    np.testing.assert_allclose(dotted[0].get_ydata(), [1, 2, 4])
    nothing = {**tables, "init": tables["init"].query("experiment == 'ntk-width'")}
    figure = edge_against_depth(nothing, judged, catalogue["ntk-concentration"])
    assert "no experiment" in figure.axes[0].texts[0].get_text().replace("\n", " ")


def test_the_rank_that_predicts_the_curvature_stands_at_one(tables, judged, catalogue):
    layers = tables["layers"].copy()
    layers["cosine_rank"] = -layers["soft_rank"]
    layers.loc[layers["cosine_rank"].notna(), "cosine_rank"] += 100
    changed = {**tables, "layers": layers}
    claim = catalogue["soft-rank"]
    found = rank_curvature_correlations(RunSelection(changed, claim.experiment, "abs"), "none")
    assert found.loc["soft_rank", "mean"] == pytest.approx(1)
    assert found.loc["cosine_rank", "mean"] == pytest.approx(-1)
    figure = rank_predictions(changed, judged, claim)
    assert legend_of(figure) == ["without ξ", "with ξ (depthwise)"]
    absent = {**tables, "steps": tables["steps"].assign(taylor_2=np.nan)}
    figure = rank_predictions(absent, judged, claim)
    assert "no stable run has Taylor" in figure.axes[0].texts[0].get_text().replace("\n", " ")


def test_rates_in_units_of_the_edge_are_drawn_at_their_mean_over_seeds():
    same = {"net": "mup", "base_width": 8, "gradient_scaling": "none"}
    rows = [
        {**same, "depth": 3, "edge": 1.0, "learning_rate": 0.25},
        {**same, "depth": 3, "edge": 1.0, "learning_rate": 1.0},
        {**same, "depth": 3, "edge": 1.0, "learning_rate": np.inf},  # a net without curvature
        {**same, "depth": 4, "edge": 1.0, "learning_rate": 2.0},
        {**same, "depth": 3, "edge": np.nan, "learning_rate": 0.125},
    ]
    assert drawn_rates(pd.DataFrame(rows)).tolist() == pytest.approx([0.5, 0.5, 0.5, 2.0, 0.125])


@pytest.mark.filterwarnings("error")
def test_the_overview_of_depth_has_rates_and_losses_of_one_activation(tables, judged, catalogue):
    figure = FIGURES["depth_overview"].draw(tables, judged, catalogue["nup-best-rate"])
    rates, losses = figure.axes
    assert (rates.get_ylabel(), losses.get_ylabel()) == ("best LR η", "late loss over null loss")
    assert "\nabs, " in figure.get_suptitle()
    depths = sorted(set(tables["runs"].query("experiment == 'depth' and depth > 2")["depth"]))
    assert [list(line.get_xdata()) for line in losses.lines] == [depths] * len(losses.lines)
    empty = FIGURES["depth_overview"].draw({}, judged, catalogue["nup-best-rate"])
    assert len(empty.axes) == 2
