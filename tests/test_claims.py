"""Verdicts on tables in which each claim is known to be true, false or undecidable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from nup.claims import Catalogue, Evaluation, evaluate, load_catalogue
from nup.claims.estimators.depth import depth_slope
from nup.claims.estimators.features import RANKS
from nup.claims.run_selection import RunSelection
from nup.tables import schema

CLAIMS_FILE = Path(__file__).parents[1] / "config" / "claims.yaml"
NUP = synthetic.NUP


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CLAIMS_FILE)


@pytest.fixture(scope="module")
def true_tables() -> dict[str, pd.DataFrame]:
    return comparisons.with_unscaled(synthetic.all_tables())


def judged(catalogue: Catalogue, tables: dict[str, pd.DataFrame], claim: str) -> pd.DataFrame:
    """The rows of one claim for ``abs`` under the reading that decides, by criterion."""
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    rows = evaluate(tables, alone).claims
    return rows[rows["activation"] == "abs"].set_index("criterion")


@pytest.fixture(scope="module")
def true_claims(catalogue, true_tables) -> Evaluation:
    return evaluate(true_tables, catalogue)


def test_all_claims_are_supported_where_all_are_true(catalogue, true_claims):
    table = true_claims.claims
    assert list(table.columns) == list(schema.CLAIMS)
    assert set(table["verdict"]) == {"supported"}
    overall = table[table["criterion"] == "overall"]
    assert list(dict.fromkeys(overall["claim"])) == [claim.id for claim in catalogue.claims]
    judged_numbers = table[["estimate", "low", "high"]].to_numpy()
    assert np.isfinite(judged_numbers).all()
    assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"])).all()


def test_every_reading_has_rows_of_its_own(catalogue, true_claims):
    table = true_claims.readings
    assert list(table.columns) == list(schema.READINGS)
    for claim in catalogue.claims:
        rows = table[(table["claim"] == claim.id) & (table["activation"] == "abs")]
        assert list(dict.fromkeys(rows["reading"])) == [each.label for each in claim.readings]
        overall = rows[rows["criterion"] == "overall"].set_index("reading")["verdict"]
        # The tables hold the runs of one reading of the update and of one gradient scaling.
        expected = {
            each.label: "supported" if _has_runs(each.label) else "not run"
            for each in claim.readings
        }
        assert overall.to_dict() == expected
        decides = true_claims.claims.query("claim == @claim.id and criterion == 'overall'")
        assert set(decides["reading"]) == {claim.readings[0].label}


def _has_runs(label: str) -> bool:
    absent = ("kernel scale", "both norms", "last width", "equal", "per sample", "gram")
    recorded = {rank.replace("_", " ") for rank in RANKS if rank in schema.LAYERS}
    ranks = {rank.replace("_", " ") for rank in RANKS} - recorded
    if any(rank in label for rank in ranks):
        return False
    return not any(each in label.replace("gram rank", "") for each in absent)


def test_judging_twice_gives_the_same_table(catalogue, true_tables):
    alone = catalogue.model_copy(update={"claims": [catalogue["nup-best-rate"]]})
    first, second = (evaluate(true_tables, alone) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_each_activation_is_judged_on_its_own_rows(catalogue):
    good, bad = synthetic.init_table(("abs",)), synthetic.init_table(("relu",), drift=0.1)
    alone = catalogue.model_copy(update={"claims": [catalogue["eoc-init"]]})
    table = evaluate({"init": pd.concat([good, bad])}, alone).claims
    overall = table[table["criterion"] == "overall"].set_index("activation")["verdict"]
    assert overall.to_dict() == {"abs": "supported", "relu": "contradicted"}


def test_eoc_init_is_contradicted_by_a_drift(catalogue):
    rows = judged(catalogue, {"init": synthetic.init_table(drift=0.05)}, "eoc-init")
    forward = rows.loc["forward norms at the EOC"]
    assert forward["verdict"] == "contradicted"
    assert forward["estimate"] == pytest.approx(0.05, abs=0.002)
    assert rows.loc["overall", "verdict"] == "contradicted"


def test_eoc_init_is_inconclusive_where_the_noise_is_large(catalogue):
    rows = judged(catalogue, {"init": synthetic.init_table(noise=0.3)}, "eoc-init")
    row = rows.loc["forward norms at the EOC"]
    assert row["verdict"] == "inconclusive"
    assert "crosses an end of [-0.02, 0.02]" in row["reason"]


def test_depth_needs_help_is_contradicted_if_plain_nets_need_none(catalogue):
    slopes = dict.fromkeys(synthetic.SLOPES, 0.1)
    rows = judged(catalogue, synthetic.depth_tables(slopes=slopes), "depth-needs-help")
    assert set(rows["verdict"]) == {"contradicted"}


@pytest.mark.parametrize("claim", ["nup-best-rate", "nup-stable-rate"])
def test_rates_are_contradicted_if_nup_falls_like_constant_widths(catalogue, claim):
    tables = synthetic.depth_tables(slopes={**synthetic.SLOPES, NUP: 1.0})
    rows = judged(catalogue, tables, claim)
    assert set(rows["verdict"]) == {"contradicted"}
    assert rows.loc["slope", "estimate"] == pytest.approx(-1.0, abs=0.15)


def test_interpolation_finds_the_law_between_grid_points(catalogue):
    """Losses are parabolas, so the vertex is exact: seeds scatter by their own noise alone."""
    tables = synthetic.depth_tables(slopes={NUP: 0.3, "mup": 1.0})
    selection = RunSelection(tables, "depth", "abs")
    found = depth_slope(selection, NUP, "best").by_seed
    runs = tables["runs"]
    own = runs[(runs["net"] == NUP) & runs["late_loss"].notna()]
    for seed, slope in found.items():
        best = []
        for depth, grid in own[own["seed"] == seed].groupby("depth"):
            x, y = np.log2(grid["learning_rate"]), np.log2(grid["late_loss"])
            curved = y < np.log2(0.5)
            a, b, _ = np.polyfit(x[curved], y[curved], 2)
            best.append((np.log2(depth), -b / (2 * a)))
        expected = np.polyfit(*zip(*best, strict=True), 1)[0]
        assert slope == pytest.approx(expected, abs=1e-6)


def test_a_gain_in_slope_is_paired_by_seed(catalogue, true_tables):
    rows = judged(catalogue, true_tables, "nup-best-rate")
    selection = RunSelection(true_tables, "depth", "abs")
    own, mup = (depth_slope(selection, net, "best").by_seed for net in (NUP, "mup"))
    gain = rows.loc["gentler than mup", "estimate"]
    assert gain == pytest.approx(abs(mup.mean()) - abs(own.mean()))
    said = f"slopes {own.mean():+.2f} and, of mup, {mup.mean():+.2f}"
    assert rows.loc["gentler than mup", "reason"].endswith(said)


def test_dividing_the_rate_by_the_depth_shifts_the_slope_by_exactly_one():
    """A check of the machinery, no evidence: ``mup_inverse_depth(η)`` is ``mup(η/l)``."""
    tables = synthetic.depth_tables(slopes={"mup": 1.0})
    runs = tables["runs"]
    divided = runs.assign(
        net="mup_inverse_depth",
        run_id="divided-" + runs["run_id"],
        learning_rate=runs["learning_rate"] * runs["depth"],
    )
    both = {**tables, "runs": pd.concat([runs, divided])}
    selection = RunSelection(both, "depth", "abs")
    for rate in ("best", "largest stable"):
        plain, shifted = (
            depth_slope(selection, net, rate).by_seed for net in ("mup", "mup_inverse_depth")
        )
        assert (shifted - plain).to_numpy() == pytest.approx(1.0, abs=1e-12)


def test_depth_pays_is_contradicted_by_a_loss_that_grows(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(loss_slope=0.4), "nup-depth-pays")
    assert rows.loc["late loss", "verdict"] == "contradicted"
    assert rows.loc["late loss", "estimate"] == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("change", "criterion"),
    [
        ({"layer_slope": 0.4}, "no growth with the layer"),
        ({"growth": {**dict.fromkeys(synthetic.SLOPES, 0.6), NUP: 0.5}}, "no growth with depth"),
        ({"growth": dict.fromkeys(synthetic.SLOPES, 0.0)}, "less growth than constant widths"),
    ],
)
def test_regular_evolution_is_contradicted(catalogue, change, criterion):
    rows = judged(catalogue, synthetic.depth_tables(**change), "nup-regular-evolution")
    assert rows.loc[criterion, "verdict"] == "contradicted"
    assert rows.loc["overall", "verdict"] == "contradicted"


def test_the_slope_in_the_layer_is_that_of_the_law(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(layer_slope=0.1), "nup-regular-evolution")
    assert rows.loc["no growth with the layer", "estimate"] == pytest.approx(0.1)
    gain = rows.loc["less growth with the layer than constant widths", "estimate"]
    assert gain == pytest.approx(synthetic.STEEPNESS - 0.1)


@pytest.mark.parametrize(
    ("cosines", "criterion"),
    [
        ((0.0, 0.0, -0.2), "below the edge"),
        ((0.4, 0.3, -0.2), "at the edge"),
    ],
)
def test_cosine_phases_are_contradicted(catalogue, cosines, criterion):
    rows = judged(catalogue, synthetic.catapult_tables(cosines=cosines), "cosine-phases")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert contradicted == ["overall", criterion]


def test_a_cosine_beyond_the_edge_above_its_null_is_contradicted(catalogue):
    rows = judged(catalogue, synthetic.catapult_tables(cosines=(0.4, 0.0, 0.5)), "cosine-phases")
    assert rows.loc["beyond the edge", "verdict"] == "contradicted"
    assert rows.loc["beyond the edge, below the null", "verdict"] == "contradicted"


def test_the_null_is_the_mean_over_all_steps(catalogue):
    """Its expectation under random order, checked against drawn permutations."""
    tables = synthetic.catapult_tables(seeds=(0,))
    steps = tables["steps"].dropna(subset=["edge", "cosine"])
    cosines, beyond = steps["cosine"].to_numpy(dtype=float), (steps["edge"] > 2.2).to_numpy()
    rng = np.random.default_rng(0)
    drawn = np.mean([rng.permutation(cosines)[beyond].mean() for _ in range(400)])
    rows = judged(catalogue, tables, "cosine-phases")
    expected = cosines[beyond].mean() - drawn
    assert rows.loc["beyond the edge, below the null", "estimate"] == pytest.approx(
        expected, abs=0.003
    )


def test_cosine_phase_that_no_run_enters_is_inconclusive(catalogue):
    tables = synthetic.catapult_tables()
    runs = tables["runs"]
    calm = {**tables, "runs": runs[runs["schedule"] == "sharpness(c=1.5)"]}
    row = judged(catalogue, calm, "cosine-phases").loc["beyond the edge"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "no seed has 200 recorded steps in this phase, the most are 0"


def test_catapult_ends_is_contradicted_by_lasting_rises(catalogue):
    tables = synthetic.catapult_tables(fading={"constant": 1.0})
    rows = judged(catalogue, tables, "catapult-ends")
    assert set(rows["verdict"]) == {"contradicted"}


def test_catapult_ends_needs_a_run_that_starts_beyond_the_edge(catalogue):
    tables = synthetic.catapult_tables()
    tables["runs"] = tables["runs"].assign(initial_sharpness=0.1)
    rows = judged(catalogue, tables, "catapult-ends")
    assert rows.loc["rises fade", "verdict"] == "inconclusive"
    assert rows.loc["rises fade", "reason"] == "no stable run starts at ηλ_0 ≥ 1.5"


def test_one_schedule_that_prolongs_the_catapult_is_enough(catalogue):
    tables = synthetic.catapult_tables(fading={"sharpness": 0.1})
    alone = catalogue.model_copy(update={"claims": [catalogue["catapult-prolonged"]]})
    found = evaluate(tables, alone)
    overall = found.readings[found.readings["criterion"] == "overall"].set_index("reading")
    assert overall["verdict"].to_dict() == {
        "sharpness": "contradicted",
        "taylor": "supported",
        "polyak": "supported",
    }
    claim = found.claims.set_index("criterion").loc["overall"]
    assert (claim["verdict"], claim["reading"]) == ("supported", "taylor")
    assert claim["reason"] == "of 3 readings, contradicted: sharpness; supported: taylor, polyak"


def test_catapult_prolonged_is_contradicted_if_every_schedule_fades(catalogue):
    fading = dict.fromkeys(synthetic.SCHEDULES, 0.1)
    rows = judged(catalogue, synthetic.catapult_tables(fading=fading), "catapult-prolonged")
    assert rows.loc["overall", "verdict"] == "contradicted"
    assert rows.loc["c = 2.5: rises last over 1 of the run", "verdict"] == "contradicted"


def test_one_diverged_seed_refutes_never(catalogue):
    tables = synthetic.catapult_tables(diverged_seed=1)
    alone = catalogue.model_copy(update={"claims": [catalogue["catapult-prolonged"]]})
    found = evaluate(tables, alone).readings
    rows = found[found["reading"] == "sharpness"].set_index("criterion")
    assert rows.loc["c = 2.5: no divergence", "verdict"] == "contradicted"
    assert rows.loc["c = 2.5: no explosion", "verdict"] == "contradicted"
    assert rows.loc["c = 2.5: no explosion", "estimate"] == pytest.approx(1e5)
    late = rows.loc["c = 2.5: late rises"]
    assert late["verdict"] == "inconclusive"
    assert "7 seeds, at least 8 are needed; 1 of 8 runs diverged" in late["reason"]


def test_short_runs_have_no_rises(catalogue):
    tables = synthetic.catapult_tables(steps=400)
    rows = judged(catalogue, tables, "catapult-prolonged")
    row = rows.loc["c = 2.5: rises last over 0.1 of the run"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "rises by quarters need 80 steps, got 40"


def test_optimum_at_the_edge_of_the_grid_decides_nothing(catalogue):
    rates = [rate for rate in synthetic.RATES if rate >= 2**-4]
    tables = synthetic.depth_tables(rates=rates)
    rows = judged(catalogue, tables, "nup-best-rate")
    row = rows.loc["gentler than mup"]
    assert row["verdict"] == "inconclusive"
    assert "mup: best LR at the bottom of the grid at depth 4 (8 of 8 seeds)" in row["reason"]
    assert np.isfinite(row["estimate"])


def test_largest_stable_rate_at_the_top_of_the_grid_decides_nothing(catalogue):
    rates = [rate for rate in synthetic.RATES if rate <= 2**-2]
    rows = judged(catalogue, synthetic.depth_tables(rates=rates), "nup-stable-rate")
    row = rows.loc["slope"]
    assert row["verdict"] == "inconclusive"
    assert "nup(r=2): largest stable LR at the top of the grid at depth 3" in row["reason"]


def test_depth_without_a_stable_rate_decides_nothing(catalogue):
    tables = synthetic.depth_tables()
    runs = tables["runs"]
    dead = (runs["parameterization"] == "nup") & (runs["depth"] == 8)
    tables["runs"] = runs.assign(late_loss=runs["late_loss"].mask(dead, 0.45))
    row = judged(catalogue, tables, "nup-best-rate").loc["slope"]
    assert row["verdict"] == "inconclusive"
    assert "nup(r=2): no stable LR at depth 8 (8 of 8 seeds)" in row["reason"]


def test_too_few_seeds_are_inconclusive(catalogue):
    tables = synthetic.depth_tables(seeds=range(7))
    rows = judged(catalogue, tables, "nup-best-rate")
    assert set(rows["verdict"]) == {"inconclusive"}
    assert rows.loc["slope", "reason"] == "7 seeds, at least 8 are needed"
    assert rows.loc["slope", "n_seeds"] == 7


def test_the_confirmatory_data_set_needs_more_seeds(catalogue):
    tables = synthetic.depth_tables()
    tables["runs"] = tables["runs"].assign(dataset="mnist")
    rows = judged(catalogue, tables, "nup-best-rate")
    assert rows.loc["slope", "reason"] == "8 seeds, at least 12 are needed"


def test_absent_runs_are_named(catalogue):
    tables = synthetic.depth_tables(slopes={NUP: 0.0, "mup": 1.0})
    rows = judged(catalogue, tables, "nup-best-rate")
    row = rows.loc["gentler than constant widths"]
    assert row["verdict"] == "not run"
    assert row["reason"] == ("experiment `depth` has no abs runs of nup(r=0) matched to nup(r=2)")
    assert rows.loc["gentler than mup", "verdict"] == "supported"
    assert rows.loc["overall", "verdict"] == "not run"


def test_holes_in_the_grid_are_named(catalogue):
    tables = synthetic.depth_tables()
    runs = tables["runs"]
    hole = (runs["net"] == NUP) & (runs["depth"] == 4) & (runs["seed"] == 2)
    tables["runs"] = runs[~(hole & (runs["learning_rate"] == 0.5))]
    row = judged(catalogue, tables, "nup-best-rate").loc["slope"]
    assert row["verdict"] == "not run"
    assert row["reason"].endswith("1 runs of the grid are absent, first depth 4, seed 2, LR 0.5")


def test_each_seed_may_have_its_own_rates_where_the_edge_was_asked_for(catalogue):
    tables = synthetic.depth_tables()
    runs = tables["runs"].drop(columns="edge", errors="ignore")
    shift = 2 ** (0.1 * runs["seed"])  # λ_0 of each seed
    own = runs.assign(edge=runs["learning_rate"], learning_rate=runs["learning_rate"] * shift)
    before = RunSelection({"runs": runs}, "depth", "abs")
    after = RunSelection({"runs": own}, "depth", "abs")
    slopes = [depth_slope(each, NUP, "best").by_seed.to_numpy() for each in (before, after)]
    assert slopes[0] == pytest.approx(slopes[1])


def test_two_layers_are_no_point_of_a_line(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(depths=(2, 3, 4)), "depth-needs-help")
    assert rows.loc["slope of mup", "verdict"] == "not run"
    assert "a depth slope needs at least 3 depths, got 3, 4" in rows.loc["slope of mup", "reason"]


def test_other_cutoffs_are_shown_beside_the_stability_boundary(catalogue):
    reason = judged(catalogue, synthetic.depth_tables(), "nup-stable-rate").loc["slope", "reason"]
    assert reason.endswith("; judged at 0.7 of the null loss")
    assert reason.count("slope at cutoff 0.5: ") == reason.count("slope at cutoff 0.95: ") == 1


def test_mixed_data_sets_must_be_selected(catalogue):
    tables = synthetic.depth_tables()
    other = tables["runs"].assign(dataset="mnist1d", run_id="other-" + tables["runs"]["run_id"])
    mixed = {"runs": pd.concat([tables["runs"], other]), "layers": tables["layers"]}
    row = judged(catalogue, mixed, "depth-needs-help").loc["slope of mup"]
    assert row["verdict"] == "not run"
    assert (
        "mixes several values of dataset (digits, mnist1d): pin one under `select`" in row["reason"]
    )
    claim = catalogue["depth-needs-help"].model_copy(update={"select": {"dataset": "digits"}})
    pinned = catalogue.model_copy(update={"claims": [claim]})
    assert set(evaluate(mixed, pinned).claims["verdict"]) == {"supported"}


def test_losses_of_every_step_are_needed(catalogue):
    tables = synthetic.catapult_tables()
    steps = tables["steps"]
    tables["steps"] = steps[steps["step"] % 2 == 0]
    row = judged(catalogue, tables, "catapult-ends").loc["rises fade"]
    assert row["verdict"] == "not run"
    assert "record.steps: 1" in row["reason"]


def test_empty_tables_give_an_empty_claims_table(catalogue):
    table = evaluate({}, catalogue).claims
    assert table.empty
    assert list(table.columns) == list(schema.CLAIMS)


def test_missing_tables_are_not_run(catalogue):
    table = evaluate({"init": synthetic.init_table()}, catalogue).claims
    overall = table[table["criterion"] == "overall"].set_index("claim")["verdict"]
    assert overall["eoc-init"] == "supported"
    assert set(overall.drop("eoc-init")) == {"not run"}
