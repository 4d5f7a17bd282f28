"""The cosine's tests beyond the claims, against explicit vectors and known laws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import synthetic_motion as synthetic
from nup.analysis.cosine import correlations, null_table, nulls, report
from nup.analysis.cosine.motion import Motion, autocorrelation, carried_cosines, parts, reversal
from nup.analysis.cosine.trajectories import KINDS, edges_of, motion_of, representative_runs
from nup.claims import load_catalogue
from nup.claims.estimators.cells import cosine_feature_correlation, cosine_runs
from nup.claims.estimators.phases import cosine_in_phase
from nup.claims.nets import option
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.claims.statistics import mean_interval
from synthetic_cells import cells_tables

ROOT = Path(__file__).parents[1]
LENGTHS = 0.3 + np.abs(np.sin(np.arange(40)))


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(ROOT / "config" / "claims.yaml")


@pytest.fixture(scope="module")
def tables():
    return synthetic.motion_tables(("abs", "relu"), seeds=(0, 1))


def motion(steps=50, dimension=7, follows=-0.5, seed=0, fading=0.99) -> Motion:
    rng = np.random.default_rng(seed)
    return Motion(**synthetic.measured(synthetic.updates(steps, dimension, follows, rng, fading)))


# -- motion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("follows", [-0.9, 0.0, 0.95])
def test_identity_of_explicit_vectors(follows):
    found = motion(follows=follows)
    diffusive, cross = parts(found)
    np.testing.assert_allclose(diffusive + cross, found.distances**2, atol=1e-14)
    assert diffusive[0] == cross[0] == 0
    assert np.sign(cross[-1]) == (np.sign(follows) or np.sign(cross[-1]))


def test_carried_cosine_is_that_of_the_last_update_with_the_new_displacement():
    deltas = synthetic.updates(30, 5, 0.3, np.random.default_rng(1))
    carried = carried_cosines(Motion(**synthetic.measured(deltas)))
    assert np.isnan(carried[0])
    for t in range(1, 30):
        place = deltas[:t].sum(0)
        expected = deltas[t - 1] @ place / np.linalg.norm(deltas[t - 1]) / np.linalg.norm(place)
        assert carried[t] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("share", [-0.7, 0.0, 0.6])
def test_reversal_finds_how_much_of_a_direction_follows(share):
    # Where displacement is not small against the updates, what is new does not depend on the way.
    found = [reversal(motion(400, 400, share, seed, fading=1.0)).slope for seed in range(8)]
    assert np.mean(found) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("edge", "slope"), [(0.3, 1), (1.7, -1), (2.2, -1)])
def test_one_direction_of_a_quadratic_reverses_wholly(edge, slope):
    x = (1 - edge) ** np.arange(12)
    found = reversal(Motion(**synthetic.measured(-(edge * x)[:, None])))
    assert found.slope == pytest.approx(slope)
    assert found.explained == pytest.approx(1)


def test_autocorrelation_of_an_alternation_and_of_nothing():
    alternating = np.append(np.nan, np.tile([1.0, -1.0], 500))
    np.testing.assert_allclose(autocorrelation(alternating, 3), [-1, 1, -1], atol=0.01)
    assert np.isnan(autocorrelation(np.ones(10), 2)).all()
    series = np.random.default_rng(0).normal(size=200)
    expected = np.corrcoef(series[1:], series[:-1])[0, 1]
    assert autocorrelation(series, 1)[0] == pytest.approx(expected, abs=0.01)


# -- null models -----------------------------------------------------------------------------------


def test_compounding_a_runs_own_cosines_gives_its_distances():
    found = motion(follows=-0.8)
    squares = nulls.compound(found.lengths, np.stack([found.cosines, found.cosines]))
    np.testing.assert_allclose(squares, [found.distances**2] * 2, atol=1e-13)


@pytest.mark.parametrize("dimension", [2, 3, 50])
def test_cosines_of_isotropic_directions(dimension):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(4000, dimension))
    explicit = vectors[:, 0] / np.linalg.norm(vectors, axis=1)
    drawn = nulls.isotropic_cosines((4000,), dimension, rng)
    assert stats.ks_2samp(explicit, drawn).pvalue > 0.01
    assert drawn.var() == pytest.approx(1 / dimension, rel=0.1)


def test_random_walks_are_those_of_explicit_vectors_with_the_derived_moments():
    rng, dimension, count = np.random.default_rng(3), 6, 3000
    vectors = rng.normal(size=(count, len(LENGTHS), dimension))
    vectors *= (LENGTHS / np.linalg.norm(vectors, axis=-1))[..., None]
    explicit = (np.cumsum(vectors, axis=1) ** 2).sum(-1)
    squares = nulls.random_walks(LENGTHS, dimension, count, rng)
    assert squares.shape == (count, len(LENGTHS) + 1)
    for t in (2, 10, len(LENGTHS)):
        assert stats.ks_2samp(explicit[:, t - 1], squares[:, t]).pvalue > 0.01
        moments = nulls.random_walk_moments(LENGTHS[:t], dimension)
        assert moments.mean == pytest.approx((LENGTHS[:t] ** 2).sum())
        for sample in (explicit[:, t - 1], squares[:, t]):
            assert sample.mean() == pytest.approx(moments.mean, rel=0.05)
            assert sample.std() == pytest.approx(moments.deviation, rel=0.06)


def test_simulations_are_those_of_the_generator():
    first, second, other = (
        nulls.random_walks(LENGTHS, 9, 5, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_shuffling_keeps_the_cosines_and_loses_their_order():
    found = motion(200, 30, -0.9)
    squares = nulls.shuffled(found.lengths, found.cosines, 40, np.random.default_rng(4))
    steps, before = found.lengths, np.sqrt(squares[:, 1:-1])
    turns = (np.diff(squares)[:, 1:] - steps[1:] ** 2) / (2 * steps[1:] * before)
    own = np.sort(found.cosines[1:])
    for order in turns:
        np.testing.assert_allclose(np.sort(order), own, atol=1e-9)
    assert np.mean([autocorrelation(order, 1)[0] for order in turns]) == pytest.approx(0, abs=0.05)
    np.testing.assert_allclose(squares[:, 1], steps[0] ** 2)


def test_valley_cosines_are_those_of_gradient_descent_on_a_quadratic():
    edges = np.array([0.5, 1.3, 2.4, 1.9, 2.4, 2.4, 2.4, 0.7, 2.4, 1.1])
    x = np.cumprod(np.concatenate([[1.0], 1 - edges]))
    expected = np.sign(np.diff(x) * (x[:-1] - x[0]))
    expected[0] = np.nan
    np.testing.assert_array_equal(nulls.valley_cosines(edges), expected)
    assert np.isnan(nulls.valley_cosines([0.5, 1.0, 0.5])[2])  # at the minimum
    phases = [np.nanmean(nulls.valley_cosines(np.full(201, edge))) for edge in (0.5, 1.5, 2.5)]
    np.testing.assert_allclose(phases, [1, 0, -1], atol=0.01)


def test_scores_and_bands():
    simulated = np.arange(99.0)
    assert nulls.rank_p_value(200, simulated) == pytest.approx(2 / 100)
    assert nulls.rank_p_value(49, simulated) == 1
    assert nulls.z_score(5, nulls.Moments(3, 2)) == 1
    assert np.isnan(nulls.z_score(5, nulls.Moments(3, 0)))
    low, high = nulls.band(np.stack([simulated, 2 * simulated], axis=1))
    np.testing.assert_allclose([low, high], [[2.45, 4.9], [95.55, 191.1]])


# -- runs ------------------------------------------------------------------------------------------


def test_kinds_of_runs(tables):
    selection = RunSelection(tables, "catapult", "abs")
    rates = [representative_runs(selection, kind)["learning_rate"].tolist() for kind in KINDS[:3]]
    assert rates == [[0.25] * 2, [0.5] * 2, [1.0] * 2]  # λ_0 = 4
    for kind, c in zip(KINDS[3:], (1.5, 2.5), strict=True):
        assert option(representative_runs(selection, kind), "schedule", "c").tolist() == [c] * 2
    with pytest.raises(NotRun, match="has no runs of the kind sharpness"):
        constant = tables["runs"][tables["runs"]["schedule_name"] == "constant"]
        representative_runs(RunSelection({"runs": constant}, "catapult", "abs"), KINDS[4])
    with pytest.raises(Undecided, match="no run of the kind lowest constant rate is stable"):
        unstable = tables["runs"].assign(stable=False)
        representative_runs(RunSelection({"runs": unstable}, "catapult", "abs"), KINDS[0])


def test_sums_over_steps_need_every_step():
    sparse = synthetic.motion_tables(seeds=(0,), every=5)
    selection = RunSelection(sparse, "catapult", "abs")
    with pytest.raises(NotRun, match=r"recorded every 5: .* need every one \(record.steps: 1\)"):
        motion_of(selection, selection.runs.iloc[0])


def test_the_rate_of_the_step_before_moves_where_the_schedule_fixes_the_edge(tables):
    selection = RunSelection(tables, "catapult", "abs")
    constant, held = (representative_runs(selection, kind).iloc[0] for kind in (KINDS[0], KINDS[4]))
    found = edges_of(selection, constant)
    own = selection.steps_of(constant["run_id"]).set_index("step")["edge"]
    np.testing.assert_allclose(found["edge"], own.loc[found["step"]], rtol=1e-6)
    found = edges_of(selection, held)
    sharpness = 4 + 0.5 * np.sin(found["step"])
    before = 4 + 0.5 * np.sin(found["step"] - 1)
    np.testing.assert_allclose(found["edge"], 2.5 * sharpness / before, rtol=1e-6)


# -- tables of findings ----------------------------------------------------------------------------


def test_null_table_of_known_motion(tables, catalogue):
    found = null_table.null_table(tables, catalogue["cosine-phases"], simulations=100)
    assert found["kind"].tolist() == [*KINDS] * 2
    own = found[found["activation"] == "abs"].set_index("kind")
    straight, back = own.loc["sharpness(1.5)"], own.loc["sharpness(2.5)"]
    assert straight["relative"] > 3 and straight["low"] > 1
    assert back["relative"] < 0.5 and back["high"] < 1
    assert straight["z_walk"] > 3 and straight["p_walk"] == pytest.approx(2 / 101)
    assert back["z_walk"] < -3 and back["outside_walk"] == 2
    assert straight["lag_1"] > 0.5
    assert straight["slope"] == pytest.approx(0.95, abs=0.1)
    assert back["slope"] == pytest.approx(-0.8, abs=0.1)


def test_null_table_by_hand(tables, catalogue):
    selection = RunSelection(tables, "catapult", "abs")
    runs = representative_runs(selection, KINDS[0])
    ratios = []
    for run_id in runs["run_id"]:
        steps = selection.steps_of(run_id).astype({"update_norm": float, "displacement": float})
        squares = (steps["update_norm"] ** 2).sum()
        ratios.append(steps["displacement"].iloc[-1] ** 2 / squares)
    found = null_table.null_table(tables, catalogue["cosine-phases"], simulations=20)
    row = found.iloc[0]
    interval = mean_interval(ratios)
    expected = [interval.estimate, interval.low, interval.high]
    np.testing.assert_allclose(row[["relative", "low", "high"]].astype(float), expected)


def test_random_walks_lie_within_their_own_null(catalogue):
    walk = synthetic.motion_tables(seeds=range(12), follows={0.25: 0.0})
    found = null_table.null_table(walk, catalogue["cosine-phases"], simulations=100)
    row = found.iloc[0]
    assert row["outside_walk"] <= 3 and row["outside_shuffled"] <= 3
    assert abs(row["z_walk"]) < 1
    assert row["directions"] == pytest.approx(synthetic.WEIGHTS, rel=0.15)


PHASES = ("below the edge", "at the edge", "beyond the edge")


def test_uncertainty_of_a_phase(catalogue):
    tables = synthetic.motion_tables(("abs", "relu"), seeds=(0, 1), steps=250)
    claim = catalogue["cosine-phases"]
    found = null_table.phase_table(tables, claim)
    assert found["phase"].tolist() == [*PHASES] * 2
    row = found.iloc[0]
    means = cosine_in_phase(RunSelection(tables, "catapult", "abs"), [None, 1.8]).by_seed
    assert row["cosine"] == pytest.approx(means.mean())
    assert row["between"] == pytest.approx(1.96 * means.sem())
    of_abs = tables["steps"][tables["steps"]["run_id"].str.contains("-abs-")]
    assert row["steps"] == ((of_abs["edge"] < 1.8) & of_abs["cosine"].notna()).sum()
    assert row["walk"] == pytest.approx(1.96 / (synthetic.WEIGHTS * row["steps"]) ** 0.5)
    assert row["inflation"] == pytest.approx((row["between"] / row["independent"]) ** 2)


def test_absent_runs_are_said(catalogue):
    claim = catalogue["cosine-phases"]
    for find, show in (
        (null_table.null_table, report.null_rows),
        (null_table.phase_table, report.phase_rows),
        (correlations.correlations, report.correlation_rows),
    ):
        assert show(find({}, claim)).startswith("Not run")
    sparse = synthetic.motion_tables(seeds=(0,), every=5)
    assert "recorded every 5" in report.null_rows(null_table.null_table(sparse, claim))
    text = report.correlation_rows(correlations.correlations(sparse, claim))
    assert (
        "| abs | not run: no stable run has soft_rank, alignment of its last hidden layer" in text
    )


# -- correlations ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells():
    return cells_tables(seeds=range(12), rates=(0.25, 0.5, 1.0))


def test_the_claims_own_correlations_are_among_them(cells, catalogue):
    claim = catalogue["cosine-features"]
    found = correlations.correlations(cells, claim)
    selection = RunSelection(cells, claim.experiment, "abs")
    for feature in ("soft_rank", "alignment"):
        outcome = f"{feature}_gain"
        row = found[(found["predictor"] == "cosine") & (found["outcome"] == outcome)].iloc[0]
        size = cosine_feature_correlation(selection, feature).by_seed.mean()
        assert abs(row["estimate"]) == pytest.approx(size)


def test_what_each_run_is_measured_by(cells):
    selection = RunSelection(cells, "cells", "abs")
    runs = correlations.correlated_runs(selection)
    assert set(runs["run_id"]) == set(cosine_runs(selection)["run_id"])
    run = runs.iloc[5]
    steps = selection.steps_of(run["run_id"]).set_index("step").astype({"update_norm": float})
    layers = selection.layers_of(run["run_id"]).set_index(["step", "layer"])
    hidden = run["depth"] - 1
    assert run["path_length"] == pytest.approx(200 * steps["update_norm"].mean())
    assert run["displacement"] == pytest.approx(steps.loc[200, "displacement"])
    ends = layers.loc[(200, hidden), "stable_rank"], layers.loc[(0, hidden), "stable_rank"]
    assert run["stable_rank_gain"] == pytest.approx(ends[0] - ends[1], abs=1e-5)
    assert run["movement_spectral"] == pytest.approx(layers.loc[(200, hidden), "movement_spectral"])


def test_a_rival_that_is_the_cause_leaves_the_cosine_nothing(cells, catalogue):
    """The displacement drives the outcome, and the cosine follows the displacement with noise."""
    selection = RunSelection(cells, "cells", "abs")
    runs = correlations.correlated_runs(selection)
    rng = np.random.default_rng(5)
    cause = rng.normal(size=len(runs))
    runs = runs.assign(
        displacement=cause,
        cosine=cause + rng.normal(size=len(runs)),
        path_length=rng.normal(size=len(runs)),
        final_loss=rng.normal(size=len(runs)),
        evolution=cause + 0.3 * rng.normal(size=len(runs)),
    )
    rows = {row["predictor"]: row for row in correlations._of_outcome(runs, "evolution")}
    assert rows["cosine"]["estimate"] > 0.5
    assert abs(rows[correlations.BEYOND]["estimate"]) < 0.25
    difference = rows[correlations.DIFFERENCE]
    assert difference["rival"] == "displacement" and difference["high"] < 0


def test_what_was_not_recorded_has_no_row(cells, catalogue):
    bare = {**cells, "layers": cells["layers"].assign(movement_spectral=None)}
    found = correlations.correlations(bare, catalogue["cosine-features"])
    assert "movement_spectral" not in set(found["outcome"])
    assert {"soft_rank_gain", "movement_frobenius"} <= set(found["outcome"])


def test_the_text_names_the_strongest_rival_and_every_number(cells, catalogue):
    found = correlations.correlations(cells, catalogue["cosine-features"])
    lines = report.correlation_rows(found).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| abs | soft rank, gain | ")
    row = found[found["predictor"] == correlations.DIFFERENCE].iloc[0]
    assert f"({correlations.PREDICTORS[row['rival']]})" in lines[2]
    assert f"{row['estimate']:+.3g}".replace("-", "−") in lines[2]


def test_text_of_the_null_tables(tables, catalogue):
    claim = catalogue["cosine-phases"]
    text = report.null_rows(null_table.null_table(tables, claim, simulations=20))
    assert len(text.splitlines()) == 2 + 2 * len(KINDS)
    assert "| relu | sharpness(2.5) | 2 | " in text
    text = report.phase_rows(null_table.phase_table(tables, claim))
    assert "| abs | below the edge | +" in text


def test_no_torch():
    modules = "nup.analysis.cosine.report, nup.analysis.cosine.null_table"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
