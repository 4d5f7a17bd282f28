"""Seeds that draw the data split too: one stack of many splits, each run as if it were alone."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

import problems
from fake_training import run_spec
from nup.data import datasets, sources
from nup.data.datasets import Loader
from nup.errors import UserError
from nup.jobs import execute, initialization, memory, phases, training
from nup.specs import DataSpec, InitSpec, PhaseSpec, ScheduleSpec
from nup.study import grid
from nup.study.load import check
from nup.training import costs
from nup.training.loop import train

BACKENDS = pytest.mark.parametrize("compiled", [True, False])
DATA = DataSpec("digits", n_train=40, n_validation=9, n_test=11, n_probe=6)


def split(seed):
    return replace(DATA, seed=seed)


def by_seed(*seeds):
    return {seed: datasets.load(split(seed)) for seed in seeds}


@BACKENDS
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 7, "loss": "cross_entropy"},
        {"learning_rate": None, "edge": 1.5},
        {"schedule": ScheduleSpec("sharpness", {"c": 1.5}), "learning_rate": None},
        {"schedule": ScheduleSpec(gradient_scaling="depthwise"), "activation": "relu"},
    ],
)
def test_a_run_among_other_splits_is_the_run_on_its_own(changes, compiled):
    """Every record in float64, of runs of which two share a split and one diverges."""
    record = problems.EVERY_STEP | {"accuracy": 2, "hessian": 4}
    base = problems.run(**{"record": record, "learning_rate": 0.02, **changes})
    runs = [replace(base, seed=seed, data=split(place)) for seed, place in [(0, 0), (3, 3), (4, 0)]]
    if base.learning_rate is not None:
        runs.append(replace(base, seed=3, data=split(3), learning_rate=1e6))
    together = train(runs, by_seed(0, 3), compiled=compiled)
    for run in runs:
        alone = train([run], datasets.load(run.data), compiled=compiled)
        problems.assert_as_if_alone(together, run, alone)
    losses = [problems.summary(together, run)["initial_loss"] for run in runs[:3]]
    assert len(set(losses)) == 3


def study(**data):
    return {
        "study": "test",
        "defaults": {
            "data": {"name": "digits", "n_train": 40, **data},
            "parameterization": "mup",
            "depth": 3,
            "width": 4,
            "seeds": [3, 5],
        },
        "experiments": {"depth": {"steps": 4, "learning_rate": {"edge": [0.5, 1]}}},
        "initialization": {"eoc": {}},
        "phase_diagrams": {"depth": {}},
    }


@pytest.mark.parametrize("of", [grid.runs, grid.initializations, grid.phase_diagrams])
def test_by_run_is_the_explicit_seed(of):
    found = of(check(study(seed="run"), "mine.yaml"))
    assert {(spec.seed, spec.data.seed) for spec in found.values()} == {(3, 3), (5, 5)}
    for seed in (3, 5):
        explicit = study(seed=seed)
        explicit["defaults"]["seeds"] = [seed]
        assert set(of(check(explicit, "mine.yaml"))) < set(found)
    assert len({spec.group_key for spec in found.values()}) == 1
    other = of(check(study(), "mine.yaml"))
    assert {spec.data.seed for spec in other.values()} == {0}
    assert all(type(spec.data) is DataSpec for spec in found.values())


def test_what_a_seed_may_be_is_said():
    with pytest.raises(UserError, match=r"data\.0\.seed: Input should be a valid integer"):
        check(yaml.safe_load(yaml.safe_dump(study(seed="walk"))), "mine.yaml")


def test_a_loader_keeps_what_the_last_block_had(monkeypatch):
    loaded = []
    load = datasets.load
    monkeypatch.setattr(datasets, "load", lambda spec: loaded.append(spec.seed) or load(spec))
    loader = Loader()
    first = loader.by_seed([split(0), split(1), split(0)])
    assert list(first) == [0, 1]
    second = loader.by_seed([split(1), split(2)])
    assert second[1] is first[1]
    loader.by_seed([split(0)])
    assert loaded == [0, 1, 2, 0]


def test_splits_of_a_file_read_it_once(monkeypatch):
    read = []
    loadtxt = np.loadtxt
    sources.digits._read.cache_clear()
    monkeypatch.setattr(
        np, "loadtxt", lambda *given, **how: read.append(1) or loadtxt(*given, **how)
    )
    by_seed(0, 1, 2)
    assert len(read) == 1


def test_jobs_of_every_kind_take_runs_of_several_splits():
    session = execute.Session()
    runs = [
        run_spec(data=split(seed), seed=seed, learning_rate=None, edge=c)
        for seed in (3, 5)
        for c in (0.5, 1.0)
    ]
    table = training.execute(runs, session)["runs"].to_pandas().set_index("run_id")
    assert set(table["stack_size"]) == {4}
    for run in runs:
        row = table.loc[run.id]
        assert (row["data_seed"], row["edge"]) == (run.data.seed, run.edge)
        assert row["learning_rate"] * session.initial_sharpness[run.start_key] == pytest.approx(
            run.edge
        )
    nets = [InitSpec("eoc", split(s), "mup", 3, 4, "abs", 1.0, s) for s in (3, 5)]
    cosines = initialization.execute(nets, session)["init"].to_pandas().groupby("seed")["cosine"]
    assert cosines.first().nunique() == 2
    cells = [
        PhaseSpec("depth", split(s), "mup", 2, 4, "abs", s, steps=4, early=2, log2_to=2.0)
        for s in (3, 5)
    ]
    together = phases.execute(cells, session)["phases"].to_pandas()
    alone = phases.execute(cells[1:], session)["phases"].to_pandas()
    assert set(together["data_seed"]) == {3, 5}
    mine = together[together["seed"] == 5]
    np.testing.assert_array_equal(mine["c"].to_numpy(), alone["c"].to_numpy())
    assert mine["initial_sharpness"].iloc[0] == pytest.approx(alone["initial_sharpness"].iloc[0])


def test_memory_counts_every_split():
    one = [run_spec(seed=seed, data=replace(DATA, seed=0)) for seed in range(4)]
    each = [run_spec(seed=seed, data=replace(DATA, seed=seed)) for seed in range(4)]
    samples = 40 + 9 + 11 + 6
    more = memory.data_bytes(each) - memory.data_bytes(one)
    assert more == 3 * samples * (64 + 10) * (8 + 4)
    assert memory.job_bytes([each]) > memory.job_bytes([one])


def test_blocks_keep_a_seed_together():
    runs = [
        run_spec(seed=seed, data=split(seed), learning_rate=rate)
        for rate in (0.1, 0.2, 0.3)
        for seed in range(4)
    ]
    share = costs.split_bytes(runs[0]) / 3
    room = 6 * (costs.run_cost(runs[0]).state_bytes + share)
    blocks = costs.blocks(runs, block_bytes=room + 1)
    assert [[run.seed for run in block] for block in blocks] == [
        [0] * 3 + [1] * 3,
        [2] * 3 + [3] * 3,
    ]
