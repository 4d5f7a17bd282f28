"""Verdicts of the claims on width, growth, features, gradient scaling and usefulness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic_cells as cells
import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.estimators.features import rate_correlation
from nup.claims.estimators.usefulness import accuracy_gain, within_budget
from nup.claims.nets import option
from nup.claims.run_selection import Measurement, NotRun, RunSelection
from synthetic_base import CONTROL, MIDDLE, NUP, complete, run_columns

CLAIMS_FILE = Path(__file__).parents[1] / "config" / "claims.yaml"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CLAIMS_FILE)


def judged(catalogue: Catalogue, tables: dict[str, pd.DataFrame], claim: str) -> pd.DataFrame:
    """The rows of one claim for ``abs`` under the reading that decides, by criterion."""
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    rows = evaluate(tables, alone).claims
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
    assert "sp: best LR at the bottom of the grid at width 64 (8 of 8 seeds)" in row["reason"]


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
    slopes = {**synthetic.SLOPES, NUP: 1.0}
    rows = judged(catalogue, synthetic.depth_tables(slopes=slopes), "growth-matters")
    assert rows.loc["overall", "verdict"] == "contradicted"
    for rate in ("best", "largest stable"):
        assert rows.loc[f"{rate} LR, r = 2 against 1", "verdict"] == "contradicted"
        assert rows.loc[f"{rate} LR, r = 1 against 0", "verdict"] == "supported"
    assert rows.loc["best LR, r = 2 against 1", "estimate"] == pytest.approx(-0.5, abs=0.15)


def test_growth_matters_needs_the_middle_exponent(catalogue):
    slopes = {net: slope for net, slope in synthetic.SLOPES.items() if net != MIDDLE}
    rows = judged(catalogue, synthetic.depth_tables(slopes=slopes), "growth-matters")
    row = rows.loc["best LR, r = 1 against 0"]
    assert row["verdict"] == "not run"
    assert row["reason"] == f"experiment `depth` has no abs runs of {MIDDLE}"


# cosine-features


def test_a_negative_correlation_counts_by_its_size(catalogue):
    rows = judged(catalogue, cells.cells_tables(coupling=(-1.0, -1.0)), "cosine-features")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["cosine and soft rank", "reason"] == "the size of a negative correlation"
    assert rows.loc["cosine and soft rank", "estimate"] > 0.8


def test_what_the_rate_does_to_both_sides_does_not_count(catalogue):
    """The rate moves cosine and features together; within cells there is no correlation."""
    tables = cells.cells_tables(coupling=(0.0, 0.0), seeds=range(48))
    rows = judged(catalogue, tables, "cosine-features")
    row = rows.loc["cosine and alignment"]
    assert row["verdict"] == "contradicted"
    assert abs(row["estimate"]) < 0.15


def test_what_the_final_loss_explains_is_held_fixed(catalogue):
    tables = cells.cells_tables(coupling=(0.0, 0.0), loss_coupling=3.0, seeds=range(48))
    rows = judged(catalogue, tables, "cosine-features")
    assert rows.loc["cosine and alignment", "verdict"] == "supported"
    assert rows.loc["cosine and alignment, loss held fixed", "verdict"] != "supported"
    assert rows.loc["overall", "verdict"] != "supported"


def test_cosine_features_is_contradicted_by_opposite_signs(catalogue):
    rows = judged(catalogue, cells.cells_tables(coupling=(1.0, -1.0)), "cosine-features")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert contradicted == ["overall", "one sign"]


def test_cosine_features_needs_enough_runs(catalogue):
    row = judged(catalogue, cells.cells_tables(seeds=range(7)), "cosine-features").loc[
        "cosine and soft rank"
    ]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "no (net, depth, rate) has 8 stable runs"


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("steps", {"cosine": np.nan}, "no stable run has the cosine in its last quarter"),
        ("layers", {"alignment": np.nan}, "no stable run has alignment of its last hidden layer"),
    ],
)
def test_cosine_features_needs_its_records(catalogue, name, columns, reason):
    tables = changed(cells.cells_tables(), name, **columns)
    row = judged(catalogue, tables, "cosine-features").loc["cosine and alignment"]
    assert row["verdict"] == "not run"
    assert reason in row["reason"]


# beyond-edge


def test_beyond_edge_measures_the_ratio(catalogue):
    tables = comparisons.with_unscaled(comparisons.scaling_tables(ratios={NUP: 4.0}))
    rows = judged(catalogue, tables, "beyond-edge")
    assert set(rows["verdict"]) == {"supported"}
    assert rows.loc["largest stable LR", "estimate"] == pytest.approx(4.0)


def test_beyond_edge_needs_the_edge_without_gradient_scaling(catalogue):
    tables = comparisons.scaling_tables()
    row = judged(catalogue, tables, "beyond-edge").loc["beyond the edge"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "`edge` is that with ξ; `edge_unscaled` was not recorded"
    low = comparisons.with_unscaled(comparisons.scaling_tables(edge=2.5))
    assert judged(catalogue, low, "beyond-edge").loc["beyond the edge", "verdict"] == "contradicted"


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
    assert "with depthwise: nup(r=2): largest stable LR at the top of the grid" in row["reason"]
    assert "without ξ" not in row["reason"]


def test_beyond_edge_without_a_stable_run_is_inconclusive(catalogue):
    tables = comparisons.scaling_tables()
    dead = tables["runs"]["gradient_scaling"] == "depthwise"
    tables = changed(tables, "runs", late_loss=tables["runs"]["late_loss"].mask(dead, 0.45))
    rows = judged(catalogue, tables, "beyond-edge")
    assert rows.loc["largest stable LR", "verdict"] == "inconclusive"
    assert "nup(r=2): no stable LR at depth 4 (8 of 8 seeds)" in rows.loc["no explosion", "reason"]


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
    assert rows.loc["ratio of largest stable LRs", "estimate"] == pytest.approx(4 / 2)
    assert rows.loc["final loss", "estimate"] == pytest.approx(np.log(3), abs=0.15)


@pytest.mark.parametrize(
    ("change", "criterion"),
    [
        ({"ratios": {NUP: 2.0, CONTROL: 8.0}}, "ratio of largest stable LRs"),
        ({"ratios": {NUP: 2.0, CONTROL: 2.0}}, "ratio of largest stable LRs"),
        ({"losses": {NUP: 0.03, CONTROL: 0.01}}, "final loss"),
    ],
)
def test_quadratic_in_tandem_is_contradicted(catalogue, change, criterion):
    rows = judged(catalogue, comparisons.scaling_tables(**change), "quadratic-in-tandem")
    assert rows.index[rows["verdict"] == "contradicted"].tolist() == ["overall", criterion]


def test_equal_losses_are_inconclusive(catalogue):
    tables = comparisons.scaling_tables(losses={NUP: 0.02, CONTROL: 0.02})
    row = judged(catalogue, tables, "quadratic-in-tandem").loc["final loss"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == "the interval crosses an end of (0, inf)"


def test_quadratic_in_tandem_needs_the_matched_net(catalogue):
    tables = comparisons.scaling_tables()
    runs = tables["runs"]
    alone = {**tables, "runs": runs[runs["matched_to"] == ""]}
    rows = judged(catalogue, alone, "quadratic-in-tandem")
    assert set(rows["verdict"]) == {"not run"}
    assert f"no abs runs of {CONTROL}" in rows.loc["final loss", "reason"]


# soft-rank and sharpness-regularized

CORRELATIONS = ["soft-rank", "sharpness-regularized"]


@pytest.mark.parametrize("claim", CORRELATIONS)
def test_correlations_with_the_rate_are_contradicted_by_the_opposite_trend(catalogue, claim):
    tables = comparisons.with_unscaled(comparisons.scaling_tables(trends=(-1.0, 1.0)))
    rows = judged(catalogue, tables, claim)
    assert set(rows["verdict"]) == {"contradicted"}
    assert abs(rows["estimate"]).min() > 0.9


@pytest.mark.parametrize("claim", CORRELATIONS)
def test_correlations_with_the_rate_need_enough_stable_runs(catalogue, claim):
    rates = [2.0**-6, 2.0**-5, 2.0**-4]
    rows = judged(catalogue, comparisons.scaling_tables(rates=rates), claim)
    assert set(rows["verdict"]) == {"inconclusive"}
    assert rows["reason"].str.contains("no .seed, depth, net. has 4 stable runs that differ").any()


def test_each_gradient_scaling_is_a_reading_of_its_own(catalogue):
    tables = comparisons.scaling_tables(scalings=("depthwise", "gram"))
    alone = catalogue.model_copy(update={"claims": [catalogue["quadratic-in-tandem"]]})
    found = evaluate(tables, alone).readings
    overall = found[found["criterion"] == "overall"].set_index("reading")["verdict"]
    assert overall.to_dict() == {
        "depthwise": "supported",
        "equal": "not run",
        "per sample": "not run",
        "gram": "supported",
    }


def test_sharpness_with_gradient_scaling_decides_nothing(catalogue):
    row = judged(catalogue, comparisons.scaling_tables(), "sharpness-regularized").loc[
        "sharpness and rate"
    ]
    assert row["verdict"] == "inconclusive"
    assert "`sharpness_unscaled` was not recorded" in row["reason"]
    selection = RunSelection(comparisons.scaling_tables(), "scaling", "abs")
    assert not rate_correlation(selection, "sharpness", "none").undecided


def test_correlations_with_the_rate_need_their_records(catalogue):
    tables = comparisons.scaling_tables()
    names = ("sharpness", "hessian_sharpness")
    blind = changed(tables, "steps", **dict.fromkeys(names, np.nan))
    assert judged(catalogue, blind, "sharpness-regularized").loc["overall", "verdict"] == "not run"
    blind = {**tables, "layers": tables["layers"].iloc[:0]}
    row = judged(catalogue, blind, "soft-rank").loc["soft rank and rate"]
    assert row["verdict"] == "not run"
    assert "record.features" in row["reason"]


# useful


def test_useful_chooses_the_baseline_on_validation_data(catalogue):
    rows = judged(catalogue, comparisons.useful_tables(), "useful")
    assert set(rows["verdict"]) == {"supported"}
    row = rows.loc["νP under the schedule"]
    # Against 0.8 of the best on validation data, not 0.95 of the best on test data.
    assert row["estimate"] == pytest.approx(0.05, abs=0.01)
    assert row["reason"].startswith("best baseline: mup matched to nup(r=2) (8 of 8); at equal op")


def test_one_useful_schedule_is_enough(catalogue):
    tables = comparisons.useful_tables(gain={"sharpness": -0.05, "taylor": -0.05})
    rows = judged(catalogue, tables, "useful")
    assert rows.loc["overall", "reading"] == "base scale + polyak"
    assert rows.loc["overall", "verdict"] == "supported"


def test_useful_is_contradicted_by_a_better_baseline(catalogue):
    gain = dict.fromkeys(comparisons.SCHEDULES, -0.05)
    rows = judged(catalogue, comparisons.useful_tables(gain=gain), "useful")
    contradicted = rows.index[rows["verdict"] == "contradicted"].tolist()
    assert contradicted == ["overall", "νP under the schedule"]


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
    assert rows.loc["νP, constant rate", "estimate"] == pytest.approx(-0.05, abs=0.01)
    reason = rows.loc["νP, constant rate", "reason"]
    assert reason.startswith("best baseline: sp+adamw matched to nup(r=2) (8 of 8)")
    absent = {**tables, "runs": runs[~adamw]}
    row = judged(catalogue, absent, "useful").loc["νP, constant rate"]
    assert row["verdict"] == "not run"
    assert row["reason"].endswith("no abs runs of sp+adamw matched to nup(r=2)")


def gain(tables: dict[str, pd.DataFrame], schedule: str, equal: str) -> Measurement:
    selection = RunSelection(tables, "useful", "abs")
    return accuracy_gain(selection, NUP, schedule, comparisons.BASELINES, equal)


def test_equal_operations_compare_states_along_the_way():
    """The budget is 200 steps of a baseline. νP's cost 1.01, 2.02 and 8.08 times as much, so its
    states are those at 190, 90 and 20 steps of 200; each step is worth progress/200."""
    progress = 0.1
    tables = comparisons.useful_tables(progress=progress)
    for schedule, steps in {"constant": 10, "taylor": 110, "sharpness": 180}.items():
        found = {equal: gain(tables, schedule, equal) for equal in ("steps", "operations")}
        difference = found["steps"].by_seed - found["operations"].by_seed
        assert difference.to_numpy() == pytest.approx(progress * steps / 200, abs=1e-5)
        note = f"nup(r=2) after {200 - steps}, the baseline after 200 steps"
        assert found["operations"].note.endswith(note)
        shown = f"at equal operations {found['operations'].by_seed.mean():+.3f}"
        assert found["steps"].note.endswith(shown)


def test_settings_are_tuned_on_the_state_that_is_compared():
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
    poor = {**tables, "steps": steps.assign(**accuracies)}
    # c = 1, whose accuracy is 0.1 lower at every state, is chosen instead.
    for schedule in ("sharpness", "taylor"):
        fallen = (
            gain(tables, schedule, "operations").by_seed
            - gain(poor, schedule, "operations").by_seed
        )
        assert fallen.mean() == pytest.approx(0.1, abs=0.01)
        assert gain(poor, schedule, "steps").by_seed.equals(gain(tables, schedule, "steps").by_seed)


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
    row = judged(catalogue, tables, "useful").loc["νP, constant rate"]
    assert row["verdict"] == "supported"
    assert "equal operations" not in row["reason"]
    with pytest.raises(NotRun, match=r"no accuracies along the way; set record\.accuracy"):
        gain(tables, "constant", "operations")


def test_few_seeds_are_inconclusive_for_usefulness(catalogue):
    rows = judged(catalogue, comparisons.useful_tables(seeds=range(4)), "useful")
    assert set(rows["verdict"]) == {"inconclusive"}
    assert "4 seeds, at least 8 are needed" in rows.loc["νP, constant rate", "reason"]


def test_equal_accuracies_are_inconclusive(catalogue):
    row = judged(catalogue, comparisons.useful_tables(gain={"constant": 0.0}), "useful").loc[
        "νP, constant rate"
    ]
    assert row["verdict"] == "inconclusive"


def test_useful_is_inconclusive_where_a_tuned_rate_ends_the_grid(catalogue):
    rates = [rate for rate in comparisons.RATES if rate <= 2**-4]
    rows = judged(catalogue, comparisons.useful_tables(rates=rates), "useful")
    for name in ("νP, constant rate",):
        assert rows.loc[name, "verdict"] == "inconclusive"
        assert "nup(r=2): tuned LR at the edge of the grid (8 of 8)" in rows.loc[name, "reason"]


def test_ties_in_validation_accuracy_go_to_the_lower_loss(catalogue):
    tables = comparisons.useful_tables()
    runs = tables["runs"]
    mine = runs["net"] == comparisons.NUP
    finished = runs["validation_accuracy"].notna()
    tied = runs.assign(validation_accuracy=runs["validation_accuracy"].mask(mine & finished, 0.85))
    plain, ties = (
        judged(catalogue, {"runs": each}, "useful").loc["νP, constant rate", "estimate"]
        for each in (runs, tied)
    )
    assert ties == pytest.approx(plain)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"baselines": comparisons.BASELINES[:3]}, "no abs runs of sp matched to nup(r=2)"),
        ({"steps": 300}, "the runs differ in their number of steps (200, 300)"),
        ({"depth": 6}, "nup(r=0) matched to nup(r=2) was not run at depth 6"),
    ],
)
def test_useful_needs_comparable_baselines(catalogue, change, reason):
    if "baselines" in change:
        tables = comparisons.useful_tables(**change)
    else:
        tables = comparisons.useful_tables()
        runs = tables["runs"]
        mine = runs["net"] == comparisons.NUP
        (column, value), *_ = change.items()
        tables = {**tables, "runs": runs.assign(**{column: runs[column].mask(mine, value)})}
    row = judged(catalogue, tables, "useful").loc["νP, constant rate"]
    assert row["verdict"] == "not run"
    assert reason in row["reason"]


def test_useful_needs_accuracies(catalogue):
    tables = changed(comparisons.useful_tables(), "runs", validation_accuracy=np.nan)
    row = judged(catalogue, tables, "useful").loc["νP under the schedule"]
    assert row["verdict"] == "not run"
    assert row["reason"] == "nup(r=2) under sharpness: no run has a validation accuracy"


def test_useful_is_open_where_a_baseline_diverges_at_every_rate(catalogue):
    """Its runs are there, and what a lower rate would have reached is unknown."""
    tables = comparisons.useful_tables()
    runs = tables["runs"]
    lost = (runs["net"] == comparisons.BASELINES[0]) & (runs["schedule_name"] == "constant")
    assert lost.any()
    runs = runs.assign(
        status=runs["status"].mask(lost, "diverged"),
        validation_accuracy=runs["validation_accuracy"].mask(lost),
    )
    row = judged(catalogue, {**tables, "runs": runs}, "useful").loc["νP, constant rate"]
    assert row["verdict"] == "inconclusive"
    assert "under constant: every run diverged, at any of its rates" in row["reason"]


def test_each_new_claim_is_judged_by_activation(catalogue):
    good = comparisons.useful_tables(("abs",))
    bad = comparisons.useful_tables(
        ("relu",), gain=dict.fromkeys(("constant", *comparisons.SCHEDULES), -0.1)
    )
    alone = catalogue.model_copy(update={"claims": [catalogue["useful"]]})
    both = {name: pd.concat([good[name], bad[name]]) for name in good}
    table = evaluate(both, alone).claims
    overall = table[table["criterion"] == "overall"].set_index("activation")["verdict"]
    assert overall.to_dict() == {"abs": "supported", "relu": "contradicted"}
