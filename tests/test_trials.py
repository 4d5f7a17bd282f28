"""Rates placed by how other runs end: the search for each seed's largest stable rate."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from fake_training import run_spec
from nup.claims.learning_rates import grid_runs, largest_stable_rate, rate_table
from nup.claims.run_selection import RunSelection
from nup.errors import UserError
from nup.jobs import training, trials
from nup.jobs.execute import Session
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Limits, pack
from nup.specs import DataSpec, RunSpec, TrialSpec
from nup.study import grid
from nup.study.load import check
from nup.tables import store
from nup.training.boundary import Outcome, next_c
from nup.training.observables import cadences

DATA = DataSpec("digits", n_train=32, n_validation=16, n_test=16, n_probe=8)
RECORD = cadences(steps=0, curvature=0, taylor=0, layers=0, probe=0, features=0)
AFTER = (1.0, 4.0, 16.0)


def spec(seed=0, **changes):
    given = {"learning_rate": None, "edge": 1.0, "steps": 60, "record": RECORD, "data": DATA}
    return run_spec(seed=seed, **{**given, **changes})


def ladder(seed=0, count=2, after=AFTER, **changes):
    """A seed's grid and the trials after it."""
    first = spec(seed, **changes)
    return [
        *(first.at(edge=c) for c in after),
        *(first.at(edge=None, trial=TrialSpec(after, n)) for n in range(1, count + 1)),
    ]


def loss_at(c, boundary, width=0.5):
    """Null loss far beyond the boundary, 0.7 of it there, and little at a fifth of it."""
    x = math.log2(c / boundary) / width
    return float(np.clip(0.7 + 0.25 * np.tanh(x), 0, 1)) if x > -4 else 0.45 + 0.01 * abs(x + 4)


# -- where to look ---------------------------------------------------------------------------------


@pytest.mark.parametrize("diverges", [False, True])
@pytest.mark.parametrize("grid_of", [(0.5, 1, 2, 4, 8), (0.25, 0.5), (32, 64), (2,)])
@pytest.mark.parametrize("boundary", [1.3, 2.9, 5.0])
def test_trials_close_in_on_the_boundary_from_wherever_the_grid_is(grid_of, boundary, diverges):
    """As claims read it, and without bias: within the interval that the last trial left."""

    def run(c):
        beyond = c >= boundary
        return Outcome(
            c, math.inf if diverges and beyond else loss_at(c, boundary), diverges and beyond
        )

    outcomes = [run(float(c)) for c in grid_of]
    for _ in range(12):
        outcomes.append(run(next_c(outcomes)))
    outcomes.sort()
    cs = np.log([each.c for each in outcomes])
    losses = np.array([min(1.0, each.loss) for each in outcomes])
    found = largest_stable_rate(cs, losses, np.array([each.diverged for each in outcomes]))
    assert found.problem == ""
    assert found.log_rate / math.log(2) == pytest.approx(math.log2(boundary), abs=0.02)


def test_the_boundary_is_the_first_beyond_the_least_loss():
    """A run that happens to learn again at a larger rate, and one that did not at a smaller one."""
    losses = {1.0: 0.9, 2.0: 0.1, 4.0: 0.2, 8.0: 0.8, 16.0: 0.3}
    outcomes = [Outcome(c, loss, False) for c, loss in losses.items()]
    assert next_c(outcomes) == pytest.approx(math.sqrt(32))


def test_a_loss_that_is_no_number_is_not_stable():
    assert next_c([Outcome(1.0, 0.1, False), Outcome(4.0, math.nan, False)]) == 2.0


# -- specifications --------------------------------------------------------------------------------


def test_a_trial_is_known_by_what_it_follows_and_its_number():
    runs = ladder(count=2) + ladder(count=1, after=(1.0, 4.0))[2:]
    assert len({run.id for run in runs}) == len(runs)
    assert len({run.stack_key for run in runs}) == 1
    for run in runs:
        assert RunSpec.from_dict(json.loads(run.text)).id == run.id
    second = runs[4]
    assert [each.id for each in second.predecessors] == [run.id for run in runs[:4]]
    assert "trial" not in runs[0].to_dict(), "ids of runs without trials are as they were"


def study(**learning_rate):
    experiment = {
        "data": {"name": "digits", "n_train": 32, "seed": "run"},
        "parameterization": ["mup"],
        "depth": [3, 4],
        "width": 4,
        "activation": "abs",
        "seeds": 2,
        "steps": 20,
        "record": dict.fromkeys(("steps", "curvature", "taylor", "layers", "probe", "features"), 0),
        "learning_rate": learning_rate,
    }
    return {"study": "s", "experiments": {"e": experiment}}


def test_a_study_asks_for_trials_beside_octaves():
    given = check(study(edge={"from": -1, "to": 1, "trials": 2}), "s.yaml")
    runs = grid.runs(given, "s.yaml").values()
    assert len(runs) == 2 * 2 * (3 + 2)
    placed = [run for run in runs if run.trial is not None]
    assert {run.trial.number for run in placed} == {1, 2}
    assert {tuple(run.trial.after) for run in placed} == {(0.5, 1.0, 2.0)}
    ids = {run.id for run in runs}
    assert all(each.id in ids for run in placed for each in run.predecessors)


