import pytest

from fake_training import run_spec
from nup.specs import OptimizerSpec, ScheduleSpec
from nup.training import costs
from nup.training.observables import cadences

NOTHING = cadences(steps=0, curvature=0, taylor=0, layers=0, probe=0, features=0)


def test_arithmetic_of_plain_training():
    spec = run_spec(record=NOTHING)
    # teacher: 16 inputs, 1 output; depth 3, width 4: 16·4 + 4·4 + 4·1 = 84 weights, 16 samples.
    assert costs.network(spec).n_parameters == 84
    assert costs.run_cost(spec).flops == 6 * 84 * 16 * 10


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 20},
        {"depth": 4},
        {"width": 8},
        {"record": cadences()},
        {"record": NOTHING | {"hessian": 5}},
        {"optimizer": OptimizerSpec("adamw")},
        {"schedule": ScheduleSpec("sharpness", {"c": 1.0}), "learning_rate": None},
        {"schedule": ScheduleSpec("taylor", {"c": 1.0}), "learning_rate": None},
    ],
)
def test_more_work_costs_more(changes):
    plain, more = run_spec(record=NOTHING), run_spec(**{"record": NOTHING, **changes})
    assert costs.seconds([more], gflops=50) > costs.seconds([plain], gflops=50)


def test_minibatches_cost_less_than_full_batches():
    plain, small = run_spec(record=NOTHING), run_spec(record=NOTHING, batch_size=4)
    assert costs.run_cost(small).flops == costs.run_cost(plain).flops / 4


def test_blocks_hold_whole_stacks_cut_evenly():
    specs = [run_spec(seed=seed, depth=depth) for depth in (2, 3) for seed in range(10)]
    blocks = costs.blocks(specs)
    assert sorted(len(block) for block in blocks) == [10, 10]
    one = costs.run_cost(run_spec()).state_bytes
    small = costs.blocks([spec for spec in specs if spec.depth == 3], block_bytes=4 * one)
    assert [len(block) for block in small] == [4, 4, 2]
    assert all(len({spec.stack_key for spec in block}) == 1 for block in blocks)


def test_blocks_do_not_depend_on_the_order_given():
    specs = [run_spec(seed=seed, depth=depth) for depth in (2, 3) for seed in range(5)]
    assert costs.blocks(specs) == costs.blocks(specs[::-1])


def test_a_run_larger_than_the_cache_is_a_block_of_its_own():
    blocks = costs.blocks([run_spec(seed=seed) for seed in range(3)], block_bytes=1)
    assert [len(block) for block in blocks] == [1, 1, 1]


def test_a_block_has_a_run_for_each_thread():
    runs = [run_spec(seed=seed) for seed in range(7)]
    assert [len(block) for block in costs.blocks(runs, block_bytes=1, threads=2)] == [2, 2, 2, 1]
    assert costs.blocks(runs, threads=4) == costs.blocks(runs)  # one block holds them all


def test_an_optimizer_holds_its_moments():
    plain, adamw = run_spec(), run_spec(optimizer=OptimizerSpec("adamw"))
    more = costs.run_cost(adamw).state_bytes - costs.run_cost(plain).state_bytes
    assert more == 2 * 84 * 4
