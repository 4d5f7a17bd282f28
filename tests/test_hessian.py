"""The Hessian's products and its top eigenvalue against dense Hessians by autograd, in float64."""

import numpy as np
import pytest
import torch

import problems
import references
from nup.curvature.gauss_newton import gauss_newton_operator
from nup.curvature.hessian import hessian_operator
from nup.curvature.lanczos import top_eigenpair
from nup.networks.derivatives import Objective
from nup.networks.losses import LOSSES
from nup.training.loop import train
from nup.training.observables import cadences
from test_curvature import Tracker, multipliers
from test_ensemble import SEEDS, make, samples

CASES = [
    (name, phi, loss)
    for name in ("mup", "nup", "mup_residual", "ntp")
    for phi in ("abs", "relu", "(1,2)", "(1,-1)")  # (1,−1) vanishes for positive inputs
    for loss in ("mse", "cross_entropy")
]


def operator_of(network, weights, inputs, targets, name, factors):
    objective = Objective(network, LOSSES[name](), inputs, targets)
    return hessian_operator(objective, weights, multipliers(factors))


def dense_hessians(network, weights, inputs, targets, name, factors):
    """One dense matrix per member. [E, P, P]"""
    shape, phi = network.parameterization, network.activation
    return torch.stack(
        [
            references.hessian([w[e] for w in weights], inputs, targets, shape, phi, factors, name)
            for e in range(len(SEEDS))
        ]
    )


@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_products_and_top_eigenvalue_are_those_of_the_dense_hessian(name, phi, loss):
    network, weights = make(name, phi, width=3)
    inputs, targets = samples(loss)
    factors = network.parameterization.lr_factors
    operator = operator_of(network, weights, inputs, targets, loss, factors)
    dense = dense_hessians(network, weights, inputs, targets, loss, factors)
    vectors = torch.randn(dense.shape[:2], dtype=torch.float64)
    expected = (dense @ vectors[..., None]).squeeze(-1)
    torch.testing.assert_close(operator(vectors), expected, rtol=1e-9, atol=1e-11)
    eigenvalues = torch.linalg.eigvalsh(dense)
    assert bool((eigenvalues[:, 0] < 0).all())  # indefinite: the case that matters
    tracker = Tracker(SEEDS, dense.shape[1], weights[0], 1e-7, products=120, definite=False)
    found = tracker.measure(operator)
    torch.testing.assert_close(found.value, eigenvalues[:, -1], rtol=1e-9, atol=0)
    assert bool((found.residual <= 1e-7).all())


def test_gradient_scaling_is_taken_as_a_constant():
    network, weights = make("nup", "relu", width=3)
    inputs, targets = samples("mse")
    scales = torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
    factors = [c * scales for c in network.parameterization.lr_factors]
    operator = operator_of(network, weights, inputs, targets, "mse", factors)
    plain = network.parameterization.lr_factors
    unscaled = operator_of(network, weights, inputs, targets, "mse", plain)
    size = network.parameterization.n_parameters
    vectors = torch.randn(len(SEEDS), size, dtype=torch.float64)
    torch.testing.assert_close(operator(vectors), scales[:, None] * unscaled(vectors))


def test_without_residual_it_is_the_gauss_newton_matrix():
    """With targets f(x) the second part vanishes, and both have the same top eigenvalue."""
    network, weights = make("nup", "abs", width=3)
    inputs, _ = samples("mse")
    factors = network.parameterization.lr_factors
    targets = network.outputs(weights, inputs)
    operator = operator_of(network, weights, inputs, targets, "mse", factors)
    objective = Objective(network, LOSSES["mse"](), inputs, targets)
    gauss_newton = gauss_newton_operator(objective, weights, multipliers(factors))
    size = network.parameterization.n_parameters
    found = Tracker(SEEDS, size, weights[0], 1e-9, 80, definite=False).measure(operator)
    expected = Tracker(SEEDS, 21, weights[0], 1e-9, 21).measure(gauss_newton)
    torch.testing.assert_close(found.value, expected.value, rtol=1e-9, atol=0)


def test_the_trace_is_that_of_the_gauss_newton_matrix():
    """So the largest eigenvalue is not negative, however indefinite the Hessian."""
    network, weights = make("mup", "relu", width=3)
    inputs, targets = samples("mse")
    factors = network.parameterization.lr_factors
    dense = dense_hessians(network, weights, inputs, 50 * targets, "mse", factors)
    for member in range(len(SEEDS)):
        one = [w[member] for w in weights]
        shape, phi = network.parameterization, network.activation
        gauss_newton = references.gauss_newton(one, inputs, shape, phi, factors)
        torch.testing.assert_close(dense[member].trace(), gauss_newton.trace())


