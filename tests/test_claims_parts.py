"""Verdicts, rises, interpolated rates and the catalogue, one at a time."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nup.claims import load_catalogue, verdicts
from nup.claims.catalogue import Threshold
from nup.claims.estimators import ESTIMATORS, register
from nup.claims.estimators.catapult import diverged_runs
from nup.claims.learning_rates import best_rate, largest_stable_rate
from nup.claims.nets import comparable, nets_in, nets_of_study, option, ordered
from nup.claims.rises import WINDOW, quarter_rises, rises
from nup.claims.run_selection import Measurement, NotRun, RunSelection, Undecided
from nup.claims.statistics import Interval, slope
from nup.errors import UserError
from nup.figures.nets import styles_of
from synthetic_base import complete, net_columns, run_columns

ENTRY = {
    "id": "a-claim",
    "title": "A claim",
    "quote": "words",
    "provenance": "v1",
    "experiment": "depth",
    "figure": "a-claim.png",
    "notebook": "02_depth.ipynb",
    "criteria": [
        {
            "name": "{rate} slope",
            "what": "the slope of the {rate} LR",
            "estimator": "depth_slope",
            "arguments": {"net": "mup"},
            "for_each": {"rate": ["best", "largest stable"]},
            "threshold": {"low": -0.35, "high": 0.35},
        }
    ],
}


def write(path: Path, **changes: object) -> Path:
    criterion = {**ENTRY["criteria"][0], **changes.pop("criterion", {})}
    entry = {**ENTRY, "criteria": [criterion], **changes}
    path.write_text(yaml.safe_dump({"claims": [entry]}), encoding="utf-8")
    return path


def test_slope_of_a_line():
    assert slope([1, 2, 4], [3, 1, -3]) == pytest.approx(-2)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.1, 0.1, "supported"),
        (-0.35, 0.35, "supported"),
        (0.3, 0.4, "inconclusive"),
        (0.36, 0.4, "contradicted"),
        (-0.9, -0.4, "contradicted"),
        (-1.0, 1.0, "inconclusive"),
    ],
)
def test_verdict_of_an_interval(low, high, expected):
    assert verdicts.verdict(Interval(0, low, high, 4), Threshold(low=-0.35, high=0.35)) == expected


def test_verdict_with_one_end():
    assert verdicts.verdict(Interval(2, 1, 3, 4), Threshold(low=0.5)) == "supported"
    assert verdicts.verdict(Interval(0, -1, 0.4, 4), Threshold(low=0.5)) == "contradicted"


def test_a_rise_is_seen_by_the_windows_that_hold_it():
    losses = np.where(np.arange(100) < 50, 1.0, np.e)
    found = rises(losses)
    assert len(found) == 81
    assert set(np.flatnonzero(found > 0.5)) == set(range(31, 50))
    assert found.max() == pytest.approx(1.0)


def test_a_loss_that_falls_does_not_rise():
    assert rises(np.exp(-0.5 * np.arange(100))).tolist() == [0.0] * 81


def test_rises_are_the_largest_climb_within_each_window():
    losses = np.exp(np.random.default_rng(0).normal(size=60))
    slow = [
        max(np.log(losses[s] / losses[t : s + 1].min()) for s in range(t, t + WINDOW))
        for t in range(60 - WINDOW + 1)
    ]
    assert rises(losses) == pytest.approx(slow)


def test_quarters_see_rises_fade():
    step = np.arange(400)
    size = np.where(step < 200, 2.0, 0.5)
    quarters = quarter_rises(np.exp(size * (step % 2)))
    # Windows that straddle the change hold both.
    assert quarters == pytest.approx([2.0, 2.0, 0.5, 0.5], abs=0.02)


def test_a_loss_that_underflows_stands_still():
    assert quarter_rises(np.zeros(100)).tolist() == [0, 0, 0, 0]


def test_a_short_run_has_no_quarters():
    with pytest.raises(Undecided, match="need 80 steps, got 79"):
        quarter_rises(np.ones(79))


def test_the_vertex_of_a_parabola_is_found_between_uneven_rates():
    log_rates = np.array([-3.0, -2.2, -1.0, 0.0])
    losses = np.exp(0.5 * (log_rates + 1.4) ** 2 - 3)
    found = best_rate(log_rates, losses)
    assert found.log_rate == pytest.approx(-1.4)
    assert found.log_loss == pytest.approx(-3)
    assert found.problem == ""


@pytest.mark.parametrize(
    ("losses", "problem"),
    [([0.1, 0.2, 0.3], "bottom"), ([0.3, 0.2, 0.1], "top"), ([0.8, 0.75, 0.9], "none")],
)
def test_a_minimum_at_an_end_or_of_dead_nets_is_none(losses, problem):
    assert best_rate(np.arange(3.0), np.array(losses)).problem == problem


def test_a_diverged_neighbour_counts_as_having_learned_nothing():
    found = best_rate(np.arange(3.0), np.array([0.2, 0.1, 1.0]))
    assert 0.5 < found.log_rate < 1.0


def test_the_stability_boundary_is_where_the_loss_crosses_the_cutoff():
    log_rates, alive = np.arange(4.0), np.zeros(4, dtype=bool)
    losses = np.exp([-2.0, -1.0, -0.5, 0.0])  # log 0.7 = −0.357 is crossed in the last interval
    found = largest_stable_rate(log_rates, losses, alive)
    assert found.log_rate == pytest.approx(2 + (np.log(0.7) + 0.5) / 0.5)
    assert largest_stable_rate(log_rates[:3], losses[:3], alive[:3]).problem == "top"
    diverged = np.array([False, False, False, True])
    assert largest_stable_rate(log_rates, losses, diverged).log_rate == 2.5
    lower = largest_stable_rate(log_rates, losses, alive, cutoff=0.5)
    assert lower.log_rate == pytest.approx(1 + (np.log(0.5) + 1) / 0.5)


def test_an_unstable_rate_below_the_minimum_is_no_boundary():
    losses = np.array([0.9, 0.2, 0.1, 0.9])
    found = largest_stable_rate(np.arange(4.0), losses, np.zeros(4, dtype=bool))
    assert 2 < found.log_rate < 3


def frame(name: str, nets: list[str]) -> pd.DataFrame:
    rows = [{**net_columns(net), "depth": 2, "seed": 0, "layer": 1} for net in nets]
    return complete(name, rows)


NETS = ["mup matched to nup(r=2)", "sp", "nup(r=2)", "mup", "nup(r=1)", "sp+adamw"]


def test_nets_are_ordered_by_their_columns():
    runs = frame("runs", NETS)
    assert ordered(runs) == ["nup(r=1)", "nup(r=2)", "mup", NETS[0], "sp+adamw", "sp"]
    assert ordered(runs.iloc[:0]) == []
    init = frame("init", ["nup(r=0)", "sp"])
    found = nets_of_study({"runs": runs, "init": init})
    assert sorted(found["net"]) == sorted([*NETS, "nup(r=0)"])
    assert set(found["optimizer"]) == {"sgd", "adamw"}


def test_nets_are_compared_where_their_sizes_are_alike():
    nets = nets_in(frame("runs", NETS))
    assert comparable(nets, ["mup", "nup(r=2)", NETS[0], "absent"]) == {
        "equal base width": ["nup(r=2)", "mup"],
        "equal parameters": ["nup(r=2)", NETS[0]],
    }
    assert comparable(nets, ["sp"]) == {"equal base width": ["sp"]}
    assert comparable(nets, []) == {}


def test_options_are_read_from_their_column():
    rows = pd.DataFrame({"schedule_options": ['{"c":2.5,"warmup":0.1}', "{}", None]})
    assert option(rows, "schedule", "c").tolist()[0] == 2.5
    assert option(rows, "schedule", "c").isna().tolist() == [False, True, True]


def test_for_each_repeats_a_criterion(tmp_path):
    claim = load_catalogue(write(tmp_path / "claims.yaml"))["a-claim"]
    assert [each.name for each in claim.criteria] == ["best slope", "largest stable slope"]
    assert claim.criteria[1].arguments == {"net": "mup", "rate": "largest stable"}
    assert claim.criteria[1].what == "the slope of the largest stable LR"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": {"estimator": "guess"}}, "expected an estimator among .*got 'guess'"),
        ({"criterion": {"arguments": {"web": "mup"}}}, "criteria.0: .*'depth_slope' takes"),
        ({"criterion": {"threshold": {}}}, "needs `low`, `high` or both"),
        ({"criterion": {"threshold": {"low": 1, "high": 0}}}, "`low` must be below `high`"),
        ({"criterion": {"universal": True}}, "threshold with one end only"),
        ({"criterion": {"name": "slope"}}, "each criterion needs its own name; slope occurs"),
        ({"provenance": "hearsay"}, "claims.0.provenance"),
        ({"id": "A Claim"}, "claims.0.id"),
        ({"min_seed": 4}, "claims.0.min_seed: Extra inputs"),
    ],
)
def test_faults_of_the_claims_file_are_named(tmp_path, changes, message):
    path = write(tmp_path / "claims.yaml", **changes)
    with pytest.raises(UserError, match=message):
        load_catalogue(path)


def test_claims_need_distinct_ids(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": [ENTRY, ENTRY]}), encoding="utf-8")
    with pytest.raises(UserError, match="each claim needs its own name; a-claim occurs twice"):
        load_catalogue(path)


def test_a_missing_or_broken_file_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        load_catalogue(tmp_path / "claims.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("claims: [", encoding="utf-8")
    with pytest.raises(UserError, match="is not valid YAML"):
        load_catalogue(broken)


def test_an_unknown_claim_is_a_user_error(tmp_path):
    catalogue = load_catalogue(write(tmp_path / "claims.yaml"))
    with pytest.raises(UserError, match=re.escape("expected a claim among a-claim; got 'b'")):
        catalogue["b"]


def test_a_threshold_reads_as_a_range():
    assert str(Threshold(low=-0.35, high=0.35)) == "[-0.35, 0.35]"
    assert str(Threshold(high=-0.75)) == "(-inf, -0.75]"
    assert str(Threshold(low=0.5)) == "[0.5, inf)"
    assert str(Threshold(low=0, open=True)) == "(0, inf)"


READINGS = {
    "update": [{"label": "one", "net": "a", "c": 1.5}, {"label": "two", "net": "b", "c": 2.0}],
    "scale": [{"label": "x", "scale": "small"}, {"label": "y", "scale": "large"}],
}


def read(path: Path, under: list[str], **criterion: object) -> Path:
    entry = {**ENTRY, "under": under, "criteria": [{**ENTRY["criteria"][0], **criterion}]}
    path.write_text(yaml.safe_dump({"readings": READINGS, "claims": [entry]}), encoding="utf-8")
    return path


def test_each_reading_fills_the_placeholders(tmp_path):
    path = read(tmp_path / "claims.yaml", ["update"], arguments={"net": "{net}"}, what="of {net}")
    claim = load_catalogue(path)["a-claim"]
    assert [each.label for each in claim.readings] == ["one", "two"]
    assert [each.criteria[0].arguments["net"] for each in claim.readings] == ["a", "b"]
    assert claim.readings[1].criteria[0].what == "of b"
    assert claim.criteria == claim.readings[0].criteria
    assert claim.nets == ["a", "b"]


def test_dimensions_multiply_and_values_keep_their_type(tmp_path):
    arguments = {"net": "{net}-{scale}", "rate": "{c}"}
    criterion = {"arguments": arguments, "for_each": {}, "name": "a", "what": "b"}
    path = read(tmp_path / "claims.yaml", ["update", "scale"], **criterion)
    claim = load_catalogue(path)["a-claim"]
    assert [each.label for each in claim.readings] == ["one + x", "one + y", "two + x", "two + y"]
    assert claim.readings[3].criteria[0].arguments == {"net": "b-large", "rate": 2.0}


@pytest.mark.parametrize(
    ("under", "criterion", "message"),
    [
        (["size"], {}, "expected dimensions of readings among scale, update; got size"),
        ([], {"arguments": {"net": "{net}"}}, r"no reading gives \{net\}; name its dimension"),
        (["update"], {}, "the readings 'one' and 'two' come to the same criteria"),
    ],
)
def test_faults_of_readings_are_named(tmp_path, under, criterion, message):
    with pytest.raises(UserError, match=message):
        load_catalogue(read(tmp_path / "claims.yaml", under, **criterion))


def test_catalogues_are_merged_and_ids_are_told_apart(tmp_path):
    first = write(tmp_path / "first.yaml")
    second = write(tmp_path / "second.yaml", id="another-claim")
    merged = load_catalogue(first, second)
    assert [claim.id for claim in merged.claims] == ["a-claim", "another-claim"]
    assert merged.seeds == load_catalogue(first).seeds
    again = write(tmp_path / "again.yaml")
    with pytest.raises(
        UserError, match=r"claim 'a-claim' is in .*first\.yaml and in .*again\.yaml"
    ):
        load_catalogue(first, second, again)


def test_estimators_are_shipped_or_registered(tmp_path):
    assert "depth_slope" in ESTIMATORS
    assert ESTIMATORS["depth_slope"].module == "nup.claims.estimators.depth"
    assert ESTIMATORS["depth_slope"].summary.startswith("Slope of log2 LR against log2 depth")

    @register
    def one_number(selection, net):
        """One number."""
        return Measurement(pd.Series({0: 1.0}))

    criterion = {"estimator": "one_number", "for_each": {"rate": ["best"]}}
    with pytest.raises(UserError, match=r"estimator 'one_number' takes \(selection, net\)"):
        load_catalogue(write(tmp_path / "claims.yaml", criterion=criterion))
    plain = {**criterion, "for_each": {}, "name": "one", "what": "it"}
    claim = load_catalogue(write(tmp_path / "claims.yaml", criterion=plain))["a-claim"]
    assert claim.criteria[0].bound == {"net": "mup"}
    assert claim.nets == ["mup"]


def test_nets_that_differ_in_an_option_are_apart():
    labels = ["mine(alpha=0.5)", "mine"]
    runs = complete(
        "runs",
        [
            run_columns("depth", "abs", "mine", 2, seed, 0.5)
            | {"net": net, "run_id": f"{net}-{seed}", "final_loss": loss}
            | {"net_options": f'{{"alpha":{alpha}}}'}
            for net, alpha, loss in zip(labels, (0.5, 1.0), (1.0, 3.0), strict=True)
            for seed in (0, 1)
        ],
    )
    selection = RunSelection({"runs": runs}, "depth", "abs")
    for net, loss in zip(labels, (1.0, 3.0), strict=True):
        assert set(selection.runs_of(net)["final_loss"]) == {loss}
    assert ordered(selection.runs) == labels
    styles = styles_of({"runs": runs})
    assert [styles[net].label for net in labels] == labels
    assert styles[labels[0]][1:3] != styles[labels[1]][1:3]


def test_schedules_that_differ_in_an_option_are_not_pooled():
    base = run_columns("catapult", "abs", "nup(r=2)", 2, 0, None)
    runs = complete(
        "runs",
        [
            base
            | {"run_id": name, "schedule": f"sharpness(c=2,{name})", "schedule_name": "sharpness"}
            | {"schedule_options": f'{{"c":2.0,"{name}":1.0}}'}
            for name in ("a", "b")
        ],
    )
    selection = RunSelection({"runs": runs}, "catapult", "abs")
    with pytest.raises(NotRun, match=r"mix several schedules \(sharpness\(c=2,a\), sharpness"):
        diverged_runs(selection, "sharpness", c=2.0)
    with pytest.raises(NotRun, match=r"no runs of any net with schedule sharpness\(c=3\)"):
        diverged_runs(selection, "sharpness", c=3.0)
