"""Many MLPs of one shape as stacked tensors: the forward pass, from which all else follows.

Notation at line ends: E members, n samples, m_k units of layer k. Weights are W_k [E, m_k,
m_{k-1}]. The network is h_k = s_k h_{k-1} + β_k W_k φ(h_{k-1}), f = γ h_l, with φ(h_0) read as the
input x_0. Members are independent: the gradient of a sum over members is that of each. Derivatives
follow by automatic differentiation (``nup.networks.derivatives``, ``nup.curvature``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nup.networks.activations import Activation
from nup.networks.parameterization import Parameterization
from nup.specs import digest


@dataclass(frozen=True)
class Network:
    """The pure functions of one network shape on stacked weights."""

    parameterization: Parameterization
    activation: Activation

    @property
    def depth(self) -> int:
        """l, the number of weight matrices."""
        return self.parameterization.depth

    def activate(self, h: Tensor) -> Tensor:
        """φ(h) for any shape; at the kink φ has the slope for negative arguments."""
        slopes = (self.activation.positive_slope, self.activation.negative_slope)
        positive, negative = (torch.full((), s, dtype=h.dtype, device=h.device) for s in slopes)
        return torch.where(h > 0, positive, negative) * h

    def preactivations(self, weights: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
        """h_1 … h_l, each [E, n, m_k], for ``inputs`` [n, m_0] or [E, n, m_0]."""
        shape = self.parameterization
        x, found = inputs, list[Tensor]()
        for k, weight in enumerate(weights):
            h = x @ weight.mT  # [E, n, m_k]
            if shape.branch_multipliers[k] != 1:
                h = shape.branch_multipliers[k] * h
            if shape.skip[k]:
                h = h + found[-1]
            found.append(h)
            x = self.activate(h)
        return found

    def outputs(self, weights: Sequence[Tensor], inputs: Tensor) -> Tensor:
        """f = γ h_l. [E, n, m_l]"""
        return self.parameterization.output_multiplier * self.preactivations(weights, inputs)[-1]

    def features(self, inputs: Tensor, preactivations: Sequence[Tensor]) -> list[Tensor]:
        """x_0 … x_{l-1}: what the layers multiply. x_0 as given, the others [E, n, m_k]"""
        return [inputs, *(self.activate(h) for h in preactivations[:-1])]


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
    """W_k [E, m_k, m_{k-1}]: views of ``initial_parameters``, whose arguments these are."""
    parameters = initial_parameters(parameterization, seeds, weight_variance, dtype, device)
    return layer_views(parameters, parameterization.widths)


def initial_parameters(
    parameterization: Parameterization,
    seeds: Sequence[int],
    weight_variance: float = 1.0,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Tensor:
    """All weights end to end [E, N], i.i.d. N(0, σ² v_k/m_{k-1}), one member per seed.

    A member's weights depend on its seed and the shape alone: drawn in float64 on the CPU, whatever
    the dtype, the device and the other members. They are drawn in place, a layer at a time: copies
    of all members would be the most that a job of large nets holds.
    """
    parameters = torch.empty(len(seeds), parameterization.n_parameters, dtype=dtype)
    first: dict[int, int] = {}
    for member, seed in enumerate(seeds):
        if seed in first:
            parameters[member] = parameters[first[seed]]
            continue
        first[seed] = member
        source = generator(seed, "weights")
        layers = layer_views(parameters[member : member + 1], parameterization.widths)
        for own, weight in zip(parameterization.variances, layers, strict=True):
            _, fan_out, fan_in = weight.shape
            entries = torch.randn(fan_out, fan_in, generator=source, dtype=torch.float64)
            weight[0] = entries.mul_((weight_variance * own / fan_in) ** 0.5)
    return parameters.to(device)
