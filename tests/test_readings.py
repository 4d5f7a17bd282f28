"""What is derived of every reading of the paper's formulas, in float64: see docs/provenance.md."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from nup.curvature.ntk import kernel_alignment, neural_tangent_kernel
from nup.data.datasets import load
from nup.networks import theory
from nup.networks.activations import activation
from nup.networks.derivatives import (
    Objective,
    backpropagate,
    linearized_curvature,
    taylor,
)
from nup.networks.losses import MeanSquaredError
from nup.networks.mlp import Network, initial_weights
from nup.networks.parameterization import parameterization
from nup.specs import DataSpec
from nup.training.scalings import SCALINGS, Signals, clipped

SCALES = ("base", "kernel", "last", "own")
NORMALIZED = ("input", "both")
READINGS = list(product(SCALES, NORMALIZED))


def net(depth, width, d_in=8, d_out=1, **options):
    """νP, whose base width is another one than its own."""
    shape = {"depth": depth, "width": width, "d_in": d_in, "d_out": d_out}
    return parameterization("nup", **shape, base_width=9, **options)


def shares(shape):
    """γ² c_k m_{k−1}: of each layer in the kernel's diagonal, in the limit of infinite width."""
    pairs = zip(shape.lr_factors, shape.widths, strict=False)
    return np.array([shape.output_multiplier**2 * c * fan_in for c, fan_in in pairs])


# -- shares of the kernel --------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(("scale", "normalize"), READINGS)
def test_shares_of_the_trace(scale, normalize, r):
    """Equal for ``input``, k^{−r} for ``both``, whatever M is; the output layer's too."""
    depth = 6
    found = shares(net(depth, 16, scale=scale, normalize=normalize, r=r))
    layers = np.arange(1, depth + 1)
    law = layers**-r if normalize == "both" else np.ones(depth)
    np.testing.assert_allclose(found, law, rtol=1e-12)


@pytest.mark.parametrize("phi", ["abs", "relu"])
@pytest.mark.parametrize("normalize", NORMALIZED)
def test_finite_nets_have_these_shares(normalize, phi):
    """Mean over 200 nets of each layer's part in tr K_0/n, within chance of its law."""
    shape, seeds = net(4, 12, d_out=3, normalize=normalize, r=1.0), list(range(200))
    network, inputs = Network(shape, activation(phi)), torch.randn(3, 8, dtype=torch.float64)
    inputs /= inputs.square().mean(-1, keepdim=True).sqrt()
    weights = initial_weights(shape, seeds, dtype=torch.float64)
    for k, expected in enumerate(shares(shape)):
        only = torch.zeros(1, 4, dtype=torch.float64)
        only[0, k] = shape.lr_factors[k]
        kernel = neural_tangent_kernel(network, weights, inputs, only)
        parts = kernel.diagonal(dim1=-2, dim2=-1).mean(-1).numpy()
        error = parts.mean() - expected
        assert abs(error) < 4 * parts.std() / len(seeds) ** 0.5 + 1e-12
        assert parts.std() / len(seeds) ** 0.5 < 0.1 * expected


def top_eigenvalue(depth, **options):
    """λ_0 of K_∞/n of digits."""
    inputs = load(DataSpec("digits", n_train=64)).inputs["train"]
    shape = net(depth, 64, d_in=64, **options)
    cosines = inputs @ inputs.T / 64
    np.fill_diagonal(cosines, 1)  # a derivative is infinite there, and makes much of rounding
    kernel = theory.infinite_width_ntk(cosines, shape, activation("abs"))
    assert np.trace(kernel) / 64 == pytest.approx(shares(shape).sum(), rel=1e-9)
    return np.linalg.eigvalsh(kernel / 64)[-1]


@pytest.mark.parametrize("scale", SCALES)
def test_how_the_kernel_grows_with_depth(scale):
    """tr K_0/n is l for ``input``, and at most Σ k^{−2} = π²/6 for ``both``; λ_0 goes with it."""
    depths = (2, 8, 32, 64)
    traces = {
        normalize: [
            shares(net(depth, 64, scale=scale, normalize=normalize)).sum() for depth in depths
        ]
        for normalize in NORMALIZED
    }
    np.testing.assert_allclose(traces["input"], depths, rtol=1e-9)
    assert np.all(np.diff(traces["both"]) > 0)
    assert traces["both"][-1] == pytest.approx(np.pi**2 / 6, abs=1 / 64)
    eigenvalues = {
        normalize: [top_eigenvalue(depth, scale=scale, normalize=normalize) for depth in depths]
        for normalize in NORMALIZED
    }
    assert eigenvalues["input"][3] / eigenvalues["input"][1] > 4
    assert eigenvalues["both"][3] / eigenvalues["both"][1] < 1.1
    assert max(eigenvalues["both"]) < np.pi**2 / 6


