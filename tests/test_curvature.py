"""Top eigenvalues against dense ones, in float64."""

import pytest
import torch

import references
from nup.curvature.gauss_newton import gauss_newton_operator
from nup.curvature.hessian import hessian_operator
from nup.curvature.lanczos import follow, start_vectors, top_eigenpair
from nup.curvature.spectral_norm import spectral_norm, stacked_spectral_norm
from nup.data.datasets import load
from nup.networks.activations import activation
from nup.networks.derivatives import Objective, backpropagate
from nup.networks.losses import LOSSES
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization
from nup.specs import DataSpec
from test_ensemble import SEEDS, make, samples

CASES = [
    (name, phi, loss)
    for name in ("mup", "nup", "mup_residual", "ntp")
    for phi in ("abs", "relu")
    for loss in ("mse", "cross_entropy")
]


def operator_of(network, weights, inputs, loss, factors):
    _, targets = samples(loss, len(inputs))
    objective = Objective(network, LOSSES[loss](), inputs, targets)
    return gauss_newton_operator(objective, weights, multipliers(factors))


def multipliers(factors):
    """c_k ξ_k of each layer, numbers or [E], as a tensor. [E, l]"""
    columns = [
        torch.as_tensor(factor, dtype=torch.float64).expand(len(SEEDS)) for factor in factors
    ]
    return torch.stack(columns, -1)


class Tracker:
    """Follows a top eigenvalue from call to call."""

    def __init__(self, seeds, size, like, tolerance=0.02, products=24, definite=True):
        self.starts, self.first = start_vectors(seeds, size, like), True
        self.how = {"tolerance": tolerance, "products": products, "definite": definite}

    def measure(self, operator):
        pair, self.starts = follow(operator, self.starts, self.first, **self.how)
        self.first = False
        return pair


@pytest.mark.parametrize("n", [3, 40])  # the Gram form and the parameter form
@pytest.mark.parametrize(("name", "phi", "loss"), CASES)
def test_sharpness_is_the_dense_eigenvalue(name, phi, loss, n):
    network, weights = make(name, phi)
    inputs, _ = samples(loss, n)
    factors = network.parameterization.lr_factors
    operator = operator_of(network, weights, inputs, loss, factors)
    tracker = Tracker(SEEDS, 3 * n, weights[0], 1e-6, products=60)
    found = tracker.measure(operator)
    for member in range(len(SEEDS)):
        dense = references.gauss_newton(
            [w[member] for w in weights],
            inputs,
            network.parameterization,
            network.activation,
            factors,
            loss,
        )
        expected = torch.linalg.eigvalsh(dense)[-1]
        torch.testing.assert_close(found.value[member], expected, rtol=1e-9, atol=0)
        assert float(found.residual[member]) <= 1e-6


@pytest.mark.parametrize("curvature", [gauss_newton_operator, hessian_operator])
def test_the_first_eigenvalue_is_the_largest_at_every_seed(curvature):
    """From random vectors that may be all but orthogonal to its eigenvector."""
    seeds, definite = list(range(200)), curvature is gauss_newton_operator
    shape = parameterization("nup", depth=4, width=3, d_in=6, d_out=3)
    weights = initial_weights(shape, seeds, dtype=torch.float64)
    objective = Objective(Network(shape, activation("abs")), LOSSES["mse"](), *samples("mse", 8))
    factors = torch.tensor([shape.lr_factors], dtype=torch.float64)
    operator = curvature(objective, weights, factors)
    size = 3 * 8 if definite else shape.n_parameters
    rows = torch.eye(size, dtype=torch.float64)[:, None].expand(-1, len(seeds), -1)
    dense = torch.linalg.eigvalsh(torch.stack([operator(row) for row in rows], -1))[:, -1]
    starts = start_vectors(seeds, size, weights[0])

    def short(**how):
        return 1 - follow(operator, starts, definite=definite, **how)[0].value / dense

    assert short(first=True).abs().max() < 1e-4
    if definite:  # to the tolerance of a warm start, another eigenvalue is met here and there
        assert short(first=False).max() > 0.05


def test_gradient_scaling_enters_the_preconditioner():
    network, weights = make("nup", "relu")
    inputs, _ = samples("mse")
    scales = torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64)
    factors = [c * scales for c in network.parameterization.lr_factors]
    operator = operator_of(network, weights, inputs, "mse", factors)
    found = Tracker(SEEDS, 21, weights[0], 1e-9).measure(operator)
    plain = operator_of(network, weights, inputs, "mse", network.parameterization.lr_factors)
    unscaled = Tracker(SEEDS, 21, weights[0], 1e-9).measure(plain)
    torch.testing.assert_close(found.value, scales * unscaled.value, rtol=1e-10, atol=0)


def test_warm_start_of_one_product_converges_like_power_iteration():
    network, weights = make("nup", "relu")
    inputs, _ = samples("mse")
    operator = operator_of(network, weights, inputs, "mse", network.parameterization.lr_factors)
    tracker = Tracker(SEEDS, 21, weights[0], products=1)
    residuals = torch.stack([tracker.measure(operator).residual for _ in range(120)])
    exact = Tracker(SEEDS, 21, weights[0], 1e-9).measure(operator).value
    assert bool((residuals[-1] < 0.1 * residuals[0]).all())
    torch.testing.assert_close(tracker.measure(operator).value, exact, rtol=1e-3, atol=0)


