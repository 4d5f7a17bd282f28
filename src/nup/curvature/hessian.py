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
from torch.func import grad, vjp

from nup.curvature.lanczos import Operator
from nup.networks.derivatives import Objective


def hessian_operator(
    objective: Objective, weights: Sequence[Tensor], multipliers: Tensor
) -> Operator:
    """H as a function of stacked vectors [E, P], P the number of weights, layer after layer.

    ``multipliers`` are c_k ξ_k [E, l] or [1, l], taken as constants. An application pulls back
    through the gradient, whose graph is built once; ∇²L is symmetric.
    """
    gradient = grad(lambda weights: objective.of_outputs(weights).sum())
    product = vjp(gradient, list(weights))[1]
    roots = multipliers.sqrt()[..., None, None]  # [E, l, 1, 1]
    sizes = [weight[0].numel() for weight in weights]

    def apply(vectors: Tensor) -> Tensor:
        parts = torch.split(vectors, sizes, dim=-1)
        direction = [
            part.view(weight.shape) * roots[:, k]
            for k, (part, weight) in enumerate(zip(parts, weights, strict=True))
        ]
        images = product(direction)[0]
        return torch.cat([(each * roots[:, k]).flatten(1) for k, each in enumerate(images)], -1)

    return apply
