"""A run's records are the same bits in whatever block it trains, by kernels and by torch."""

import pytest

from fake_training import run_spec
from nup.jobs import training
from nup.jobs.execute import Session
from nup.specs import DataSpec, ScheduleSpec
from nup.tables import store
from nup.training.observables import cadences

#: What says how a run was packed and how long that took.
PACKING = {"stack_size", "wall_time_s"}
DATA = DataSpec("digits", n_train=64, n_validation=32, n_test=32, n_probe=16)
RECORD = cadences(
    steps=1, curvature=30, taylor=30, layers=10, probe=30, features=30, accuracy=30, hessian=90
)
SHARPNESS = ScheduleSpec("sharpness", {"c": 2.0}, "depthwise")
CASES = {
    "minibatches": {"loss": "cross_entropy", "batch_size": 16},
    "measured rates": {"schedule": SHARPNESS, "learning_rate": None},
}


def tables(blocks, session):
    parts = [training.execute(block, session) for block in blocks]
    return {name: store.concatenate(name, [part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("compiled", [True, False], ids=["numba", "torch"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_records_do_not_depend_on_what_else_is_in_the_block(changes, compiled):
    # The late loss is a mean over 10 steps: enough for sums whose order matters.
    specs = [
        run_spec(seed=seed, data=DATA, width=6, steps=90, record=RECORD, **changes)
        for seed in range(3)
    ]
    session = Session(compiled=compiled)
    together = tables([specs], session)
    for name, table in tables([specs[:1], specs[1:]], session).items():
        differing = [
            column
            for column in set(table.column_names) - PACKING
            if not table[column].equals(together[name][column])
        ]
        assert differing == [], name
