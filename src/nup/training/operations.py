"""The floating-point operations that training needs, counted one way for every method.

The rule [operational]: a product of matrices [m, k] and [k, n] counts 2·m·k·n, and nothing else
counts. What is left out (elementwise work, an optimizer's moments, inner products of Krylov
vectors) is smaller by about the number of samples. Counted is what an update needs: the forward
pass, the backward pass (the inputs of the first layer need no gradient), and what the schedule
measures to find its rate. What is only recorded is not, nor λ_0 where a rate is given in units of
the edge: that is a way to write the grid, and η is a number when training begins.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nup.networks.parameterization import Parameterization
from nup.specs import RunSpec
from nup.training.scalings import SCALINGS
from nup.training.schedules import SCHEDULES, SHARPNESS, TAYLOR

Array = npt.NDArray[Any]


def forward(net: Parameterization, samples: int) -> float:
    """A forward pass: W_k x_{k-1} in every layer. As many as ∂L/∂W_k = δ_kᵀ x_{k-1} takes."""
    return 2.0 * samples * sum(_sizes(net))


def backward(net: Parameterization, samples: int) -> float:
    """δ_k from δ_{k+1} for every layer but the last: W_kᵀ δ_k for k = 2 … l."""
    return 2.0 * samples * sum(_sizes(net)[1:])


def gradient(net: Parameterization, samples: int) -> float:
    """The loss's gradient in all weights: forward, backward, and the weights' own products."""
    return 2 * forward(net, samples) + backward(net, samples)


def jets(net: Parameterization, samples: int) -> float:
    """The first two Taylor coefficients of the loss along an update U.

    h_k^{(1)} = W_k x_{k-1}^{(1)} − U_k x_{k-1} takes two products, the cotangents' product with the
    sources −U_k x_{k-1}^{(1)} of the second order one more (``nup.kernels.network.jets``). The
    inputs do not depend on η, so that layer 1 needs one of the three.
    """
    first, *others = _sizes(net)
    return 2.0 * samples * (first + 3 * sum(others))


def gram_layers(net: Parameterization, samples: int) -> list[tuple[int, int]]:
    """(m_{k-1}, m_k) of the layers whose Gram matrix saves operations in products of λ_t."""
    return [
        (fan_in, fan_out)
        for fan_in, fan_out in pairwise(net.widths)
        if samples * (fan_in + fan_out) < 2 * fan_in * fan_out
    ]


def curvature_setup(net: Parameterization, samples: int) -> float:
    """What a measurement of λ_t needs once: Gram matrices x xᵀ of the layers that use theirs."""
    return 2.0 * samples**2 * sum(fan_in for fan_in, fan_out in gram_layers(net, samples))


def curvature_product(net: Parameterization, samples: int) -> float:
    """One product with the Gauss–Newton matrix: backward pass, then the tangent along the result.

    The tangent takes W_k ẋ_{k-1} for k = 2 … l, and (δ_kᵀ x) x in every layer, either in this order
    or through the Gram matrix of x.
    """
    gram = set(gram_layers(net, samples))
    updates = [
        samples * fan_out if (fan_in, fan_out) in gram else 2 * fan_in * fan_out
        for fan_in, fan_out in pairwise(net.widths)
    ]
    return 2 * backward(net, samples) + 2.0 * samples * sum(updates)


def _sizes(net: Parameterization) -> list[int]:
    return [fan_in * fan_out for fan_in, fan_out in pairwise(net.widths)]


def spent(
    spec: RunSpec,
    net: Parameterization,
    samples: int,
    before: Array,
    products: Array,
    done: Array,
) -> tuple[Array, Array]:
    """Operations before each of T steps [E, T], and after those that were ``done`` [E].

    Args:
        spec: of the runs.
        net: their shape.
        samples: training samples; λ_t is that of all of them.
        before: operations before the first of the steps. [E]
        products: those that λ_t took, NaN where it was not measured; they count if λ_t sets the
            rate. [E, T]
        done: numbers of steps taken. [E]
    """
    requires = SCHEDULES[spec.schedule.name].requires
    batch = spec.batch_size or samples
    scaled = SCALINGS[spec.schedule.gradient_scaling].operations
    update = gradient(net, batch) + (scaled(net.widths, batch) if scaled else 0.0)
    update += jets(net, batch) if requires == TAYLOR else 0.0
    measured: Array = np.zeros_like(products)
    if requires == SHARPNESS:
        again = forward(net, samples) if spec.batch_size is not None else 0.0
        each = again + curvature_setup(net, samples) + curvature_product(net, samples) * products
        measured = np.where(np.isnan(products), 0.0, each)
    totals = np.concatenate([before[:, None], update + measured], axis=1).cumsum(1)
    return totals[:, :-1], np.take_along_axis(totals, done[:, None], axis=1)[:, 0]
