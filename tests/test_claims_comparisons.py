"""Verdicts of the claims on width, growth, features, gradient scaling and usefulness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.estimators.usefulness import within_budget
from nup.claims.nets import option
from nup.claims.run_selection import RunSelection
from synthetic_base import MATCHED, NUP, complete, run_columns

CLAIMS_FILE = Path(__file__).parents[1] / "config" / "claims.yaml"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CLAIMS_FILE)


def judged(catalogue: Catalogue, tables: dict[str, pd.DataFrame], claim: str) -> pd.DataFrame:
    """The rows of one claim for ``abs``, by criterion."""
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    rows = evaluate(tables, alone)
    return rows[rows["activation"] == "abs"].set_index("criterion")


def changed(tables: dict[str, pd.DataFrame], name: str, **columns: object) -> dict:
    return {**tables, name: tables[name].assign(**columns)}


# width-settled


@pytest.mark.parametrize(
    ("change", "criterion", "estimate"),
    [
        ({"slopes": {"mup": -0.5}}, "slope of mup", -0.5),
        ({"slopes": {"sp": 0.0}}, "slope of sp", 0.0),
        ({"movement": 0.2}, "feature movement of ntp", 0.2),
    ],
)
def test_width_settled_is_contradicted(catalogue, change, criterion, estimate):
    rows = judged(catalogue, comparisons.width_tables(**change), "width-settled")
    assert rows.index[rows["verdict"] == "contradicted"].tolist() == ["overall", criterion]
    assert rows.loc[criterion, "estimate"] == pytest.approx(estimate, abs=0.15)


def test_a_width_slope_is_that_of_the_law(catalogue):
    rows = judged(catalogue, comparisons.width_tables(), "width-settled")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["slope of sp", "estimate"] == pytest.approx(-1.0, abs=0.1)
    assert rows.loc["feature movement of ntp", "estimate"] == pytest.approx(-0.5)


def test_best_rate_at_the_edge_of_the_grid_names_the_width(catalogue):
    tables = comparisons.width_tables(slopes={"sp": -3.0})
    row = judged(catalogue, tables, "width-settled").loc["slope of sp"]
    assert row["verdict"] == "inconclusive"
    assert "sp: best LR at the bottom of the grid at width 64 (4 of 4 seeds)" in row["reason"]


def test_two_widths_make_no_slope(catalogue):
    rows = judged(catalogue, comparisons.width_tables(widths=(16, 32)), "width-settled")
    assert rows.loc["slope of mup", "verdict"] == "not run"
    reason = rows.loc["slope of mup", "reason"]
    assert reason == "mup: a width slope needs at least 3 widths, got 16, 32"


def test_depths_do_not_mix_in_a_width_slope(catalogue):
    tables = comparisons.width_tables()
    deeper = tables["runs"].assign(depth=5, run_id="deeper-" + tables["runs"]["run_id"])
    row = judged(catalogue, {"runs": pd.concat([tables["runs"], deeper])}, "width-settled").loc[
        "slope of mup"
    ]
    assert row["verdict"] == "not run"
    assert "mixes several values of depth (3, 5): pin one under `select`" in row["reason"]


# growth-matters


def test_growth_matters_is_contradicted_where_r_does_not_matter(catalogue):
    slopes = {**synthetic.SLOPES, NUP: 1.0, "nup(r=1)": 0.5}
    growth = {**dict.fromkeys(synthetic.SLOPES, 0.6), NUP: 0.9}
    rows = judged(catalogue, synthetic.depth_tables(slopes=slopes, growth=growth), "growth-matters")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert "best LR, r = 2 against 1" in contradicted
    assert "evolution, r = 2 against 1" in contradicted
    assert "evolution, r = 2 against 0 at equal parameters" in contradicted
    assert rows.loc["best LR, r = 1 against 0", "verdict"] == "supported"
    assert rows.loc["evolution, r = 2 against 1", "estimate"] == pytest.approx(-0.3, abs=0.05)


def test_growth_matters_is_inconclusive_where_slopes_are_equal(catalogue):
    growth = dict.fromkeys(synthetic.SLOPES, 0.6)
    rows = judged(catalogue, synthetic.depth_tables(growth=growth), "growth-matters")
    row = rows.loc["evolution, r = 1 against 0"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "the interval crosses an end of (0, inf)"


def test_growth_matters_needs_the_middle_exponent(catalogue):
    slopes = {net: slope for net, slope in synthetic.SLOPES.items() if net != "nup(r=1)"}
    rows = judged(catalogue, synthetic.depth_tables(slopes=slopes), "growth-matters")
    row = rows.loc["evolution, r = 1 against 0"]
    assert row["verdict"] == "not run"
    assert row["reason"] == "experiment `depth` has no abs runs of nup(r=1)"


# cosine-features


def test_a_negative_correlation_counts_by_its_size(catalogue):
    tables = synthetic.depth_tables(coupling=(-1.0, -1.0))
    rows = judged(catalogue, tables, "cosine-features")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["cosine and soft_rank", "reason"] == "the correlation is negative"
    assert rows.loc["cosine and soft_rank", "estimate"] > 0.8


def test_cosine_features_is_contradicted_by_noise(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(coupling=(0.0, 0.0)), "cosine-features")
    # What LR and depth do to cosine and features alike is not counted.
    assert rows.loc["cosine and soft_rank", "verdict"] == "contradicted"
    assert abs(rows.loc["cosine and soft_rank", "estimate"]) < 0.1


def test_cosine_features_is_contradicted_by_opposite_signs(catalogue):
    rows = judged(catalogue, synthetic.depth_tables(coupling=(1.0, -1.0)), "cosine-features")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert contradicted == ["overall", "same sign"]


def test_cosine_features_needs_enough_runs(catalogue):
    tables = synthetic.depth_tables(rates=(2.0**-4,))
    row = judged(catalogue, tables, "cosine-features").loc["cosine and soft_rank"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "no (seed, net) has 8 stable runs that differ"


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("steps", {"cosine": np.nan}, "no stable run has the cosine in its last quarter"),
        ("layers", {"soft_rank": np.nan}, "no stable run has the features of its last hidden"),
    ],
)
def test_cosine_features_needs_its_records(catalogue, name, columns, reason):
    tables = changed(synthetic.depth_tables(), name, **columns)
    row = judged(catalogue, tables, "cosine-features").loc["cosine and alignment"]
    assert row["verdict"] == "not run"
    assert reason in row["reason"]


# beyond-edge


def test_beyond_edge_measures_the_ratio(catalogue):
    rows = judged(catalogue, comparisons.scaling_tables(ratios={NUP: 4.0}), "beyond-edge")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["largest stable LR", "estimate"] == pytest.approx(4.0)


def test_beyond_edge_is_contradicted_by_a_small_ratio(catalogue):
    rows = judged(catalogue, comparisons.scaling_tables(ratios={NUP: 2**0.5}), "beyond-edge")
    assert rows.loc["largest stable LR", "verdict"] == "contradicted"
    assert rows.loc["no explosion", "verdict"] == "supported"


def test_one_explosion_below_the_largest_stable_rate_refutes_never(catalogue):
    rows = judged(catalogue, comparisons.scaling_tables(diverged_seed=2), "beyond-edge")
    row = rows.loc["no explosion"]
    assert row["verdict"] == "contradicted"
    assert row["estimate"] == 2  # at both depths


def test_beyond_edge_is_inconclusive_where_the_grid_ends_too_soon(catalogue):
    rates = [rate for rate in comparisons.RATES if rate <= 0.5]
    row = judged(catalogue, comparisons.scaling_tables(rates=rates), "beyond-edge").loc[
        "largest stable LR"
    ]
    assert row["verdict"] == "inconclusive"
    assert "with ξ: nup(r=2): largest stable LR at the top of the grid" in row["reason"]
    assert "without ξ" not in row["reason"]


def test_beyond_edge_without_a_stable_run_is_inconclusive(catalogue):
    tables = comparisons.scaling_tables()
    dead = tables["runs"]["gradient_scaling"] == "depthwise"
    tables = changed(tables, "runs", stable=tables["runs"]["stable"] & ~dead)
    rows = judged(catalogue, tables, "beyond-edge")
    assert set(rows["verdict"]) == {"inconclusive"}
    assert "nup(r=2): no stable LR at depth 4 (4 of 4 seeds)" in rows.loc["no explosion", "reason"]


def test_beyond_edge_needs_runs_with_scaling(catalogue):
    tables = comparisons.scaling_tables()
    runs = tables["runs"]
    plain = {**tables, "runs": runs[runs["gradient_scaling"] == "none"]}
    rows = judged(catalogue, plain, "beyond-edge")
    assert set(rows["verdict"]) == {"not run"}
    reason = rows.loc["no explosion", "reason"]
    assert reason == "nup(r=2): no constant-rate runs with depthwise gradient scaling"


# quadratic-in-tandem


def test_quadratic_in_tandem_compares_nets(catalogue):
    rows = judged(catalogue, comparisons.scaling_tables(), "quadratic-in-tandem")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["ratio of largest stable LRs", "estimate"] == pytest.approx(4 - 2)
    assert rows.loc["final loss", "estimate"] == pytest.approx(np.log(3), abs=0.15)


@pytest.mark.parametrize(
    ("change", "criterion"),
    [
        ({"ratios": {NUP: 2.0, MATCHED: 8.0}}, "ratio of largest stable LRs"),
        ({"ratios": {NUP: 2.0, MATCHED: 2.0}}, "ratio of largest stable LRs"),  # equal, not larger
        ({"losses": {NUP: 0.03, MATCHED: 0.01}}, "final loss"),
    ],
)
def test_quadratic_in_tandem_is_contradicted(catalogue, change, criterion):
    rows = judged(catalogue, comparisons.scaling_tables(**change), "quadratic-in-tandem")
    assert rows.index[rows["verdict"] == "contradicted"].tolist() == ["overall", criterion]


def test_equal_losses_are_inconclusive(catalogue):
    tables = comparisons.scaling_tables(losses={NUP: 0.02, MATCHED: 0.02})
    row = judged(catalogue, tables, "quadratic-in-tandem").loc["final loss"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "the interval crosses an end of (0, inf)"


def test_quadratic_in_tandem_needs_the_matched_net(catalogue):
    tables = comparisons.scaling_tables()
    runs = tables["runs"]
    alone = {**tables, "runs": runs[runs["matched_to"] == ""]}
    rows = judged(catalogue, alone, "quadratic-in-tandem")
    assert set(rows["verdict"]) == {"not run"}
    assert "no abs runs of mup matched to nup(r=2)" in rows.loc["final loss", "reason"]


# soft-rank and sharpness-regularized

CORRELATIONS = ["soft-rank", "sharpness-regularized"]


@pytest.mark.parametrize("claim", CORRELATIONS)
def test_correlations_with_the_rate_are_contradicted_by_the_opposite_trend(catalogue, claim):
    rows = judged(catalogue, comparisons.scaling_tables(trends=(-1.0, 1.0)), claim)
    assert set(rows["verdict"]) == {"contradicted"}
    assert abs(rows["estimate"]).min() > 0.9


@pytest.mark.parametrize("claim", CORRELATIONS)
def test_correlations_with_the_rate_need_enough_stable_runs(catalogue, claim):
    rates = [2.0**-6, 2.0**-5, 2.0**-4]
    rows = judged(catalogue, comparisons.scaling_tables(rates=rates), claim)
    assert set(rows["verdict"]) == {"inconclusive"}
    row = rows.loc["gradient scaling: none"]
    assert row["reason"] == "no (seed, depth, net) has 4 stable runs that differ"


@pytest.mark.parametrize("claim", CORRELATIONS)
def test_correlations_with_the_rate_are_taken_with_scaling_and_without(catalogue, claim):
    tables = comparisons.scaling_tables()
    runs = tables["runs"]
    plain = {**tables, "runs": runs[runs["gradient_scaling"] == "none"]}
    rows = judged(catalogue, plain, claim)
    assert rows.loc["gradient scaling: none", "verdict"] == "supported"
    row = rows.loc["gradient scaling: depthwise"]
    assert row["verdict"] == "not run"
    assert row["reason"] == "experiment `scaling` has no constant-rate runs with depthwise scaling"


def test_correlations_with_the_rate_need_their_records(catalogue):
    tables = comparisons.scaling_tables()
    blind = changed(tables, "runs", final_sharpness=np.nan)
    row = judged(catalogue, blind, "sharpness-regularized").loc["overall"]
    assert row["verdict"] == "not run"
    blind = {**tables, "layers": tables["layers"].iloc[:0]}
    row = judged(catalogue, blind, "soft-rank").loc["gradient scaling: none"]
    assert row["verdict"] == "not run"
    assert "record.features" in row["reason"]


# useful


def test_useful_chooses_the_baseline_on_validation_data(catalogue):
    rows = judged(catalogue, comparisons.useful_tables(), "useful")
    assert set(rows["verdict"]) == {"supported"}
    row = rows.loc["sharpness schedule"]
    # Against 0.8 of the best on validation data, not 0.95 of the best on test data.
    assert row["estimate"] == pytest.approx(0.05, abs=0.01)
    assert row["reason"] == "best baseline: mup_inverse_depth matched to nup(r=2) (5 of 5)"


def test_useful_is_contradicted_by_a_better_baseline(catalogue):
    rows = judged(catalogue, comparisons.useful_tables(gain={"taylor": -0.05}), "useful")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    worse = ["taylor schedule", "taylor schedule, equal operations"]
    assert contradicted == ["overall", *worse]


def test_adamw_is_a_baseline_like_the_others(catalogue):
    """Only a net by that name, trained by that optimizer, stands for it."""
    tables = comparisons.useful_tables()
    runs, steps = tables["runs"], tables["steps"]
    adamw = runs["optimizer"] == "adamw"
    better = {}
    for name, table, rows in (
        ("runs", runs, adamw),
        ("steps", steps, steps["run_id"].isin(runs.loc[adamw, "run_id"])),
    ):
        columns = ["validation_accuracy", "test_accuracy"]
        better[name] = table.assign(
            **{column: table[column].mask(rows, table[column] + 0.2) for column in columns}
        )
    rows = judged(catalogue, better, "useful")
    assert set(rows["verdict"]) == {"contradicted"}
    assert rows.loc["constant schedule", "estimate"] == pytest.approx(-0.05, abs=0.01)
    reason = rows.loc["constant schedule", "reason"]
    assert reason == "best baseline: sp+adamw matched to nup(r=2) (5 of 5)"
    absent = {**tables, "runs": runs[~adamw]}
    row = judged(catalogue, absent, "useful").loc["constant schedule"]
    assert row["verdict"] == "not run"
    assert row["reason"].endswith("no abs runs of sp+adamw matched to nup(r=2)")


def test_equal_operations_compare_states_along_the_way(catalogue):
    """The budget is 200 steps of a baseline. νP's cost 1.01, 2.02 and 8.08 times as much, so its
    states are those at 190, 90 and 20 steps of 200; each step is worth progress/200."""
    progress = 0.1
    rows = judged(catalogue, comparisons.useful_tables(progress=progress), "useful")
    lost = {"constant": 10, "taylor": 110, "sharpness": 180}
    for schedule, steps in lost.items():
        equal_steps = rows.loc[f"{schedule} schedule"]
        row = rows.loc[f"{schedule} schedule, equal operations"]
        difference = equal_steps["estimate"] - row["estimate"]
        assert difference == pytest.approx(progress * steps / 200, abs=1e-5)
        note = f"nup(r=2) after {200 - steps}, the baseline after 200 steps"
        assert row["reason"].endswith(note)
    verdicts = {name: rows.loc[f"{name} schedule, equal operations", "verdict"] for name in lost}
    assert verdicts == {
        "constant": "supported",
        "taylor": "inconclusive",
        "sharpness": "contradicted",
    }


def test_settings_are_tuned_on_the_state_that_is_compared(catalogue):
    """A rate that is best at the end and poor before is not chosen for what it is not yet."""
    tables = comparisons.useful_tables()
    runs, steps = tables["runs"], tables["steps"]
    best = runs["run_id"][
        (runs["parameterization"] == "nup") & (option(runs, "schedule", "c") == 2.0)
    ]
    slow = steps["run_id"].isin(best) & (steps["step"] < 200)
    accuracies = {
        name: steps[name].mask(slow, 0.1) for name in ("validation_accuracy", "test_accuracy")
    }
    rows = judged(catalogue, {**tables, "steps": steps.assign(**accuracies)}, "useful")
    plain = judged(catalogue, tables, "useful")
    # c = 1, whose accuracy is 0.1 lower at every state, is chosen instead.
    for name in ("sharpness schedule, equal operations", "taylor schedule, equal operations"):
        fallen = plain.loc[name, "estimate"] - rows.loc[name, "estimate"]
        assert fallen == pytest.approx(0.1, abs=0.01)
    assert rows.loc["taylor schedule", "estimate"] == plain.loc["taylor schedule", "estimate"]


def test_only_runs_that_reached_the_budget_have_results():
    """A run that diverged before has none, though its last state was affordable; one that diverged
    after has those it had."""
    shared = {"experiment": "useful", "status": "ok", "stable": True}
    table = [
        {"run_id": "cheapest", "flops": 100.0},
        {"run_id": "dear", "flops": 500.0},
        {"run_id": "died before", "flops": 80.0, "status": "diverged"},
        {"run_id": "died after", "flops": 300.0, "status": "diverged"},
    ]
    nets = {**run_columns("useful", "abs", NUP, 4, 0, 0.1)}
    runs = complete("runs", [{**nets, **shared, **row} for row in table])
    rows = []
    for run, costs in (
        ("cheapest", (0, 50, 100)),
        ("dear", (0, 99, 101, 500)),
        ("died before", (0, 80)),
        ("died after", (0, 60, 120, 300)),
    ):
        for step, flops in enumerate(costs):
            accuracy = 0.1 * step
            row = {"run_id": run, "step": step, "flops": flops, "validation_loss": 1 - accuracy}
            rows.append({**row, "validation_accuracy": accuracy, "test_accuracy": accuracy})
    selection = RunSelection({"runs": runs, "steps": complete("steps", rows)}, "useful", "abs")
    found = within_budget(selection, selection.runs).set_index("run_id")
    expected = pd.Series({"cheapest": 0.2, "dear": 0.1, "died before": np.nan, "died after": 0.1})
    for name in ("validation_accuracy", "test_accuracy"):
        pd.testing.assert_series_equal(
            found[name], expected, check_names=False, check_index_type=False, rtol=1e-6
        )
    assert found.loc["dear", "validation_loss"] == pytest.approx(0.9)


def test_equal_operations_need_accuracies_along_the_way(catalogue):
    tables = changed(comparisons.useful_tables(), "steps", validation_accuracy=np.nan)
    rows = judged(catalogue, tables, "useful")
    assert rows.loc["constant schedule", "verdict"] == "supported"
    row = rows.loc["constant schedule, equal operations"]
    assert row["verdict"] == "not run"
    assert row["reason"] == (
        "nup(r=2): no accuracies along the way; set record.accuracy in the study"
    )


def test_four_seeds_are_too_few_for_usefulness(catalogue):
    rows = judged(catalogue, comparisons.useful_tables(seeds=range(4)), "useful")
    assert set(rows["verdict"]) == {"inconclusive"}
    assert "4 seeds, at least 5 are needed" in rows.loc["constant schedule", "reason"]


def test_equal_accuracies_are_inconclusive(catalogue):
    row = judged(catalogue, comparisons.useful_tables(gain={"constant": 0.0}), "useful").loc[
        "constant schedule"
    ]
    assert row["verdict"] == "inconclusive"


def test_useful_is_inconclusive_where_a_tuned_rate_ends_the_grid(catalogue):
    rates = [rate for rate in comparisons.RATES if rate <= 2**-4]
    rows = judged(catalogue, comparisons.useful_tables(rates=rates), "useful")
    for name in ("constant schedule", "constant schedule, equal operations"):
        assert rows.loc[name, "verdict"] == "inconclusive"
        assert "nup(r=2): tuned LR at the edge of the grid (5 of 5)" in rows.loc[name, "reason"]


def test_ties_in_validation_accuracy_go_to_the_lower_loss(catalogue):
    tables = comparisons.useful_tables()
    runs = tables["runs"]
    mine = runs["parameterization"] == "nup"
    finished = runs["validation_accuracy"].notna()
    tied = runs.assign(validation_accuracy=runs["validation_accuracy"].mask(mine & finished, 0.85))
    plain, ties = (
        judged(catalogue, {"runs": each}, "useful").loc["constant schedule", "estimate"]
        for each in (runs, tied)
    )
    assert ties == pytest.approx(plain)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"baselines": comparisons.BASELINES[:3]}, "no abs runs of sp matched to nup(r=2)"),
        ({"steps": 300}, "the runs differ in their number of steps (200, 300)"),
        ({"depth": 6}, "mup matched to nup(r=2) was not run at depth 6"),
    ],
)
def test_useful_needs_comparable_baselines(catalogue, change, reason):
    if "baselines" in change:
        tables = comparisons.useful_tables(**change)
    else:
        tables = comparisons.useful_tables()
        runs = tables["runs"]
        mine = runs["parameterization"] == "nup"
        (column, value), *_ = change.items()
        tables = {**tables, "runs": runs.assign(**{column: runs[column].mask(mine, value)})}
    row = judged(catalogue, tables, "useful").loc["constant schedule"]
    assert row["verdict"] == "not run"
    assert reason in row["reason"]


def test_useful_needs_accuracies(catalogue):
    tables = changed(comparisons.useful_tables(), "runs", validation_accuracy=np.nan)
    row = judged(catalogue, tables, "useful").loc["taylor schedule"]
    assert row["verdict"] == "not run"
    assert row["reason"] == "nup(r=2) under taylor: no run has a validation accuracy"


def test_each_new_claim_is_judged_by_activation(catalogue):
    good = comparisons.useful_tables(("abs",))
    bad = comparisons.useful_tables(("relu",), gain=dict.fromkeys(("constant", "sharpness"), -0.1))
    alone = catalogue.model_copy(update={"claims": [catalogue["useful"]]})
    both = {name: pd.concat([good[name], bad[name]]) for name in good}
    table = evaluate(both, alone)
    overall = table[table["criterion"] == "overall"].set_index("activation")["verdict"]
    assert overall.to_dict() == {"abs": "supported", "relu": "contradicted"}
