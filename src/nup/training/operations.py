"""The floating-point operations that training needs, counted one way for every method.

The rule [operational]: a product of matrices [m, k] and [k, n] counts 2·m·k·n, and nothing else
counts. What is left out (elementwise work, an optimizer's moments, inner products of Krylov
vectors) is smaller by about the number of samples. Counted is what an update needs: the forward
pass, the backward pass (the inputs of the first layer need no gradient), and what the schedule
measures to find its rate. What is only recorded is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nup.networks.parameterization import Parameterization
from nup.specs.specification import RunSpec
from nup.training.schedules import SCHEDULES

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


class Count:
    """Operations that every run of a stack has needed to reach its present state.

    Args:
        specs: the runs of the stack.
        net: their shape.
        samples: training samples; λ_t is that of all of them.
    """

    def __init__(self, specs: Sequence[RunSpec], net: Parameterization, samples: int) -> None:
        needs = SCHEDULES[specs[0].schedule.name].requires
        batch = specs[0].batch_size or samples
        self._update = gradient(net, batch) + (jets(net, batch) if needs == "taylor" else 0.0)
        self._setup = self._product = 0.0
        if needs == "sharpness":
            again = 0.0 if specs[0].batch_size is None else forward(net, samples)
            self._setup = again + curvature_setup(net, samples)
            self._product = curvature_product(net, samples)
        self.total: Array = np.zeros(len(specs))  # [E]

    def measured(self, members: Array, products: Array) -> None:
        """λ_t of these members was found, by so many products each; counts if it sets the rate."""
        self.total[members] += self._setup + self._product * products

    def updated(self, members: Array) -> None:
        """The weights of these members were updated."""
        self.total[members] += self._update

    def stretch(self, members: Array, products: Array, done: Array) -> Array:
        """Operations before each of T steps of these members, which are counted.

        ``products`` [E, T] are those of λ_t, NaN where it was not measured; ``done`` [E] are the
        numbers of steps taken. [E, T]
        """
        measured = np.where(np.isnan(products), 0.0, self._setup + self._product * products)
        after = self.total[members][:, None] + np.cumsum(self._update + measured, axis=1)
        before = np.concatenate([self.total[members][:, None], after], axis=1)
        self.total[members] = np.take_along_axis(before, done[:, None], axis=1)[:, 0]
        return before[:, :-1]
