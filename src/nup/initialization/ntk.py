"""Neural tangent kernels at initialization: finite networks against the limit, and its spectrum.

The kernel is that of ``nup.curvature.ntk``: averaged over outputs, each layer with
its c_k, on the probe set. All in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.curvature.ntk import neural_tangent_kernel
from nup.networks import theory
from nup.networks.mlp import Network, generator

Array = npt.NDArray[np.float64]


def measure(
    network: Network, weights: Sequence[Tensor], inputs: Array, seed: int
) -> dict[str, float]:
    """Columns of one network's kernel (E = 1) on ``inputs`` [n, m_0], and of its limit.

    ``ntk_error``  ‖K − K_∞‖/‖K_∞‖ (Frobenius), K the network's kernel, K_∞ that of infinite width.
                   The companion bounds the deviation [comp]; the norm and the average over outputs
                   are ours [operational]
    ``ntk_top``    top eigenvalue of K/n: λ_0 with the outputs taken for independent [operational]
    """
    shape = network.parameterization
    factors = torch.tensor([shape.lr_factors], dtype=torch.float64)
    kernel = neural_tangent_kernel(network, weights, torch.from_numpy(inputs), factors)[0].numpy()
    limit = theory.infinite_width_ntk(cosines(inputs), shape, network.activation)
    return {
        "ntk_error": float(np.linalg.norm(kernel - limit) / np.linalg.norm(limit)),
        "ntk_top": top(kernel),
        **measure_limit(network, inputs, seed),
    }


def measure_limit(network: Network, inputs: Array, seed: int) -> dict[str, float]:
    """Columns of the kernel of infinite width on ``inputs`` [n, m_0].

    It depends on no weights. For its spectrum each seed draws its own half of the inputs, so that
    an interval over seeds says how much a value depends on them. [operational]
    """
    half = torch.randperm(len(inputs), generator=generator(seed, "kernel inputs"))
    chosen = np.sort(half[: len(inputs) // 2].numpy())
    shape, phi = network.parameterization, network.activation
    return {
        "ntk_top_limit": top(theory.infinite_width_ntk(cosines(inputs), shape, phi)),
        **spectrum(network, cosines(inputs[chosen])),
    }


def top(kernel: Array) -> float:
    """Largest eigenvalue of K/n, K [n, n]."""
    return float(np.linalg.eigvalsh(kernel)[-1]) / len(kernel)


def cosines(inputs: Array) -> Array:
    """Cosines of inputs of unit RMS. [n, n]"""
    found = np.asarray(inputs @ inputs.T / inputs.shape[1], dtype=np.float64)
    np.fill_diagonal(found, 1.0)  # arccos makes of a rounding error there its square root
    return found


def spectrum(network: Network, cosine: Array) -> dict[str, float]:
    """How far the infinite-width kernel on ``cosine`` [n, n] is from what depth makes of it.

    ``ntk_distance_error``  relative Frobenius error of ``theory.inverse_distance_ntk`` over the
                            pairs of different inputs [operational]
    ``ntk_condition``       largest over smallest eigenvalue; ``ntk_condition_limit`` is 1 + n/3

    NaN where theory has no limit: φ linear, or layers that do not count alike (``sp``).
    """
    shape, phi = network.parameterization, network.activation
    kernel = theory.infinite_width_ntk(cosine, shape, phi)
    eigenvalues = np.linalg.eigvalsh(kernel)
    found = {
        "ntk_distance_error": np.nan,
        "ntk_condition": float(eigenvalues[-1] / eigenvalues[0]),
        "ntk_condition_limit": np.nan,
    }
    pairs = zip(shape.lr_factors, shape.widths[:-1], strict=True)
    weights = np.array([factor * fan_in for factor, fan_in in pairs]) * shape.output_multiplier**2
    if phi.delta_phi == 0 or not np.allclose(weights, weights[0]):
        return found
    last = theory.layer_cosines(cosine, phi, shape.depth)[-1]
    different = ~np.eye(len(cosine), dtype=bool)
    approximation = weights[0] * theory.inverse_distance_ntk(last[different], phi)
    error = np.linalg.norm(approximation - kernel[different]) / np.linalg.norm(kernel[different])
    found["ntk_distance_error"] = float(error)
    found["ntk_condition_limit"] = theory.limiting_condition(len(cosine), phi)
    return found
