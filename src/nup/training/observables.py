"""What is measured of a stack: motion of weights, evolution of preactivations, quality of features.

Every function takes stacked tensors and returns one value per member [E], or per member and layer
[E, l]. Probe quantities use a fixed set of held-out samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nup.curvature.lanczos import spectral_norm
from nup.networks.mlp import LayerFactors, Network, Trace

#: Entries from which a dot product per member beats one product and sum over all of them.
_LONG = 2048


def dot(left: Tensor, right: Tensor) -> Tensor:
    """⟨left, right⟩ per member, over all other axes. [E]"""
    pairs = zip(left.flatten(1), right.flatten(1), strict=True)
    if left[0].numel() < _LONG:
        return (left * right).flatten(1).sum(-1)
    # One BLAS dot a member reads both once; every batched form of it is several times slower.
    return torch.stack([torch.dot(*pair) for pair in pairs])


def square(tensor: Tensor) -> Tensor:
    """Squared norm per member. [E]"""
    return torch.linalg.vector_norm(tensor.flatten(1), dim=-1).square()


def norm(layers: Sequence[Tensor]) -> Tensor:
    """Norm of all layers together, per member. [E]"""
    return torch.stack([square(layer) for layer in layers]).sum(0).sqrt()


@dataclass
class Motion:
    """Inner products of the update direction U_k and the displacement P_k = W_k(t) − W_k(0).

    Each [E, l]. The update is Δ_k = −η U_k; sums over layers give the whole parameter vector.
    """

    update_square: Tensor
    displacement_square: Tensor
    product: Tensor

    def cosine(self, whole: bool = False) -> Tensor:
        """cos of Δ with the displacement before it, per layer [E, l] or of all weights [E].

        NaN where either is zero, as at t = 0.
        """
        parts = (self.product, self.update_square, self.displacement_square)
        product, update, displacement = (part.sum(-1) for part in parts) if whole else parts
        return -product / (update.sqrt() * displacement.sqrt())


def motion(direction: Sequence[Tensor], displacement: Sequence[Tensor]) -> Motion:
    """Inner products per layer of the update direction with itself and the displacement."""
    pairs = list(zip(direction, displacement, strict=True))
    return Motion(
        torch.stack([square(update) for update, _ in pairs], -1),
        torch.stack([square(moved) for _, moved in pairs], -1),
        torch.stack([dot(update, moved) for update, moved in pairs], -1),
    )


def powers(network: Network, trace: Trace, deltas: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """(mean_i ‖x_{k−1}(i)‖²/m_{k−1}, Σ_i ‖∂L/∂h_k(i)‖²) per layer: what ξ is made of."""
    pairs = []
    for k, delta in enumerate(deltas):
        features = network.true_features(trace, k)
        pairs.append((features.square().mean((-2, -1)), square(delta)))
    return pairs


def preactivation_rms(trace: Trace) -> Tensor:
    """RMS of h_k over samples and units. [E, l]"""
    means = [square(h) / h[0].numel() for h in trace.preactivations]
    return torch.stack(means, -1).sqrt()


class Evolution:
    """Preactivations on the probe set against their initial values."""

    def __init__(self, network: Network, weights: Sequence[Tensor], inputs: Tensor) -> None:
        self._network, self._inputs = network, inputs
        self._initial = network.forward(weights, inputs)
        self._norms = torch.stack([square(h).sqrt() for h in self._initial.preactivations], -1)

    def trace(self, weights: Sequence[Tensor]) -> Trace:
        """Forward pass of the probe set."""
        return self._network.forward(weights, self._inputs)

    def measure(
        self, weights: Sequence[Tensor], displacement: Sequence[Tensor], trace: Trace
    ) -> dict[str, Tensor]:
        """Columns of the layers table, each [E, l].

        The split is exact for plain networks: h_k(t) − h_k(0) = β_k (W_k(t)−W_k(0)) x_{k−1}(t)
        + β_k W_k(0) (x_{k−1}(t) − x_{k−1}(0)); residual layers add the change of their skip.
        """
        columns: dict[str, list[Tensor]] = {
            name: [] for name in ("evolution", "evolution_weights", "evolution_inputs")
        }
        for k, (weight, moved) in enumerate(zip(weights, displacement, strict=True)):
            gain, features = self._network.gains[k], trace.features[k]
            h, initial = trace.preactivations[k], self._initial.preactivations[k]
            by_weights = features @ moved.mT * gain
            by_inputs = (features - self._initial.features[k]) @ (weight - moved).mT * gain
            for name, change in [
                ("evolution", h - initial),
                ("evolution_weights", by_weights),
                ("evolution_inputs", by_inputs),
            ]:
                columns[name].append(square(change).sqrt() / self._norms[:, k])
        return {name: torch.stack(values, -1) for name, values in columns.items()}

    def keep(self, members: Tensor) -> None:
        """Keep only the members with these indices."""
        self._initial = Trace(
            [tensor[members] for tensor in self._initial.features],
            [tensor[members] for tensor in self._initial.preactivations],
        )
        self._norms = self._norms[members]


def features(trace: Trace, targets: Tensor) -> dict[str, Tensor]:
    """Soft rank, stable rank and alignment of every layer's features on the probe set, each [E, l].

    Of the last layer its outputs. soft rank = tr(G)²/tr(G²) reads v2's "soft rank variant"
    [operational]; stable rank = tr(G)/‖G‖ [lit].
    """
    last = trace.preactivations[-1]
    hidden = [*trace.features[1:], last]
    target_gram = targets @ targets.mT
    columns: dict[str, list[Tensor]] = {"soft_rank": [], "stable_rank": [], "alignment": []}
    for x in hidden:
        gram = x @ x.mT  # [E, n, n]
        trace_of_gram = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
        columns["soft_rank"].append(trace_of_gram**2 / square(gram))
        columns["stable_rank"].append(trace_of_gram / spectral_norm(x).square())
        columns["alignment"].append(kernel_alignment(gram, target_gram))
    return {name: torch.stack(values, -1) for name, values in columns.items()}


def kernel_alignment(kernel: Tensor, other: Tensor) -> Tensor:
    """Centred kernel alignment ⟨HKH, HK′H⟩/(‖HKH‖ ‖HK′H‖) of [E, n, n] with [n, n]. [E] [lit]"""
    centred, target = _centred(kernel), _centred(other).expand_as(kernel)
    return dot(centred, target) / (square(centred) * square(target)).sqrt()


def _centred(kernel: Tensor) -> Tensor:
    by_row = kernel - kernel.mean(-1, keepdim=True)
    return by_row - by_row.mean(-2, keepdim=True)


def neural_tangent_kernel(
    network: Network, weights: Sequence[Tensor], trace: Trace, factors: LayerFactors
) -> Tensor:
    """Σ_k c_k ξ_k ⟨∂f/∂W_k(i), ∂f/∂W_k(j)⟩ averaged over outputs. [E, n, n]"""
    last = trace.preactivations[-1]
    members, samples, d_out = last.shape
    backward = [last.new_zeros(members, samples, samples) for _ in factors]  # Σ over outputs of δδᵀ
    for output in range(d_out):
        cotangent = torch.zeros_like(last)
        cotangent[..., output] = 1.0
        deltas = network.backward(weights, trace, cotangent)
        for total, delta in zip(backward, deltas, strict=True):
            total.baddbmm_(delta, delta.mT)
    kernel = last.new_zeros(members, samples, samples)
    for k, (total, features, factor) in enumerate(
        zip(backward, trace.features, factors, strict=True)
    ):
        scale = network.gains[k] ** 2 * factor / d_out
        part = total.mul_(features @ features.mT)
        kernel += part.mul_(scale[:, None, None] if isinstance(scale, Tensor) else scale)
    return kernel


class Movement:
    """‖W−W_0‖ over ‖W_0‖ per layer, in Frobenius and spectral norm."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._initial = _norms(weights)

    def measure(self, displacement: Sequence[Tensor]) -> dict[str, Tensor]:
        """Columns of the layers table, each [E, l]."""
        return {
            f"movement_{name}": moved / self._initial[name]
            for name, moved in _norms(displacement).items()
        }

    def keep(self, members: Tensor) -> None:
        """Keep only the members with these indices."""
        self._initial = {name: norms[members] for name, norms in self._initial.items()}


def _norms(matrices: Sequence[Tensor]) -> dict[str, Tensor]:
    """Frobenius and spectral norm of every layer's matrix. Each [E, l]"""
    return {
        "frobenius": torch.stack([square(matrix).sqrt() for matrix in matrices], -1),
        "spectral": torch.stack([spectral_norm(matrix) for matrix in matrices], -1),
    }


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Share of samples whose largest output is their class. [E]"""
    return (outputs.argmax(-1) == labels).to(outputs.dtype).mean(-1)