def test_largest_algebraic_not_largest_in_magnitude():
    eigenvalues = torch.cat([torch.linspace(-10, 0.9, 39), torch.tensor([1.0])]).double()
    basis = torch.linalg.qr(
        torch.randn(40, 40, generator=torch.Generator().manual_seed(0)).double()
    )[0]
    matrix = basis @ torch.diag(eigenvalues) @ basis.T
    tracker = Tracker([0], 40, matrix, 1e-9, products=40, definite=False)
    pair = tracker.measure(lambda v: v @ matrix)
    assert float(pair.value[0]) == pytest.approx(1.0, rel=1e-9)
    # The Ritz vector starts the next call: one product is enough to confirm it.
    again = top_eigenpair(lambda v: v @ matrix, pair.vector, products=1, definite=False)
    assert float(again.value[0]) == pytest.approx(1.0, rel=1e-9)
    assert float(again.residual[0]) < 1e-6


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("name", ["nup", "mup_residual"])
def test_training_records_the_hessian_of_its_states(name, loss):
    """As dense Hessians along a slow run say, on all data though it trains on minibatches."""
    data = problems.dataset("regression" if loss == "mse" else "classification")
    record = cadences(steps=1, curvature=0, taylor=0, layers=0, probe=0, features=0, hessian=2)
    spec = problems.run(parameterization=name, width=3, steps=4, loss=loss, record=record)
    steps = train([spec], data).steps
    _, states, shape, phi = problems.slow_training(spec, data)
    inputs, targets = problems.training_split(spec, data)
    due = [0, 2, 4]
    expected = [
        torch.linalg.eigvalsh(
            references.hessian(states[t], inputs, targets, shape, phi, shape.lr_factors, loss)
        )[-1].item()
        for t in due
    ]
    found = steps["hessian_sharpness"]
    np.testing.assert_allclose(found[due], expected, rtol=2e-3)
    assert (np.array(found)[due] <= np.array(expected) * (1 + problems.STORED)).all()
    assert np.isnan(found[[1, 3]]).all()
    assert (steps["hessian_residual"][due] <= 0.02).all()
    edge = spec.learning_rate * found
    np.testing.assert_allclose(steps["hessian_edge"][:4], edge[:4], rtol=problems.STORED)
    assert np.isnan(steps["hessian_edge"][4])


def test_minibatches_do_not_enter_the_hessian():
    data = problems.dataset()
    record = cadences(steps=1, curvature=0, taylor=0, layers=0, probe=0, features=0, hessian=1)
    whole, parts = (
        train([problems.run(steps=1, record=record, batch_size=size)], data).steps
        for size in (None, 2)
    )
    np.testing.assert_allclose(
        whole["hessian_sharpness"][0], parts["hessian_sharpness"][0], rtol=problems.STORED
    )


@pytest.mark.parametrize("scaling", ["none", "depthwise"])
def test_a_stack_measures_each_member_as_if_alone(scaling):
    data = problems.dataset()
    schedule = problems.ScheduleSpec(gradient_scaling=scaling)
    record = cadences(steps=1, curvature=2, layers=0, probe=0, features=0, hessian=2)
    specs = [
        problems.run(seed=seed, learning_rate=rate, record=record, schedule=schedule)
        for seed, rate in [(0, 0.1), (1, 0.05), (2, 1e6), (3, 0.2)]  # the third diverges
    ]
    records = train(specs, data)
    assert list(records.runs["status"]).count("diverged") == 1
    for spec in specs:
        problems.assert_as_if_alone(records, spec, train([spec], data))


def test_measuring_the_hessian_changes_nothing_else():
    data = problems.dataset()
    plain = problems.run()
    record = cadences(steps=1, curvature=1, taylor=1, layers=1, probe=1, features=1, hessian=1)
    with_hessian = train([problems.run(record=record)], data)
    without = train([plain], data)
    for column in ("loss", "sharpness", "cosine", "taylor_3"):
        np.testing.assert_array_equal(with_hessian.steps[column], without.steps[column])
    assert np.isnan(without.steps["hessian_sharpness"]).all()
