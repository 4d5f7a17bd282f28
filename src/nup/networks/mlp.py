"""Many MLPs of one shape as stacked tensors: forward, backward and jets, written by hand.

Notation at line ends: E members, n samples, m_k units of layer k. Weights are W_k [E, m_k,
m_{k-1}]. The network is h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}), f = γ h_l, with φ(h_0) read as the
input x_0.

φ is written as g·φ̂ with φ̂ of slope 1 (and negative_slope/g) so that the gain g is folded, with
β_k, into the matrix product's own scalar: φ̂ is one in-place pass and no product is scaled
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nup.networks.activations import Activation
from nup.networks.parameterization import Parameterization
from nup.specs.specification import digest

#: A factor per layer: the same for every member, or one value a member. [E]
LayerFactors = Sequence[float | Tensor]


@dataclass
class Trace:
    """What a forward pass leaves behind.

    ``features[k]`` is φ̂(h_k), and the input x_0 for k = 0     [E, n, m_k], k = 0 … l−1
    ``preactivations[k-1]`` is h_k                             [E, n, m_k], k = 1 … l
    """

    features: list[Tensor]
    preactivations: list[Tensor]

    @property
    def members(self) -> int:
        return self.preactivations[0].shape[0]

    def first(self, members: int) -> Trace:
        """Views of the buffers for the first ``members`` members."""
        return Trace(
            [tensor[:members] for tensor in self.features],
            [tensor[:members] for tensor in self.preactivations],
        )


class Network:
    """The pure functions of one network shape on stacked weights."""

    def __init__(self, parameterization: Parameterization, activation: Activation) -> None:
        self.parameterization = parameterization
        self.activation = activation
        self.depth = parameterization.depth
        self.output_multiplier = parameterization.output_multiplier
        self._skip = parameterization.skip
        positive, negative = activation.positive_slope, activation.negative_slope
        # φ̂ has slope 1 on the side whose slope serves as the gain; the positive side if it can.
        self._gain_side = 1 if positive != 0 else -1
        gain = positive if positive != 0 else negative
        self._slope = negative / positive if positive != 0 else 0.0
        #: β_k times the gain of the layer's input: h_k = … + gains[k-1] · W_k x̂_{k-1}
        self.gains = tuple(
            beta * (gain if layer > 0 else 1.0)
            for layer, beta in enumerate(parameterization.branch_multipliers)
        )

    @property
    def slopes(self) -> tuple[float, float, float]:
        """Slopes of φ̂ for positive and for negative arguments, and at 0."""
        if self._gain_side < 0:
            return 0.0, 1.0, 0.0
        return 1.0, self._slope, self._slope

    def buffers(self, members: int, samples: int, like: Tensor) -> Trace:
        """An empty trace; its input is to be set by the caller."""
        widths = self.parameterization.widths
        empty = [like.new_empty(members, samples, width) for width in widths[1:]]
        features = [like.new_empty(members, samples, width) for width in widths[1:-1]]
        return Trace([like.new_empty(0), *features], empty)

    def forward(self, weights: Sequence[Tensor], inputs: Tensor, out: Trace | None = None) -> Trace:
        """All preactivations and features for ``inputs`` [n, m_0] or [E, n, m_0].

        ``out`` is overwritten if given; its buffers may hold more members than ``weights``.
        """
        members, samples = weights[0].shape[0], inputs.shape[-2]
        trace = self.buffers(members, samples, weights[0]) if out is None else out.first(members)
        trace.features[0] = inputs.expand(members, samples, -1)
        for k, (weight, h) in enumerate(zip(weights, trace.preactivations, strict=True)):
            h.baddbmm_(trace.features[k], weight.mT, beta=0, alpha=self.gains[k])  # [E, n, m_k]
            if self._skip[k]:
                h.add_(trace.preactivations[k - 1])
            if k + 1 < self.depth:
                self._activate(h, trace.features[k + 1])
        return trace

    def outputs(self, trace: Trace) -> Tensor:
        """f = γ h_l. [E, n, m_l]"""
        return trace.preactivations[-1] * self.output_multiplier

    def backward(self, weights: Sequence[Tensor], trace: Trace, cotangent: Tensor) -> list[Tensor]:
        """δ_k = ∂⟨cotangent, f⟩/∂h_k for k = 1 … l, each [E, n, m_k]."""
        delta = cotangent * self.output_multiplier
        deltas = [delta]
        for k in range(self.depth - 1, 0, -1):
            below = torch.empty_like(trace.preactivations[k - 1])
            below.baddbmm_(delta, weights[k], beta=0, alpha=self.gains[k])  # [E, n, m_{k-1}]
            self.differentiate_(below, trace.preactivations[k - 1])
            if self._skip[k]:
                below.add_(delta)
            deltas.append(below)
            delta = below
        return deltas[::-1]

    def weight_gradients(
        self,
        trace: Trace,
        deltas: Sequence[Tensor],
        factors: LayerFactors,
        out: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """factor_k · ∂⟨cotangent, f⟩/∂W_k for each layer, each [E, m_k, m_{k-1}]."""
        members = deltas[0].shape[0]
        gradients = []
        for k, (delta, factor) in enumerate(zip(deltas, factors, strict=True)):
            features = trace.features[k]
            shape = (members, delta.shape[-1], features.shape[-1])
            gradient = delta.new_empty(shape) if out is None else out[k][:members]
            scalar = 1.0 if isinstance(factor, Tensor) else factor
            gradient.baddbmm_(delta.mT, features, beta=0, alpha=self.gains[k] * scalar)
            if isinstance(factor, Tensor):
                gradient.mul_(factor[:, None, None])
            gradients.append(gradient)
        return gradients

    def jets(
        self, weights: Sequence[Tensor], trace: Trace, direction: Sequence[Tensor], order: int
    ) -> list[Tensor]:
        """Coefficients f_1 … f_order of η ↦ f(W − η·direction), each [E, n, m_l].

        Exact: φ is piecewise linear, so between its kinks every h_k is a polynomial in η, with
        h_k^{(j)} = s_k h_{k-1}^{(j)} + β_k (W_k x_{k-1}^{(j)} − U_k x_{k-1}^{(j-1)}). [derived]
        """
        series: list[Tensor | None] = [None] * order  # of h_{k-1}; None is zero
        inner: list[Tensor | None] = [None] * order  # of x̂_{k-1}
        for k, (weight, update) in enumerate(zip(weights, direction, strict=True)):
            gain, below = self.gains[k], [trace.features[k], *inner]
            above: list[Tensor | None] = []
            for j in range(order):
                h = series[j] if self._skip[k] else None
                h = _add_product(h, below[j], update, -gain)
                h = _add_product(h, below[j + 1], weight, gain)
                above.append(h)
            series = above
            if k + 1 < self.depth:
                slopes_at = trace.preactivations[k]
                inner = [
                    None if h is None else self.differentiate_(h.clone(), slopes_at) for h in series
                ]
        zero = torch.zeros_like(trace.preactivations[-1])
        return [zero if h is None else h * self.output_multiplier for h in series]

    def tangent(
        self, weights: Sequence[Tensor], trace: Trace, direction: Sequence[Tensor]
    ) -> Tensor:
        """Jacobian-vector product: the derivative of f(W + η·direction) at η = 0. [E, n, m_l]"""
        return -self.jets(weights, trace, direction, 1)[0]

    def true_features(self, trace: Trace, layer: int) -> Tensor:
        """x_k = φ(h_k) with its gain, for k = ``layer`` from 0 to l−1. [E, n, m_k]"""
        if layer == 0:
            return trace.features[0]
        gain = self.gains[layer] / self.parameterization.branch_multipliers[layer]
        return trace.features[layer] * gain

    def differentiate_(self, tensor: Tensor, preactivations: Tensor) -> Tensor:
        """Multiply ``tensor`` by φ̂′(preactivations) in place."""
        if self._gain_side < 0:
            return tensor.mul_(preactivations < 0)
        if self._slope == 1.0:
            return tensor
        torch.ops.aten.leaky_relu_backward.grad_input(
            tensor, preactivations, self._slope, False, grad_input=tensor
        )
        return tensor

    def _activate(self, preactivations: Tensor, out: Tensor) -> None:
        if self._gain_side < 0:
            torch.clamp(preactivations, max=0, out=out)
        else:
            torch.ops.aten.leaky_relu.out(preactivations, self._slope, out=out)


def _add_product(
    total: Tensor | None, features: Tensor | None, weight: Tensor, factor: float
) -> Tensor | None:
    """total + factor · features weightᵀ, where None is zero."""
    if features is None:
        return total
    if total is None:
        product = features.new_empty(*features.shape[:-1], weight.shape[-2])
        return product.baddbmm_(features, weight.mT, beta=0, alpha=factor)
    return torch.baddbmm(total, features, weight.mT, alpha=factor)


def layer_views(parameters: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """Weights laid end to end [E, N] as matrices W_k [E, m_k, m_{k-1}], without a copy."""
    sizes = [fan_in * fan_out for fan_in, fan_out in pairwise(widths)]
    parts = torch.split(parameters, sizes, dim=1)
    return [
        part.view(-1, fan_out, fan_in)
        for part, (fan_in, fan_out) in zip(parts, pairwise(widths), strict=True)
    ]


def generator(seed: int, stream: str) -> torch.Generator:
    """CPU generator of one ``stream`` of random numbers of one seed, independent of the others."""
    return torch.Generator().manual_seed(int(digest([stream, seed], 15), 16))


def initial_weights(
    parameterization: Parameterization,
    seeds: Sequence[int],
    weight_variance: float = 1.0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> list[Tensor]:
    """W_k [E, m_k, m_{k-1}] with i.i.d. N(0, σ²/m_{k-1}) entries, one member per seed.

    A member's weights depend on its seed and the shape alone: drawn in float64 on the CPU, whatever
    the dtype, the device and the other members.
    """
    widths = parameterization.widths
    drawn = {seed: _draw(widths, seed, weight_variance, dtype) for seed in dict.fromkeys(seeds)}
    layers = zip(*(drawn[seed] for seed in seeds), strict=True)
    return [torch.stack(layer).to(device) for layer in layers]


def _draw(
    widths: Sequence[int], seed: int, weight_variance: float, dtype: torch.dtype
) -> list[Tensor]:
    source = generator(seed, "weights")
    weights = []
    for fan_in, fan_out in pairwise(widths):
        entries = torch.randn(fan_out, fan_in, generator=source, dtype=torch.float64)
        weights.append((entries * (weight_variance / fan_in) ** 0.5).to(dtype))
    return weights
