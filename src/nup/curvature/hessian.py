"""The preconditioned Hessian of the training loss as a product with vectors, for all members.

H = D^{1/2} ∇²L D^{1/2} in parameter space, D = diag(c_k ξ_k) per layer: the curvature that this
very update sees, so that η times its largest *algebraic* eigenvalue is held against 2. [lit], the
preconditioning [operational]

Off the kinks φ″ = 0, and each h_k is linear in each W_j alone; so ∇²L is the Gauss–Newton matrix
plus the residual times the derivatives of f in the weights of two different layers. The second
part has no diagonal blocks: the trace of H is that of the Gauss–Newton matrix, and the largest
eigenvalue is never negative, though H is indefinite. [derived]
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nup.curvature.lanczos import Operator
from nup.networks.losses import Loss
from nup.networks.mlp import LayerFactors, Network, Trace


def hessian_operator(
    network: Network,
    weights: Sequence[Tensor],
    trace: Trace,
    deltas: Sequence[Tensor],
    loss: Loss,
    factors: LayerFactors,
) -> Operator:
    """H as a function of stacked vectors [E, P], P the number of weights, layer after layer.

    ``trace`` is a forward pass of all samples, ``deltas`` are ∂L/∂h_k [E, n, m_k] on it, and
    ``factors`` are c_k ξ_k, taken as constants. Forward over reverse: an application differentiates
    the forward and the backward pass along its vector, exactly off the kinks of φ. It costs about
    two steps of training.
    """
    members, samples, _ = deltas[-1].shape
    outputs = network.outputs(trace)
    roots = [_root(factor) for factor in factors]

    def apply(vectors: Tensor) -> Tensor:
        direction = [
            part * root for part, root in zip(_split(vectors, weights), roots, strict=True)
        ]
        tangents, output = _forward_tangents(network, weights, trace, direction)
        output.mul_(network.output_multiplier)
        change = loss.hessian_root(outputs, output, transpose=True)
        change = loss.hessian_root(outputs, change) * (network.output_multiplier / samples)
        products: list[Tensor] = []  # of the last layer first
        for k in range(network.depth - 1, -1, -1):
            product = change.mT @ trace.features[k]  # [E, m_k, m_{k-1}]
            tangent = tangents[k]
            if tangent is not None:
                product.baddbmm_(deltas[k].mT, tangent)
            products.append(product.mul_(network.gains[k] * roots[k]).reshape(members, -1))
            if k > 0:
                below = change @ weights[k]  # [E, n, m_{k-1}]
                below.baddbmm_(deltas[k], direction[k]).mul_(network.gains[k])
                network.differentiate_(below, trace.preactivations[k - 1])
                if network.parameterization.skip[k]:
                    below.add_(change)
                change = below
        return torch.cat(products[::-1], -1)

    return apply


def _forward_tangents(
    network: Network, weights: Sequence[Tensor], trace: Trace, direction: Sequence[Tensor]
) -> tuple[list[Tensor | None], Tensor]:
    """Derivatives along ``direction`` of x̂_0 … x̂_{l−1} (None is zero) and of h_l."""
    tangents: list[Tensor | None] = [None]
    above: Tensor | None = None
    for k, (weight, moved) in enumerate(zip(weights, direction, strict=True)):
        h = trace.features[k] @ moved.mT  # [E, n, m_k]
        tangent = tangents[k]
        if tangent is not None:
            h.baddbmm_(tangent, weight.mT)
        h.mul_(network.gains[k])
        if network.parameterization.skip[k] and above is not None:
            h.add_(above)
        above = h
        if k + 1 < network.depth:
            tangents.append(network.differentiate_(h.clone(), trace.preactivations[k]))
    assert above is not None
    return tangents, above


def _root(factor: float | Tensor) -> float | Tensor:
    """√(c_k ξ_k), shaped to multiply [E, m_k, m_{k-1}]."""
    return factor.sqrt()[:, None, None] if isinstance(factor, Tensor) else factor**0.5


def _split(vectors: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """The layers' parts of [E, P], each shaped like its weights."""
    parts = torch.split(vectors, [weight[0].numel() for weight in weights], dim=-1)
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]
