"""Training that is interrupted anywhere, and goes on from a snapshot, leaves the same records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import problems
from nup.errors import Interrupted
from nup.specs import ScheduleSpec
from nup.training import loop, optimizers, snapshots, stack
from nup.training.backends.numba import NumbaBackend
from nup.training.backends.torch import TorchBackend
from nup.training.loop import train
from nup.training.observables import cadences
from nup.training.snapshots import Snapshot

RECORD = cadences(
    steps=1, curvature=2, taylor=3, layers=2, probe=3, features=4, hessian=3, accuracy=5
)
STEPS = 9


class Interrupting:
    """Keeps one snapshot, after so many offers, and interrupts there; or none at all."""

    def __init__(self, after=None, kept=None):
        self.after, self.kept, self.offers = after, kept, 0

    def load(self):
        return self.kept

    def offer(self, take):
        self.offers += 1
        if self.offers == self.after:
            found = take()
            # As from a file: what is trained on must not change it.
            arrays = {name: np.array(array) for name, array in found.arrays.items()}
            self.kept = Snapshot(found.values, arrays)
            raise Interrupted

    def part(self, name):
        return self


def interrupted(specs, data, after, **how):
    """The snapshot after so many segments."""
    keeper = Interrupting(after)
    with pytest.raises(Interrupted):
        train(specs, data, keeper=keeper, **how)
    return keeper.kept


def bits(records):
    return {
        (table, name): (values.dtype, values.tobytes())
        for table in ("runs", "steps", "layers")
        for name, values in getattr(records, table).items()
    }


def segments(specs, data, **how):
    keeper = Interrupting()
    whole = train(specs, data, keeper=keeper, **how)
    return whole, keeper.offers


SCHEDULES = {
    "constant": (ScheduleSpec(), [0.1, 0.2]),
    "cosine+per_sample": (ScheduleSpec("cosine", {"warmup": 0.3}, "per_sample"), [0.1, 0.2]),
    "sharpness": (ScheduleSpec("sharpness", {"c": 1.9}), [None]),
    "sharpness+depthwise": (ScheduleSpec("sharpness", {"c": 1.5}, "depthwise"), [None]),
    "taylor+gram": (ScheduleSpec("taylor", {"c": 0.6}, "gram"), [None]),
    "polyak": (ScheduleSpec("polyak", {"c": 0.6}), [None]),
}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_training_goes_on_as_if_nothing_had_happened(schedule, batch_size, compiled):
    """In float32, where rounding shows soonest."""
    how, rates = SCHEDULES[schedule]
    specs = [
        problems.run(
            parameterization="nup",
            activation="relu",
            width=8,
            schedule=how,
            learning_rate=rate,
            seed=seed,
            batch_size=batch_size,
            steps=STEPS,
            dtype="float32",
            record=RECORD,
        )
        for rate in rates
        for seed in (0, 1)
    ]
    data = problems.dataset("classes")
    whole, count = segments(specs, data, compiled=compiled)
    assert count > 5
    for after in (1, count // 2, count - 1):
        kept = interrupted(specs, data, after, compiled=compiled)
        resumed = Interrupting(kept=kept)
        assert bits(train(specs, data, compiled=compiled, keeper=resumed)) == bits(whole)
        assert resumed.offers == count - after


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {
            "parameterization": "sp",
            "optimizer": optimizers.resolve("adamw", {}),
            "learning_rate": 0.01,
            "record": RECORD | {"curvature": 0, "hessian": 0},
        },
        {"edge": 1.5, "learning_rate": None},
        {"loss": "cross_entropy"},
        {"parameterization": "mup_residual"},
    ],
)
def test_moments_rates_of_the_edge_and_losses_are_kept(changes, compiled):
    changes = {"record": RECORD} | changes
    specs = [problems.run(seed=seed, batch_size=4, **changes) for seed in (0, 1)]
    data = problems.dataset("classes")
    known = {}
    whole, count = segments(specs, data, compiled=compiled, known=known)
    for after in (1, count // 2, count):
        kept, again = interrupted(specs, data, after, compiled=compiled), {}
        resumed = train(specs, data, compiled=compiled, keeper=Interrupting(kept=kept), known=again)
        assert bits(resumed) == bits(whole)
        assert again == known


@pytest.mark.parametrize("compiled", [True, False])
def test_runs_that_diverged_before_stay_diverged(compiled):
    rates = [0.1, 30.0, 1e6]
    specs = [problems.run(learning_rate=rate, steps=12, record=RECORD) for rate in rates]
    data = problems.dataset()
    whole, count = segments(specs, data, compiled=compiled)
    assert whole.runs["status"].tolist().count("diverged") == 2
    for after in (1, 2, 3, count):
        kept = interrupted(specs, data, after, compiled=compiled)
        resumed = train(specs, data, compiled=compiled, keeper=Interrupting(kept=kept))
        assert bits(resumed) == bits(whole)
    lost = [replace(spec, learning_rate=1e6 + spec.learning_rate) for spec in specs]
    whole, count = segments(lost, data, compiled=compiled)
    assert set(whole.runs["status"]) == {"diverged"}
    kept = interrupted(lost, data, count, compiled=compiled)
    resumed = train(lost, data, compiled=compiled, keeper=Interrupting(kept=kept))
    assert bits(resumed) == bits(whole)


def test_seeds_with_data_of_their_own_are_kept():
    specs = [
        problems.run(seed=seed, data=replace(problems.run().data, seed=seed), batch_size=4)
        for seed in (0, 1)
    ]
    data = {0: problems.dataset(), 1: problems.dataset("classes")}
    for compiled in (True, False):
        whole, count = segments(specs, data, compiled=compiled)
        kept = interrupted(specs, data, count // 2, compiled=compiled)
        resumed = train(specs, data, compiled=compiled, keeper=Interrupting(kept=kept))
        assert bits(resumed) == bits(whole)


# -- completeness ----------------------------------------------------------------------------------


def everything(thing, path="", seen=None):
    """All numbers and texts that are reached from an object's fields, by path."""
    seen = set() if seen is None else seen
    if isinstance(thing, torch.Generator):
        thing = thing.get_state()
    if isinstance(thing, torch.Tensor):
        thing = thing.numpy()
    if isinstance(thing, np.ndarray):
        yield path, (thing.shape, thing.dtype, thing.tobytes())
    elif thing is None or isinstance(thing, bool | int | float | str | range):
        yield path, repr(thing)
    else:
        for name, value in parts(thing, seen):
            yield from everything(value, f"{path}{name}", seen)


