"""Interpretations on tables in which it is known which of them reproduce a claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import synthetic_readings as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.estimators import ESTIMATORS
from nup.claims.interpretations import (
    Interpretations,
    evaluate_interpretations,
    load_interpretations,
    report,
)
from nup.claims.interpretations.runs import with_further_runs
from nup.claims.interpretations.substitution import Interpretation, substituted, substitution_text
from nup.claims.run_selection import RunSelection
from nup.errors import UserError
from nup.tables import schema
from synthetic_base import MATCHED, NUP

CONFIG = Path(__file__).parents[1] / "config"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CONFIG / "claims.yaml")


@pytest.fixture(scope="module")
def readings(catalogue) -> Interpretations:
    return load_interpretations(CONFIG / "readings.yaml", catalogue)


def only(readings: Interpretations, aspect: str, claims: list[str]) -> Interpretations:
    """One aspect, its readings of these claims alone."""
    found = next(each for each in readings.aspects if each.name == aspect)
    kept = []
    for reading in found.interpretations:
        chosen = [claim for claim in claims if claim in found.claims_of(reading)]
        update = {} if reading.judged else {"claims": chosen}
        kept += [reading.model_copy(update=update)] if chosen else []
    alone = found.model_copy(update={"claims": claims, "interpretations": kept})
    return readings.model_copy(update={"aspects": [alone]})


def verdicts(table: pd.DataFrame, claim: str) -> dict[str, str]:
    """Overall verdict on each reading of a claim, for ``abs``."""
    rows = table[(table["claim"] == claim) & (table["criterion"] == "overall")]
    return dict(zip(rows["reading"], rows["verdict"], strict=True))


@pytest.fixture(scope="module")
def depth() -> dict[str, pd.DataFrame]:
    """Grids over depth, those that only readings need included."""
    return synthetic.depth_tables()


@pytest.fixture(scope="module")
def widths(catalogue, readings, depth) -> pd.DataFrame:
    """Width patterns: r = 2 flat, r = 3 flat at equal base width alone, r = 0 and 1 falling."""
    chosen = only(readings, "width pattern", ["nup-depth-transfer", "growth-matters"])
    return evaluate_interpretations(depth, catalogue, chosen)


def test_each_width_pattern_has_its_own_verdict(widths):
    assert verdicts(widths, "nup-depth-transfer") == {
        "r = 2": "supported",
        "r = 0, equal base width": "contradicted",
        "r = 1, equal base width": "contradicted",
        "r = 2, equal base width": "supported",
        "r = 3, equal base width": "supported",
        "r = 0, equal parameters": "contradicted",
        "r = 1, equal parameters": "contradicted",
        "r = 2, equal parameters": "supported",
        "r = 3, equal parameters": "contradicted",
    }
    assert verdicts(widths, "growth-matters")["r = 3, equal base width"] == "supported"
    assert verdicts(widths, "growth-matters")["r = 3, equal parameters"] == "contradicted"


def test_the_judged_reading_has_the_rows_of_the_claims_table(widths, catalogue, depth):
    alone = [catalogue["nup-depth-transfer"], catalogue["growth-matters"]]
    expected = evaluate(depth, catalogue.model_copy(update={"claims": alone}))
    found = widths[widths["judged"]][list(schema.CLAIMS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    assert list(widths.columns) == list(schema.READINGS)
    assert set(widths.loc[widths["judged"], "reading"]) == {"r = 2"}


def test_thresholds_are_those_of_the_claim(widths, catalogue):
    known = {
        (claim, str(criterion.threshold))
        for claim in ("nup-depth-transfer", "growth-matters")
        for criterion in catalogue[claim].criteria
    }
    rows = widths[widths["criterion"] != "overall"]
    assert set(rows[["claim", "threshold"]].itertuples(index=False, name=None)) <= known


def test_nets_are_judged_at_the_depths_that_all_of_them_have(catalogue, readings):
    tables = synthetic.depth_tables(depths=(2, 4, 6, 8), further_depths=(2, 4, 6))
    chosen = only(readings, "width pattern", ["nup-depth-transfer"])
    table = evaluate_interpretations(tables, catalogue, chosen)
    depths = table.groupby("reading")["depths"].first()
    assert depths["r = 2"] == "2, 4, 6, 8"
    assert depths["r = 3, equal base width"] == "2, 4, 6"
    assert verdicts(table, "nup-depth-transfer")["r = 3, equal base width"] == "supported"


def test_absent_runs_are_not_run_and_named(catalogue, readings, depth):
    own = depth["runs"]["experiment"] == "depth"
    tables = {**depth, "runs": depth["runs"][own]}
    table = evaluate_interpretations(
        tables, catalogue, only(readings, "update rule", ["nup-depth-transfer"])
    )
    assert verdicts(table, "nup-depth-transfer") == {
        "base width m": "supported",
        "last hidden width": "not run",
        "none (kernel scale)": "not run",
    }
    missing = table[(table["verdict"] == "not run") & (table["criterion"] != "overall")]
    assert "has no abs runs of nup(r=2,scale=last)" in missing["reason"].iloc[0]


def test_update_rules_are_nets_of_their_own(catalogue, readings, depth):
    chosen = only(readings, "update rule", ["nup-depth-transfer"])
    table = evaluate_interpretations(depth, catalogue, chosen)
    assert verdicts(table, "nup-depth-transfer") == {
        "base width m": "supported",
        "last hidden width": "contradicted",
        "none (kernel scale)": "supported",
    }


def test_schedules_are_judged_with_scaling_and_without(catalogue, readings):
    tables = synthetic.catapult_tables(fading={"sharpness": 0.1, "constant": 0.2})
    chosen = only(readings, "schedule", ["catapult-prolonged"])
    table = evaluate_interpretations(tables, catalogue, chosen)
    assert verdicts(table, "catapult-prolonged") == {
        "sharpness and taylor": "supported",
        "sharpness": "supported",
        "taylor": "supported",
        "sharpness with ξ": "contradicted",
        "taylor with ξ": "supported",
        "constant": "contradicted",
        "constant with ξ": "contradicted",
    }
    constant = table[(table["reading"] == "constant") & (table["criterion"] != "overall")]
    assert constant["criterion"].tolist() == [
        "constant(any): spikes last over 0.1 of the run",
        "constant(any): spikes last over 0.3 of the run",
        "constant(any): spikes last over 1 of the run",
        "constant(any): late spikes",
    ]


def test_features_are_told_apart(catalogue, readings):
    chosen = only(readings, "feature", ["soft-rank"])
    table = evaluate_interpretations(synthetic.scaling_tables(), catalogue, chosen)
    assert verdicts(table, "soft-rank") == {"soft rank": "supported", "stable rank": "contradicted"}


def test_gradient_scaling_is_judged_one_by_one(catalogue, readings):
    tables = synthetic.scaling_tables()
    runs, layers = tables["runs"], tables["layers"]
    scaled = layers["run_id"].isin(runs.loc[runs["gradient_scaling"] == "depthwise", "run_id"])
    falling = layers.assign(soft_rank=layers["soft_rank"].where(~scaled, 40 - layers["soft_rank"]))
    chosen = only(readings, "gradient scaling", ["soft-rank"])
    table = evaluate_interpretations({**tables, "layers": falling}, catalogue, chosen)
    assert verdicts(table, "soft-rank") == {
        "without ξ and with it": "contradicted",
        "without ξ": "supported",
        "with ξ": "contradicted",
    }


def test_width_patterns_under_gradient_scaling(catalogue, readings):
    chosen = only(readings, "width pattern", ["beyond-edge", "quadratic-in-tandem"])
    table = evaluate_interpretations(synthetic.scaling_tables(), catalogue, chosen)
    found = verdicts(table, "beyond-edge")
    assert (found["r = 2"], found["r = 0, equal parameters"]) == ("supported", "supported")
    # With r = 3, ξ leaves the largest stable rate where it is.
    assert found["r = 3, equal base width"] == "contradicted"
    assert found["r = 3, equal parameters"] == "not run"
    assert verdicts(table, "quadratic-in-tandem")["r = 2"] == "supported"


def test_further_runs_change_nothing_that_is_there(depth):
    own = depth["runs"][depth["runs"]["experiment"] == "depth"]
    copies = own.assign(experiment="depth-readings", late_loss=0.0, seed=9)
    crowded = {**depth, "runs": pd.concat([own, copies])}
    pd.testing.assert_frame_equal(with_further_runs(crowded, "depth")["runs"], own)
    found = with_further_runs(depth, "depth")["runs"]
    assert len(found) == len(depth["runs"])
    assert set(found["experiment"]) == {"depth"}


def test_scaled_runs_are_not_mixed_into_plain_ones():
    tables = synthetic.catapult_tables(fading={"sharpness": 0.1})
    runs = tables["runs"].assign(experiment="catapult")
    steps = tables["steps"]
    scaled = steps["run_id"].str.startswith("further-")
    steps = steps.assign(cosine=steps["cosine"].where(~scaled, -1.0))
    mixed = RunSelection({**tables, "runs": runs, "steps": steps}, "catapult", "abs")
    plain = RunSelection({**tables, "steps": steps}, "catapult", "abs")
    below = {"edge": [None, 1.8]}
    spikes = {"schedule": "sharpness", "c": 2.5, "net": NUP}
    for name, arguments in {
        "cosine_in_phase": below,
        "amplitude_ratio": spikes,
        "late_amplitude": spikes,
        "diverged_runs": spikes,
        "largest_loss": spikes,
        "late_hessian_edge": {"reached": 2.0},
    }.items():
        found, expected = (
            ESTIMATORS[name].function(each, **arguments).by_seed for each in (mixed, plain)
        )
        pd.testing.assert_series_equal(found, expected)


def test_a_substitution_keeps_no_empty_comparison_and_no_double(catalogue):
    reading = Interpretation(label="r = 1", replace={NUP: "nup(r=1)", MATCHED: "mup"})
    claim = substituted(catalogue["growth-matters"], reading)
    assert [criterion.arguments for criterion in claim.criteria] == [
        {"net": "nup(r=1)", "against": "mup", "rate": "best"},
        {"net": "nup(r=1)", "against": "mup"},
    ]
    assert claim.nets == ["nup(r=1)", "mup"]
    # A criterion that was so from the start keeps its name.
    assert claim.criteria[0] == catalogue["growth-matters"].criteria[0]


def test_names_follow_what_is_put_in(catalogue):
    reading = Interpretation(label="", replace={NUP: f"nup(r=1) matched to {NUP}", "mup": MATCHED})
    claim = substituted(catalogue["nup-depth-transfer"], reading)
    assert [criterion.name for criterion in claim.criteria] == [
        "slope of the best LR",
        "slope of the largest stable LR",
        f"gentler than {MATCHED}, best LR",
        f"gentler than {MATCHED}, largest stable LR",
    ]
    assert f"of nup(r=1) matched to {NUP} is within" in claim.criteria[0].what
    reading = Interpretation(label="", replace={"taylor": "sharpness"}, arguments={"c": None})
    assert substitution_text(reading) == "sharpness for taylor; no c"


def test_defaults_of_estimators_are_replaced_too(catalogue):
    reading = Interpretation(label="", replace={"soft_rank": "stable_rank"})
    criteria = substituted(catalogue["cosine-features"], reading).criteria
    assert [criterion.name for criterion in criteria] == [
        "cosine and stable_rank",
        "cosine and alignment",
        "same sign",
    ]
    assert criteria[2].arguments == {"features": ["stable_rank", "alignment"]}


def test_nothing_left_is_a_mistake(catalogue):
    reading = Interpretation(label="", replace={NUP: "mup", "nup(r=1)": "mup", MATCHED: "mup"})
    with pytest.raises(UserError, match="no criterion of claim growth-matters is left"):
        substituted(catalogue["growth-matters"], reading)


ASPECT: dict[str, Any] = {
    "name": "width pattern",
    "question": "How do widths grow?",
    "claims": ["nup-depth-transfer"],
    "readings": [
        {"label": "r = 2", "judged": True},
        {"label": "r = 1", "replace": {NUP: "nup(r=1)"}},
    ],
}


def aspect(**changes: Any) -> dict[str, Any]:
    """An aspect whose second reading has these changes."""
    first, second = ASPECT["readings"]
    return {**ASPECT, "readings": [first, {**second, **changes}]}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{**ASPECT, "claim": "x"}], r"aspects\.0\.claim: Extra inputs"),
        ([ASPECT, ASPECT], "each aspect needs its own name; width pattern occurs twice"),
        ([aspect(label="r = 2")], "each reading needs its own name; r = 2 occurs twice"),
        ([aspect(judged=True)], "'r = 1' is judged by the claims table, so nothing may be put in"),
        ([aspect(replace={})], "'r = 1' puts nothing in: give `replace`, `arguments` or"),
        (
            [
                {
                    **ASPECT,
                    "readings": [aspect()["readings"][1], {"label": "b", "estimators": ["x"]}],
                }
            ],
            "expected one reading with `judged: true`, .*; got none",
        ),
        ([{**ASPECT, "claims": ["nup"]}], "expected a claim among eoc-init, .*; got 'nup'"),
        ([aspect(claims=["useful"])], "claims among those of the aspect, nup-depth-transfer; got"),
        (
            [aspect(replace={"nup(r=4)": "mup"})],
            "reading 'r = 1': nothing to replace: no criterion of nup-depth-transfer has an "
            r"argument nup\(r=4\)",
        ),
        (
            [aspect(arguments={"horizon": 1})],
            "no estimator takes the argument 'horizon': they are depth_slope, depth_slope_gain",
        ),
        ([aspect(estimators=["width_slope"])], "expected estimators among depth_slope, .*; got w"),
        ([aspect(replace={NUP: NUP})], "claim nup-depth-transfer stays as it is"),
    ],
)
def test_faults_of_the_readings_file_are_named(tmp_path, catalogue, entries, message):
    path = tmp_path / "readings.yaml"
    path.write_text(yaml.safe_dump({"aspects": entries}), encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        load_interpretations(path, catalogue)
    assert str(path) in str(caught.value)


def test_a_missing_or_broken_file_is_a_user_error(tmp_path, catalogue):
    with pytest.raises(UserError, match=r"expected the readings file at .* config/readings\.yaml"):
        load_interpretations(tmp_path / "readings.yaml", catalogue)
    broken = tmp_path / "broken.yaml"
    broken.write_text("aspects: [", encoding="utf-8")
    with pytest.raises(UserError, match="is not valid YAML"):
        load_interpretations(broken, catalogue)


def test_the_report_says_which_reading_reproduces_which_claim(widths):
    text = report.reproduction_text(widths, "width pattern").splitlines()
    assert text[2] == (
        "| `nup-depth-transfer` | abs "
        "| **r = 2**; r = 2, equal base width; r = 3, equal base width; r = 2, equal parameters "
        "| r = 0, equal base width; r = 1, equal base width; r = 0, equal parameters; "
        "r = 1, equal parameters; r = 3, equal parameters | – | – |"
    )
    put_in = report.substitutions_text(widths, "width pattern")
    assert "| **r = 2**, as the claims table | – | `nup-depth-transfer`: 2, 4, 8;" in put_in
    assert f"| r = 2, equal base width | mup for {MATCHED} |" in put_in
    criteria = report.criteria_text(widths, "width pattern", "growth-matters")
    assert len(criteria.splitlines()) == 2 + (widths["claim"] == "growth-matters").sum() - 7
    nothing = widths[:0]
    assert "No reading was judged" in report.reproduction_text(nothing, "width pattern")


def test_no_tables_give_an_empty_table_of_readings(catalogue, readings):
    table = evaluate_interpretations({}, catalogue, readings)
    assert table.empty
    assert list(table.columns) == list(schema.READINGS)