# -- the first update ------------------------------------------------------------------------------


@cache
def drawn(width, r, seeds):
    shape = net(5, width, r=r)
    return initial_weights(shape, range(seeds), dtype=torch.float64)


def first_motion(shape, weights):
    """‖ΔW_k x_{k−1}‖/(η‖h_k‖) of hidden layers, for one sample with |∂L/∂f| = 1. [E, l − 1]"""
    network, inputs = Network(shape, activation("abs")), torch.ones(1, 8, dtype=torch.float64)
    targets = network.outputs(weights, inputs) - 1  # so that ∂L/∂f = 1
    passed = backpropagate(Objective(network, MeanSquaredError(), inputs, targets), weights)
    features = network.features(inputs, passed.preactivations)
    moved = [
        (c * x @ g.mT).norm(dim=(-2, -1)) / h.norm(dim=(-2, -1))
        for c, x, g, h in zip(
            shape.lr_factors, features, passed.gradients, passed.preactivations, strict=True
        )
    ]
    return torch.stack(moved[:-1], -1).numpy()


@pytest.mark.parametrize("r", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(("scale", "normalize"), READINGS)
def test_first_relative_update(scale, normalize, r):
    """√(M/m)·k^{−r/2}, or k^{−3r/2} with both norms: nearer and nearer as m grows."""
    layers, spreads = np.arange(1, 5), []
    for width in (16, 64):
        shape = net(5, width, scale=scale, normalize=normalize, r=r)
        ratio = {"base": 9 / width, "kernel": 1 / width, "last": 4**r, "own": 1.0}[scale]
        law = ratio**0.5 * layers ** (-r * (1.5 if normalize == "both" else 0.5))
        np.testing.assert_allclose(
            [theory.first_update_law(shape, k) for k in layers], law, rtol=1e-12
        )
        found = first_motion(shape, drawn(width, r, 20)) / law
        spreads.append(found.std(0).max())
        assert np.abs(found.mean(0) - 1).max() < 4 * spreads[-1] / 20**0.5
    assert spreads[1] < 0.7 * spreads[0]
    assert spreads[1] < 0.35


# -- Taylor coefficients from Gram matrices --------------------------------------------------------


@pytest.fixture(scope="module")
def problem():
    """A plain net [1, ·, ·] away from its initialization, with its objective and signals."""
    shape = parameterization("nup", depth=4, width=5, d_in=4, d_out=3, r=1)
    network, source = Network(shape, activation("abs")), torch.Generator().manual_seed(3)
    inputs, targets = (
        torch.randn(7, size, generator=source, dtype=torch.float64) for size in (4, 3)
    )
    start = initial_weights(shape, [0], dtype=torch.float64)
    weights = [1.2 * w + 0.1 for w in start]
    objective = Objective(network, MeanSquaredError(), inputs, targets)
    return objective, weights, signals(objective, weights), signals(objective, start)


def signals(objective, weights):
    network = objective.network
    passed = backpropagate(objective, weights, cotangents=True)
    first, *others = network.features(objective.inputs, passed.preactivations)
    factors = network.parameterization.lr_factors
    return Signals(passed.gradients, [first[None], *others], passed.cotangents, factors)


def scales(rule, now, start):
    """ξ. [1, l]"""
    entry = SCALINGS[rule]
    if entry.rule is None:
        return torch.ones(1, len(now.factors), dtype=torch.float64)
    return clipped(entry.rule(replace(now, initial=entry.start(start) if entry.start else None)))


def grams(now):
    """A_{k−1} and B_k of samples' own ∂L_i/∂h_k, without the 1/n of their mean. [l, n, n] each"""
    n = len(now.features[0][0])
    A = torch.stack([x[0] @ x[0].T for x in now.features])
    return A, torch.stack([n**2 * delta[0] @ delta[0].T for delta in now.cotangents])


def inner(A, B):
    return (A * B).sum((-2, -1))


def soft_rank(A):
    return A.diagonal(dim1=-2, dim2=-1).sum(-1) ** 2 / inner(A, A)


def layer_parts(objective, weights, now, xi):
    """−T1 when one layer alone is updated, by exact jets. [l]"""
    found = []
    for k, gradient in enumerate(now.gradients):
        direction = [torch.zeros_like(w) for w in weights]
        direction[k] = now.factors[k] * xi[0, k] * gradient
        found.append(-taylor(objective, weights, direction, 1)[0][0])
    return torch.stack(found)


@pytest.mark.parametrize("rule", SCALINGS)
def test_the_first_coefficient_is_a_sum_of_inner_products(problem, rule):
    """T1 = −n^{−2} Σ_k c_k ξ_k ⟨A_{k−1}, B_k⟩, layer by layer; and what ξ leaves of it."""
    objective, weights, now, start = problem
    xi, (A, B), n = scales(rule, now, start), grams(now), 7
    factors = torch.tensor(now.factors, dtype=torch.float64)
    parts = layer_parts(objective, weights, now, xi)
    torch.testing.assert_close(parts, factors * xi[0] * inner(A, B) / n**2, rtol=1e-10, atol=0)
    direction = [
        c * scale * g for c, scale, g in zip(now.factors, xi[0], now.gradients, strict=True)
    ]
    total = taylor(objective, weights, direction, 1)[0][0]
    torch.testing.assert_close(-total, parts.sum(), rtol=1e-10, atol=0)
    alignment = inner(A, B) / (inner(A, A) * inner(B, B)).sqrt()
    if rule == "depthwise":
        # c_k m_{k−1} is the same for every layer, and so is the output's power.
        fan_in = torch.tensor([x.shape[-1] for x in now.features], dtype=torch.float64)
        common = factors * fan_in * B[-1].trace() / n
        by_ranks = alignment / (soft_rank(A) * soft_rank(B)).sqrt()
        torch.testing.assert_close(parts, common * by_ranks, rtol=1e-10, atol=0)
        torch.testing.assert_close(
            factors * fan_in, factors[:1] * fan_in[:1] * torch.ones(4).double()
        )
    if rule == "equal":
        torch.testing.assert_close(parts, parts[:1].expand(4), rtol=1e-10, atol=0)
    if rule in ("gram", "per_sample"):
        A0, B0 = grams(start)
        if rule == "gram":
            kept, left = (inner(A0, A0) * inner(B0, B0)).sqrt(), alignment
        else:
            diagonal = [each.diagonal(dim1=-2, dim2=-1) for each in (A0, B0, A, B)]
            kept = (diagonal[0] * diagonal[1]).sum(-1)
            left = inner(A, B) / (diagonal[2] * diagonal[3]).sum(-1)
        torch.testing.assert_close(parts, factors * kept * left / n**2, rtol=1e-10, atol=0)


@pytest.mark.parametrize("rule", SCALINGS)
def test_the_second_coefficient_from_kernels(problem, rule):
    """Of the last layer alone T2 = γ² c_l² ξ_l² ⟨A_{l−1}², B_l⟩/(2n³), exactly.

    Of all layers the part without the network's curvature is rᵀK²r/(2n³), where T1 = −rᵀKr/n²
    with the NTK K of this update, over samples and outputs, and the residual r.
    """
    objective, weights, now, start = problem
    xi, (A, B), n = scales(rule, now, start), grams(now), 7
    network = objective.network
    last = now.factors[-1] * xi[0, -1]
    direction = [torch.zeros_like(w) for w in weights[:-1]] + [last * now.gradients[-1]]
    T2, T3 = (each[0] for each in taylor(objective, weights, direction, 3)[1:])
    gamma = network.parameterization.output_multiplier
    expected = gamma**2 * last**2 * inner(A[-1] @ A[-1], B[-1]) / (2 * n**3)
    torch.testing.assert_close(T2, expected, rtol=1e-10, atol=0)
    assert abs(float(T3)) < 1e-12 * float(T2)
    # All layers: the Jacobian over samples and outputs, written out.
    update = [c * s * g for c, s, g in zip(now.factors, xi[0], now.gradients, strict=True)]
    jacobians = torch.func.jacrev(lambda w: network.outputs(w, objective.inputs)[0])(weights)
    K = sum(
        c * s * j.flatten(2).flatten(0, 1) @ j.flatten(2).flatten(0, 1).T
        for c, s, j in zip(now.factors, xi[0], jacobians, strict=True)
    )
    residual = (network.outputs(weights, objective.inputs)[0] - objective.targets).flatten()
    linear = linearized_curvature(objective, weights, update)[0]
    slope = taylor(objective, weights, update, 1)[0][0]
    torch.testing.assert_close(slope, -residual @ K @ residual / n**2, rtol=1e-10, atol=0)
    torch.testing.assert_close(linear, residual @ K @ K @ residual / (2 * n**3), rtol=1e-10, atol=0)
    # A Rayleigh quotient: where r is an eigenvector, T1² = 4 L T2, and Polyak's step is c/λ.
    assert float(slope) ** 2 <= 4 * float(objective.of_outputs(weights)[0] * linear)


def test_alignment_here_is_not_the_centred_one(problem):
    """The identities have the plain alignment of A and B; the column ``alignment`` is centred."""
    A, B = grams(problem[2])
    plain = inner(A, B) / (inner(A, A) * inner(B, B)).sqrt()
    assert (plain > 0).all()  # of two positive semi-definite matrices
    assert (kernel_alignment(A, B[0]) - plain)[0].abs() > 1e-3
