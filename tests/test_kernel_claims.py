"""Verdicts on kernels and on the edge of stability, on tables where they are known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic_tables as synthetic
from nup.claims import Catalogue, evaluate, load_catalogue
from nup.claims.run_selection import NotRun, RunSelection

CLAIMS_FILE = Path(__file__).parents[1] / "config" / "claims.yaml"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CLAIMS_FILE)


def judged(catalogue: Catalogue, tables: dict[str, pd.DataFrame], claim: str) -> pd.DataFrame:
    """The rows of one claim for ``abs``, by criterion."""
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    rows = evaluate(tables, alone).claims
    return rows[rows["activation"] == "abs"].set_index("criterion")


def kernels(catalogue, claim, **laws):
    return judged(catalogue, {"init": synthetic.kernel_table(**laws)}, claim)


@pytest.mark.parametrize("claim", ["ntk-concentration", "ntk-spectrum"])
def test_supported_where_true_for_every_activation_of_the_experiment(catalogue, claim):
    alone = catalogue.model_copy(update={"claims": [catalogue[claim]]})
    table = evaluate({"init": synthetic.kernel_table()}, alone).claims
    assert set(table["activation"]) == {"abs", "relu", "(1,2)"}
    assert set(table["verdict"]) == {"supported"}


def test_a_wrong_power_of_the_width_is_contradicted(catalogue):
    rows = kernels(catalogue, "ntk-concentration", width_slope=-0.25)
    assert rows.loc["slope in the width", "verdict"] == "contradicted"
    assert rows.loc["slope in the width", "estimate"] == pytest.approx(-0.25, abs=0.02)


def test_growth_at_both_exponents_is_contradicted(catalogue):
    rows = kernels(catalogue, "ntk-concentration", growth={0.0: 0.5, 2.0: 0.5})
    row = rows.loc["growth in depth"]
    assert row["verdict"] == "contradicted"
    assert re.search(r"nup\(r=2\) \+0\.(49|5\d), nup\(r=0\) \+0\.(49|5\d)", row["reason"])


def test_relu_below_abs_is_contradicted_at_each_depth(catalogue):
    swapped = {"abs": 0.5, "(1,2)": 0.8, "relu": 1.0}
    rows = kernels(catalogue, "ntk-concentration", activations=swapped)
    for depth in (2, 4, 6, 8, 10):
        row = rows.loc[f"abs below relu at depth {depth}"]
        assert row["verdict"] == "contradicted"
        assert row["estimate"] == pytest.approx(np.log(2), abs=0.05)


def test_an_error_that_grows_with_depth_is_contradicted(catalogue):
    rows = kernels(catalogue, "ntk-spectrum", distance_slope=0.5)
    assert rows.loc["distance error, depth 2 doubled", "verdict"] == "contradicted"


def test_gaps_fall_in_the_order_of_delta_phi(catalogue):
    rows = kernels(catalogue, "ntk-spectrum", gap_power=-0.5)
    assert rows.loc["condition number by Δ_φ", "verdict"] == "contradicted"
    # Slopes are −(1 + Δ_φ/2); of neighbours in the order 1, 0.8, 0.5 the first two differ least.
    rows = kernels(catalogue, "ntk-spectrum", noise=0.0)
    row = rows.loc["condition number by Δ_φ"]
    assert row["estimate"] == pytest.approx(-(1 - 0.8) / 2)
    assert row["reason"] == "slopes: abs -1.50, (1,2) -1.40, relu -1.25"


def test_absent_kernels_are_named(catalogue):
    table = synthetic.kernel_table(activations={"abs": 1.0})
    rows = judged(catalogue, {"init": table}, "ntk-spectrum")
    reason = "experiment `ntk-spectrum` has no (1,2) runs of mup"
    assert rows.loc["condition number by Δ_φ", "reason"] == reason
    rows = judged(catalogue, {"init": table[table["depth"] < 5]}, "ntk-spectrum")
    assert rows.loc["distance error, depth 4 doubled", "reason"] == "mup: no kernel at depth 8"
    rows = judged(catalogue, {"init": table[table["depth"] < 5]}, "ntk-concentration")
    assert rows.loc["growth in depth", "verdict"] == "not run"
    assert "a slope needs at least 3 of depth, got 2, 4" in rows.loc["growth in depth", "reason"]
    rows = judged(catalogue, {"init": table.assign(ntk_condition=np.nan)}, "ntk-spectrum")
    assert "measured no kernels (kernel: net)" in rows.loc["condition number by Δ_φ", "reason"]


def test_evidence_within_another_activation_and_experiment():
    selection = RunSelection({"init": synthetic.kernel_table()}, "ntk-depth", "abs")
    other = selection.within(activation="relu")
    assert set(other.init["activation"]) == {"relu"}
    assert set(selection.within(experiment="ntk-width").init["base_width"]) == {8, 16, 32}
    with pytest.raises(NotRun, match="mixes several values of base_width"):
        selection.within(experiment="ntk-width").init_of("nup(r=2)")


# -- the edge of stability -------------------------------------------------------------------------


#: Of the constant rates below 2/λ_0 (η = 0.25 and 0.4) the second one relaxes to the edge.
PART = "late ηλ of the Hessian, η = 0.4"


def test_edge_of_stability_is_supported_and_contradicted_rate_by_rate(catalogue):
    tables = synthetic.catapult_tables()
    rows = judged(catalogue, tables, "edge-of-stability")
    assert rows.index.tolist() == ["overall", PART]
    assert rows.loc[PART, "verdict"] == "supported"
    assert rows.loc[PART, "estimate"] == pytest.approx(2.04, abs=0.02)
    row = judged(catalogue, synthetic.catapult_tables(hessian=1.2), "edge-of-stability").loc[PART]
    assert row["verdict"] == "contradicted"
    assert row["estimate"] == pytest.approx(2.4, abs=0.02)


def test_only_stable_runs_count(catalogue):
    tables = synthetic.catapult_tables()
    runs = tables["runs"]
    odd = (runs["schedule_name"] == "constant") & (runs["learning_rate"] == 0.4)
    tables["runs"] = runs.assign(late_loss=runs["late_loss"].mask(odd, 0.45))
    row = judged(catalogue, tables, "edge-of-stability").loc["overall"]
    assert row["verdict"] == "inconclusive"
    assert "no rate below 2/λ_0 reaches ηλ ≥ 2 of the Hessian" in _reasons(catalogue, tables)


def test_the_hessian_must_be_recorded_often_and_at_odd_distances(catalogue):
    tables = synthetic.catapult_tables()
    steps = tables["steps"]
    even = {
        **tables,
        "steps": steps.assign(hessian_edge=steps["edge"].where(steps["step"] % 10 == 0)),
    }
    assert "the Hessian is recorded every 10 steps, an odd number" in _reasons(catalogue, even)
    rare = {
        **tables,
        "steps": steps.assign(hessian_edge=steps["edge"].where(steps["step"] % 45 == 0)),
    }
    assert "records of the Hessian in its last quarter, at least 10" in _reasons(catalogue, rare)


def test_runs_below_the_edge_are_inconclusive_and_unmeasured_ones_not_run(catalogue):
    tables = synthetic.catapult_tables(hessian=0.5)
    row = judged(catalogue, tables, "edge-of-stability").loc["overall"]
    assert row["verdict"] == "inconclusive"
    bare = {**tables, "steps": tables["steps"].assign(hessian_edge=np.nan)}
    assert "has no Hessian sharpness (record.hessian)" in _reasons(catalogue, bare)
    small = {**tables, "runs": tables["runs"].assign(batch_size=8.0)}
    assert "`catapult` has no abs runs with batch_size null" in _reasons(catalogue, small)


def _reasons(catalogue, tables: dict[str, pd.DataFrame]) -> str:
    return str(
        judged(catalogue, tables, "edge-of-stability").loc["late ηλ of the Hessian", "reason"]
    )