def parts(thing, seen):
    """What a container or an object of ours holds; an object only once."""
    if isinstance(thing, dict):
        return [(f"[{key!r}]", value) for key, value in thing.items()]
    if isinstance(thing, list | tuple | set | frozenset):
        return [(f"[{place}]", value) for place, value in enumerate(thing)]
    ours = type(thing).__module__.startswith("nup.") and hasattr(thing, "__dict__")
    if not ours or id(thing) in seen:
        return []
    seen.add(id(thing))
    return [(f".{name}", value) for name, value in vars(thing).items() if name not in ROOM]


#: What is made again where it is missing, room to work in, and what the test itself brings.
ROOM = {"_gathered", "_workspaces", "_keeper", "null_losses", "id", "group_key", "net_key"}


@pytest.mark.parametrize("backend", [NumbaBackend, TorchBackend])
def test_a_snapshot_holds_all_that_training_changes(backend):
    """Whatever field of training, its recorder, data or backend changes on the way is restored."""
    specs = [
        problems.run(edge=1.5 + seed, learning_rate=None, seed=seed, batch_size=4, record=RECORD)
        for seed in (0, 1)
    ]
    specs.append(replace(specs[0], edge=1e6))  # which diverges

    class Copied(Interrupting):
        def offer(self, take):
            self.offers += 1
            if self.offers == 6:
                found = take()
                arrays = {name: np.array(array) for name, array in found.arrays.items()}
                self.kept = Snapshot(found.values, arrays)
                raise Interrupted

    def training(keeper):
        made, state = stack.make(specs, problems.dataset(), "cpu")
        return loop._Training(made, backend(made), specs, {}, keeper), state

    with torch.no_grad():
        first, state = training(Copied())
        before = dict(everything(first))
        with pytest.raises(Interrupted):
            first.run(state, None)
        after = dict(everything(first))
        second, state = training(Interrupting(kept=first._keeper.kept))
        _, resumed = second._start(state)
    changed = {path for path in after if after[path] != before.get(path)}
    assert any("_recorder._losses" in path for path in changed)
    assert any("data._orders" in path for path in changed)
    assert dict(everything(second)) == after
    kept = snapshots.restored(first._keeper.kept)["state"]
    assert set(kept) == set(resumed._fields)
    assert len(resumed.members) == 2


def test_trees_come_back_as_they_were():
    tree = {
        "numbers": [None, True, 3, 0.1, float("inf"), "text"],
        2: (torch.arange(3.0), np.array([1, 2], np.int16), {"deep": (torch.tensor(5),)}),
        "empty": [torch.empty(2, 0), np.array(["a", "bc"]), (), {}],
    }
    back = snapshots.restored(snapshots.take(tree))
    assert dict(everything(back)) == dict(everything(tree))
    with pytest.raises(snapshots.SnapshotError, match=r"deep\.0: expected tensors, .* got object"):
        snapshots.take({"deep": [object()]})
