"""The preconditioned Gauss–Newton matrix of the training loss, in output space, for all members.

M = (1/n) Bᵀ J D Jᵀ B [n·d_out]²: J the Jacobian of the outputs in the weights, D = diag(c_k ξ_k)
per layer, B Bᵀ the loss's Hessian in the outputs (the identity for mse). Its top eigenvalue λ is
that of D^{1/2} (∇² Gauss–Newton) D^{1/2}; for mse it is the NTK of this very update, and η λ = 2
the edge of stability [lit].
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from nup.curvature.lanczos import Operator
from nup.networks.derivatives import Objective, linearize


def gauss_newton_operator(
    objective: Objective, weights: Sequence[Tensor], multipliers: Tensor
) -> Operator:
    """M as a function of stacked vectors [E, n·d_out].

    ``multipliers`` are c_k ξ_k [E, l] or [1, l].
    """
    network, loss = objective.network, objective.loss

    def f(weights: list[Tensor]) -> Tensor:
        return network.outputs(weights, objective.inputs)

    outputs, pull, push = linearize(f, list(weights))
    samples = outputs.shape[-2]

    def apply(vectors: Tensor) -> Tensor:
        v = loss.hessian_root(outputs, vectors.view(outputs.shape))
        direction = [part * multipliers[:, k, None, None] for k, part in enumerate(pull(v))]
        image = push(direction) / samples
        return loss.hessian_root(outputs, image, transpose=True).reshape(vectors.shape)

    return apply