@pytest.mark.parametrize(
    ("learning_rate", "message"),
    [
        ({"edge": {"from": 0, "to": 1, "trials": -1}}, r"edge\.trials: .*greater than or equal"),
        ({"edge": {"from": 0, "to": 1, "trials": 21}}, r"edge\.trials: .*less than or equal to 20"),
        ({"edge": {"from": 0, "to": 1, "trials": 1.5}}, r"edge\.trials: .*integer"),
        ({"log2": {"from": 0, "to": 1, "trials": 1}}, r"log2: got unknown key .trials"),
    ],
)
def test_trials_are_counted_and_of_edges_alone(learning_rate, message):
    with pytest.raises(UserError, match=message):
        check(study(**learning_rate), "s.yaml")


# -- jobs ------------------------------------------------------------------------------------------


def execute(specs, **session):
    tables = training.execute(specs, Session(**session))
    return tables["runs"].to_pandas().set_index("run_id"), tables


@pytest.mark.parametrize("compiled", [True, False], ids=["numba", "torch"])
def test_a_trial_is_placed_by_how_the_runs_before_it_ended(compiled):
    runs = [each for seed in (0, 1) for each in ladder(seed, count=3)]
    found, _ = execute(runs, compiled=compiled)
    assert set(found.index) == {run.id for run in runs}
    for run in runs:
        if run.trial is None:
            assert (found.loc[run.id, "trial"], found.loc[run.id, "edge"]) == (0, run.edge)
            continue
        before = found.loc[[each.id for each in run.predecessors]]
        outcomes = [
            Outcome(row.edge, row.late_loss / row.null_loss, row.status != "ok")
            for row in before.itertuples()
        ]
        assert found.loc[run.id, "trial"] == run.trial.number
        assert found.loc[run.id, "edge"] == next_c(outcomes)
        assert found.loc[run.id, "specification"] == run.text
    rates = found["learning_rate"] / found["edge"]
    assert rates.groupby(found["seed"]).agg(np.ptp).max() < 1e-6 * rates.max(), "η = c/λ_0"


def test_trials_alone_train_what_they_follow_and_leave_no_rows_of_it():
    """As where the grid was computed by an earlier job: the same rows, bit for bit."""
    runs = ladder(count=2, record=RECORD | {"steps": 20, "layers": 20})
    together, alone = execute(runs)[1], execute([runs[-1]])[1]
    for name, table in alone.items():
        assert set(table["run_id"].to_pylist()) == {runs[-1].id}
        frame = table.to_pandas().drop(columns=["stack_size", "wall_time_s"], errors="ignore")
        whole = together[name].to_pandas()
        whole = whole[whole["run_id"] == runs[-1].id].reset_index(drop=True)
        pd.testing.assert_frame_equal(frame, whole[list(frame.columns)])


def test_a_trial_has_the_numbers_of_a_run_at_its_rate():
    runs = ladder(count=1, record=RECORD | {"steps": 20})
    found, tables = execute(runs)
    again, at_rate = execute(
        [spec(edge=float(found.loc[runs[-1].id, "edge"]), record=runs[0].record)]
    )
    own = tables["steps"].to_pandas().query("run_id == @runs[-1].id").reset_index(drop=True)
    other = at_rate["steps"].to_pandas()
    pd.testing.assert_frame_equal(own.drop(columns="run_id"), other.drop(columns="run_id"))
    assert again["late_loss"].iloc[0] == found.loc[runs[-1].id, "late_loss"]


def test_jobs_hold_a_seeds_grid_with_its_trials():
    runs = [each for seed in range(12) for each in ladder(seed, count=2)]
    seconds = TRAINING.seconds(runs, 120.0)
    jobs = pack(TRAINING, runs, Limits(seconds=seconds / 5))
    assert len(jobs) > 3
    for job in jobs:
        held = {each.id for each in job.specs}
        assert all(before.id in held for each in job.specs for before in each.predecessors)
    assert sorted(each.id for job in jobs for each in job.specs) == sorted(run.id for run in runs)


def test_rounds_come_in_the_order_in_which_they_depend():
    runs = ladder(count=2)
    ids = [run.id for run in runs]
    found = [[each.id for each in part] for part in trials.rounds(runs[::-1])]
    assert [sorted(part) for part in found] == [sorted(ids[:3]), ids[3:4], ids[4:]]
    assert [len(part) for part in trials.rounds([runs[-1]])] == [3, 1, 1]


# -- claims ----------------------------------------------------------------------------------------


def test_claims_read_boundaries_of_trials_and_shared_rates_of_the_grid():
    runs = [each for seed in (0, 1) for d in (3, 4, 6) for each in ladder(seed, depth=d)]
    found, tables = execute(runs)
    frame = store.as_table(
        "runs", {n: found.reset_index()[n].tolist() for n in tables["runs"].column_names}
    )
    selection = RunSelection({"runs": frame.to_pandas()}, runs[0].experiment, runs[0].activation)
    net = selection.runs["net"].iloc[0]
    assert set(selection.runs["edge"]) == set(AFTER)
    whole = grid_runs(selection, net)
    assert len(whole) == len(runs)
    coarse = rate_table(whole[whole["trial"] == 0], "largest stable")
    fine = rate_table(whole, "largest stable")
    between = np.log2(fine["learning_rate"] / coarse["learning_rate"])
    assert (between[coarse["problem"] == ""].abs() <= 2).all(), "within the octaves of the grid"
    assert (fine["problem"] != "").sum() <= (coarse["problem"] != "").sum()
