"""Verdicts on tables in which each claim is known to be true, false or undecidable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic_tables as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.tables import schema

CLAIMS_FILE = Path(__file__).parents[1] / "config" / "claims.yaml"
NUP = synthetic.NUP


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CLAIMS_FILE)


@pytest.fixture(scope="module")
def true_tables() -> dict[str, pd.DataFrame]:
    return synthetic.all_tables()


def judged(catalogue: Catalogue, tables: dict[str, pd.DataFrame], claim: str) -> pd.DataFrame:
    """The rows of one claim for ``abs``, by criterion."""
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    rows = evaluate(tables, alone)
    return rows[rows["activation"] == "abs"].set_index("criterion")


def test_all_claims_are_supported_where_all_are_true(catalogue, true_tables):
    table = evaluate(true_tables, catalogue)
    assert list(table.columns) == list(schema.CLAIMS)
    assert set(table["verdict"]) == {"supported"}
    overall = table[table["criterion"] == "overall"]
    assert list(dict.fromkeys(overall["claim"])) == [claim.id for claim in catalogue.claims]
    judged_numbers = table[["estimate", "low", "high"]].to_numpy()
    assert np.isfinite(judged_numbers).all()
    assert ((table["low"] <= table["estimate"]) & (table["estimate"] <= table["high"])).all()


def test_judging_twice_gives_the_same_table(catalogue, true_tables):
    pd.testing.assert_frame_equal(
        evaluate(true_tables, catalogue), evaluate(true_tables, catalogue)
    )


def test_each_activation_is_judged_on_its_own_rows(catalogue):
    good, bad = synthetic.init_table(("abs",)), synthetic.init_table(("relu",), drift=0.1)
    alone = catalogue.model_copy(update={"claims": [catalogue["eoc-init"]]})
    table = evaluate({"init": pd.concat([good, bad])}, alone)
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


def test_depth_transfer_is_contradicted_if_nup_falls_like_mup(catalogue):
    tables = synthetic.depth_tables(slopes={**synthetic.SLOPES, NUP: 1.0})
    rows = judged(catalogue, tables, "nup-depth-transfer")
    assert set(rows["verdict"]) == {"contradicted"}
    # Half-octave grids round every optimum, so a slope is known to about a tenth.
    assert rows.loc["slope of the best LR", "estimate"] == pytest.approx(-1.0, abs=0.15)


def test_a_gain_in_slope_is_paired_by_seed(catalogue, true_tables):
    rows = judged(catalogue, true_tables, "nup-depth-transfer")
    own = rows.loc["slope of the best LR", "estimate"]
    gain = rows.loc["gentler than mup, best LR", "estimate"]
    mup = judged(catalogue, true_tables, "depth-needs-help").loc["slope of mup", "estimate"]
    assert gain == pytest.approx(abs(mup) - abs(own), abs=0.1)


@pytest.mark.parametrize(
    ("change", "criterion"),
    [
        ({"layer_slope": 0.4}, "slope in the layer"),
        ({"growth": {**dict.fromkeys(synthetic.SLOPES, 0.6), NUP: 0.5}}, "no growth with depth"),
        ({"growth": dict.fromkeys(synthetic.SLOPES, 0.0)}, "growth in mup"),
    ],
)
def test_regular_evolution_is_contradicted(catalogue, change, criterion):
    rows = judged(catalogue, synthetic.depth_tables(**change), "nup-regular-evolution")
    assert rows.loc[criterion, "verdict"] == "contradicted"
    assert rows.loc["overall", "verdict"] == "contradicted"
    assert criterion in rows.loc["overall", "reason"]


@pytest.mark.parametrize(
    ("cosines", "criterion"),
    [
        ((0.0, 0.0, -0.2), "below the edge"),
        ((0.4, 0.3, -0.2), "at the edge"),
        ((0.4, 0.0, 0.2), "beyond the edge"),
    ],
)
def test_cosine_phases_are_contradicted(catalogue, cosines, criterion):
    rows = judged(catalogue, synthetic.catapult_tables(cosines=cosines), "cosine-phases")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert contradicted == ["overall", criterion]


def test_cosine_phase_that_no_run_enters_is_inconclusive(catalogue):
    tables = synthetic.catapult_tables()
    runs = tables["runs"]
    calm = {**tables, "runs": runs[runs["schedule"] == "sharpness(c=1.5)"]}
    row = judged(catalogue, calm, "cosine-phases").loc["beyond the edge"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "no recorded step lies in this phase"


def test_catapult_ends_is_contradicted_by_lasting_spikes(catalogue):
    tables = synthetic.catapult_tables(fading={"constant": 1.0})
    rows = judged(catalogue, tables, "catapult-ends")
    assert rows["verdict"].to_dict() == {
        "overall": "contradicted",
        "spikes fade": "contradicted",
        "ends at the edge": "supported",
    }


def test_catapult_ends_needs_a_run_that_starts_beyond_the_edge(catalogue):
    tables = synthetic.catapult_tables()
    tables["runs"] = tables["runs"].assign(initial_sharpness=0.1)
    rows = judged(catalogue, tables, "catapult-ends")
    assert rows.loc["spikes fade", "verdict"] == "inconclusive"
    assert rows.loc["spikes fade", "reason"] == "no stable run starts at ηλ_0 ≥ 1.5"


def test_catapult_prolonged_is_contradicted_by_fading_spikes(catalogue):
    tables = synthetic.catapult_tables(fading={"taylor": 0.1})
    rows = judged(catalogue, tables, "catapult-prolonged")
    contradicted = rows[rows["verdict"] == "contradicted"].index.drop("overall")
    assert "taylor(2.5): spikes last over 1 of the run" in contradicted
    assert not [name for name in contradicted if name.startswith("sharpness")]


def test_one_diverged_seed_refutes_never(catalogue):
    tables = synthetic.catapult_tables(diverged_seed=1)
    rows = judged(catalogue, tables, "catapult-prolonged")
    assert rows.loc["sharpness(2.5): no divergence", "verdict"] == "contradicted"
    assert rows.loc["sharpness(2.5): no explosion", "verdict"] == "contradicted"
    assert rows.loc["sharpness(2.5): no explosion", "estimate"] == pytest.approx(1e5)
    late = rows.loc["sharpness(2.5): late spikes"]
    assert late["verdict"] == "inconclusive"
    assert "3 seeds, at least 4 are needed; 1 of 4 runs diverged" in late["reason"]


def test_short_runs_have_no_amplitudes(catalogue):
    tables = synthetic.catapult_tables(steps=400)
    rows = judged(catalogue, tables, "catapult-prolonged")
    row = rows.loc["sharpness(2.5): spikes last over 0.1 of the run"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "amplitudes by quarters need 80 steps, got 40"


def test_optimum_at_the_edge_of_the_grid_decides_nothing(catalogue):
    rates = [rate for rate in synthetic.RATES if rate >= 2**-4]
    tables = synthetic.depth_tables(rates=rates)
    rows = judged(catalogue, tables, "nup-depth-transfer")
    row = rows.loc["gentler than mup, best LR"]
    assert row["verdict"] == "inconclusive"
    assert "mup: best LR at the bottom of the grid at depth 4 (4 of 4 seeds)" in row["reason"]
    assert np.isfinite(row["estimate"])


def test_largest_stable_rate_at_the_top_of_the_grid_decides_nothing(catalogue):
    rates = [rate for rate in synthetic.RATES if rate <= 2**-2]
    rows = judged(catalogue, synthetic.depth_tables(rates=rates), "nup-depth-transfer")
    row = rows.loc["slope of the largest stable LR"]
    assert row["verdict"] == "inconclusive"
    assert "nup(r=2): largest stable LR at the top of the grid at depth 2" in row["reason"]


def test_depth_without_a_stable_rate_decides_nothing(catalogue):
    tables = synthetic.depth_tables()
    runs = tables["runs"]
    dead = (runs["parameterization"] == "nup") & (runs["depth"] == 8)
    tables["runs"] = runs.assign(stable=runs["stable"] & ~dead)
    row = judged(catalogue, tables, "nup-depth-transfer").loc["slope of the best LR"]
    assert row["verdict"] == "inconclusive"
    assert "nup(r=2): no stable LR at depth 8 (4 of 4 seeds)" in row["reason"]


def test_too_few_seeds_are_inconclusive(catalogue):
    tables = synthetic.depth_tables(seeds=(0, 1))
    rows = judged(catalogue, tables, "nup-depth-transfer")
    assert set(rows["verdict"]) == {"inconclusive"}
    assert rows.loc["slope of the best LR", "reason"] == "2 seeds, at least 4 are needed"
    assert rows.loc["slope of the best LR", "n_seeds"] == 2


def test_absent_runs_are_named(catalogue):
    tables = synthetic.depth_tables(slopes={NUP: 0.0, "mup": 1.0})
    rows = judged(catalogue, tables, "nup-depth-transfer")
    row = rows.loc["gentler than mup matched to nup(r=2), best LR"]
    assert row["verdict"] == "not run"
    assert row["reason"] == "experiment `depth` has no abs runs of mup matched to nup(r=2)"
    assert rows.loc["gentler than mup, best LR", "verdict"] == "supported"
    assert rows.loc["overall", "verdict"] == "not run"


def test_holes_in_the_grid_are_named(catalogue):
    tables = synthetic.depth_tables()
    runs = tables["runs"]
    hole = (runs["parameterization"] == "nup") & (runs["depth"] == 4) & (runs["seed"] == 2)
    tables["runs"] = runs[~(hole & (runs["learning_rate"] == 0.5))]
    row = judged(catalogue, tables, "nup-depth-transfer").loc["slope of the best LR"]
    assert row["verdict"] == "not run"
    assert row["reason"].endswith("1 runs of the grid are absent, first depth 4, seed 2, LR 0.5")


def test_two_depths_make_no_slope(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(depths=(2, 4)), "depth-needs-help")
    assert rows.loc["slope of mup", "verdict"] == "not run"
    assert "a depth slope needs at least 3 depths, got 2, 4" in rows.loc["slope of mup", "reason"]


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
    assert set(evaluate(mixed, pinned)["verdict"]) == {"supported"}


def test_losses_of_every_step_are_needed(catalogue):
    tables = synthetic.catapult_tables()
    steps = tables["steps"]
    tables["steps"] = steps[steps["step"] % 2 == 0]
    row = judged(catalogue, tables, "catapult-ends").loc["spikes fade"]
    assert row["verdict"] == "not run"
    assert "record.steps: 1" in row["reason"]


def test_empty_tables_give_an_empty_claims_table(catalogue):
    table = evaluate({}, catalogue)
    assert table.empty
    assert list(table.columns) == list(schema.CLAIMS)


def test_missing_tables_are_not_run(catalogue):
    table = evaluate({"init": synthetic.init_table()}, catalogue)
    overall = table[table["criterion"] == "overall"].set_index("claim")["verdict"]
    assert overall["eoc-init"] == "supported"
    assert set(overall.drop("eoc-init")) == {"not run"}