def test_residual_bounds_the_error():
    source = torch.Generator().manual_seed(0)
    factor = torch.randn(4, 30, 30, generator=source, dtype=torch.float64)
    matrix = factor @ factor.mT
    start = torch.randn(4, 30, generator=source, dtype=torch.float64)
    exact = torch.linalg.eigvalsh(matrix)[:, -1]
    for products in (1, 2, 5, 12):
        pair = top_eigenpair(
            lambda v: (matrix @ v[..., None]).squeeze(-1), start, products=products
        )
        assert bool((pair.value <= exact * (1 + 1e-12)).all())
        if products == 12:
            assert bool(((exact - pair.value) / exact < pair.residual + 1e-12).all())


def test_a_member_that_is_not_finite_leaves_the_others_alone():
    def operator(v):
        out = v * torch.tensor([2.0, 3.0]).double()[:, None]
        out[0] = torch.nan
        return out

    pair = top_eigenpair(operator, torch.ones(2, 4, dtype=torch.float64), products=3)
    assert bool(pair.value[0].isnan())
    assert float(pair.value[1]) == pytest.approx(3)


@pytest.mark.parametrize("shape", [(3, 50, 20), (3, 20, 50), (3, 1, 7)])
@pytest.mark.parametrize("stacked", [False, True])
def test_spectral_norm(shape, stacked):
    """By the kernel, and by torch on stacks."""
    source = torch.Generator().manual_seed(1)
    matrices = torch.randn(shape, generator=source, dtype=torch.float64)
    start = torch.randn(min(shape[1:]), generator=source, dtype=torch.float64)

    def norm(of):
        return stacked_spectral_norm(of, start, 12) if stacked else spectral_norm(of)

    expected = torch.linalg.matrix_norm(matrices, ord=2)
    torch.testing.assert_close(norm(matrices), expected, rtol=0.01, atol=0)
    assert bool((norm(torch.zeros_like(matrices)) == 0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectral_norm_of_matrices_whose_krylov_space_is_complete_at_once(dtype):
    """Rounding blown up to vectors that are not orthogonal makes norms three times too large."""
    source = torch.Generator().manual_seed(2)
    rank_one = torch.outer(torch.arange(1.0, 5), torch.ones(3))
    for matrix, norm in ((torch.eye(5), 1.0), (2 * torch.eye(64), 2.0), (rank_one, 90**0.5)):
        alike = matrix.to(dtype)[None]
        expected = torch.full((1,), norm, dtype=dtype)
        torch.testing.assert_close(spectral_norm(alike), expected)
        for _ in range(20):
            start = torch.randn(min(matrix.shape), generator=source).to(dtype)
            torch.testing.assert_close(stacked_spectral_norm(alike, start, 12), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_start_that_is_the_eigenvector_already(dtype):
    """As that of λ_t is where training has come to rest."""
    values = torch.arange(1.0, 9.0, dtype=dtype)
    for seed in range(20):
        start = torch.zeros(1, 8, dtype=dtype)
        start[0, -1] = 1.0 + seed / 7
        pair = top_eigenpair(lambda v: v * values, start, tolerance=1e-3, products=8)
        assert float(pair.value) == pytest.approx(8)
        assert pair.products == 2


def test_a_spectral_norm_that_is_no_number_leaves_the_others_alone():
    matrices = torch.stack([torch.eye(3), torch.full((3, 3), torch.nan), 2 * torch.eye(3)])
    found = spectral_norm(matrices)
    assert bool(found[1].isnan())
    torch.testing.assert_close(found[[0, 2]], torch.tensor([1.0, 2.0]))


def test_one_power_step_falls_short_beyond_the_edge():
    """Why λ_t is found to a residual: one warm-started product per step is far too low there."""
    data = DataSpec("digits", n_train=64, n_probe=16)
    dataset = load(data)
    short = {"power": [], "krylov": []}
    shape = parameterization("nup", depth=3, width=8, d_in=64, d_out=10)
    weights = initial_weights(shape, [0, 1], dtype=torch.float64)
    network = Network(shape, activation("abs"))
    inputs = torch.from_numpy(dataset.inputs["train"])
    targets = torch.from_numpy(dataset.targets["train"])
    tracker = Tracker([0, 1], 640, weights[0])
    vector = torch.ones(2, 640, dtype=torch.float64)
    objective = Objective(network, LOSSES["mse"](), inputs, targets)
    factors = torch.tensor([shape.lr_factors], dtype=torch.float64)
    for _ in range(60):
        operator = gauss_newton_operator(objective, weights, factors)
        start = torch.ones(2, 640, dtype=torch.float64)
        exact = top_eigenpair(operator, start, 1e-6, 120).value
        power = top_eigenpair(operator, vector, products=1)
        vector = power.vector
        short["power"].append(1 - power.value / exact)
        short["krylov"].append(1 - tracker.measure(operator).value / exact)
        gradients = backpropagate(objective, weights).gradients
        rates = (2.5 / exact)[:, None] * factors
        weights = [
            w - rate[:, None, None] * g
            for w, g, rate in zip(weights, gradients, rates.T, strict=True)
        ]
    late = {name: torch.stack(values)[20:].flatten() for name, values in short.items()}
    assert float(late["power"].median()) > 0.2
    assert float(late["krylov"].median()) < 0.005
    assert float(late["krylov"].quantile(0.95)) < 0.05
