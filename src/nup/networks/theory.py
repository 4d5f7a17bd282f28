"""What is known exactly: infinite-width maps and kernels, and toy models with closed forms.

These are the oracles that the engine is tested against, and the theory columns of the init table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nup.networks.activations import Activation
from nup.networks.parameterization import Parameterization

Array = npt.NDArray[np.float64]


def cosine_map(cosine: Array, activation: Activation) -> Array:
    """Cosine of φ(h), φ(h′) from that of h, h′, in the infinite-width limit. [comp]

    ρ′ = ρ + Δ_φ (2/π) (√(1−ρ²) − ρ arccos ρ).
    """
    rho = np.clip(cosine, -1.0, 1.0)
    curve = np.sqrt(1 - rho**2) - rho * np.arccos(rho)
    return rho + activation.delta_phi * (2 / np.pi) * curve


def derivative_map(cosine: Array, activation: Activation) -> Array:
    """E φ′(h) φ′(h′) = 1 − Δ_φ (2/π) arccos ρ, in the infinite-width limit. [comp]"""
    return 1 - activation.delta_phi * (2 / np.pi) * np.arccos(np.clip(cosine, -1.0, 1.0))


def layer_cosines(cosine: Array, activation: Activation, depth: int) -> Array:
    """Cosines of h_1 … h_l for input cosines of any shape; the layer is the first axis. [comp]

    h_1 is linear in the input, so it has the input's cosine.
    """
    layers = [np.asarray(cosine, dtype=np.float64)]
    for _ in range(depth - 1):
        layers.append(cosine_map(layers[-1], activation))
    return np.stack(layers)


def infinite_width_ntk(
    cosine: Array, parameterization: Parameterization, activation: Activation
) -> Array:
    """NTK of one output, Σ_k c_k ⟨∂f/∂W_k, ∂f′/∂W_k⟩, for unit-RMS inputs. [comp]

    γ² Σ_k c_k m_{k−1} ρ_{k−1} Π_{j=k}^{l−1} ρ̇_j at σ² = 1, where ρ_{k−1} is the cosine of x_{k−1}
    and ρ̇_j the derivative map at the cosine of h_j. Only for networks without skip connections.

    Raises:
        ValueError: the parameterization has skip connections.
    """
    if any(parameterization.skip):
        raise ValueError(f"{parameterization.name} has skip connections; this kernel does not")
    depth = parameterization.depth
    preactivation = layer_cosines(
        cosine, activation, depth
    )  # of h_1 … h_l; x_{k-1} has that of h_k
    derivative = derivative_map(preactivation, activation)
    kernel = np.zeros_like(preactivation[0])
    backward = np.ones_like(kernel)
    for k in range(depth, 0, -1):
        fan_in = parameterization.widths[k - 1]
        kernel += parameterization.lr_factors[k - 1] * fan_in * preactivation[k - 1] * backward
        if k > 1:
            backward = backward * derivative[k - 2]
    return parameterization.output_multiplier**2 * kernel


def inverse_distance_ntk(cosine: Array, activation: Activation) -> Array:
    """What the infinite-width NTK of inputs at angle θ_l = arccos ρ_l tends to: 3π/(8 Δ_φ θ_l).

    ``cosine`` is ρ_l, that of h_l and of the activations x_{l−1}, of any shape. The kernel is that
    of ``infinite_width_ntk`` where every layer counts alike with c_k m_{k−1} γ² = 1 (ntp, mup,
    nup). At ρ_l = 1 the value is infinite; the kernel itself is l there.

    "The entries are approximated by inverses of the activations' cosine distances" [comp] is read
    with the angle as distance [operational]. That its inverse, and not that of 1 − ρ, is the one,
    and the constant, follow from the maps of this module [derived]: as θ → 0

        1/θ_{l+1} = 1/θ_l + 2Δ_φ/(3π) + O(θ_l),   K_{l+1} = ρ_{l+1} + (1 − 2Δ_φ θ_l/π) K_l,

    and K = A/θ solves the second to leading order if A (2Δ_φ/(3π) + 2Δ_φ/π) = 1, that is
    A = 3π/(8Δ_φ). Every other start is forgotten like l^{−3}, since θ_l → 3π/(2Δ_φ l) makes the
    factors 1 − 3/l; so the relative error vanishes with depth, about like θ_l. There K → l/4.
    Equivalently K ≈ (3π/8Δ_φ)/√(2(1−ρ_l)), and 1 − ρ_l → 9π²/(8Δ_φ² l²).

    Raises:
        ValueError: Δ_φ = 0; a linear network keeps its angles.
    """
    _require_nonlinear(activation)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    with np.errstate(divide="ignore"):
        return np.asarray(3 * np.pi / (8 * activation.delta_phi * angle), dtype=np.float64)


def limiting_condition(samples: int, activation: Activation) -> float:
    """Condition number to which the NTK of distinct inputs tends with depth: 1 + n/3. [lit]

    The diagonal is l and every other entry tends to l/4 (``inverse_distance_ntk``), so K/l tends to
    (3/4) I + (1/4) 11ᵀ, with eigenvalues (n+3)/4 and 3/4, whatever Δ_φ > 0. Only the way there
    depends on it: off the diagonal K/l − 1/4 is about 3π/(8 Δ_φ l θ_0), so that an activation with
    half the Δ_φ needs about twice the depth. [derived]

    Raises:
        ValueError: Δ_φ = 0.
    """
    _require_nonlinear(activation)
    return 1 + samples / 3


def _require_nonlinear(activation: Activation) -> None:
    if activation.delta_phi == 0:
        raise ValueError(f"{activation.name} is linear (Δ_φ = 0): its kernel has no limit in depth")


@dataclass
class TwoLayerLinear:
    """f = ⟨u, v⟩/√n on one sample with target 0: the catapult in closed form. [lit], [derived]

    Loss f²/2, λ = (|u|²+|v|²)/n, with n the width. Gradient descent with rate η gives
    f′ = f (1 − ηλ + η²f²/n) and λ′ = λ + η f²/n (ηλ − 4); so with η = c/λ,
    λ′ = λ (1 − z (4−c)/c) with z = η²f²/n.
    """

    u: Array
    v: Array

    @property
    def output(self) -> float:
        """f."""
        return float(self.u @ self.v) / len(self.u) ** 0.5

    @property
    def sharpness(self) -> float:
        """λ, which is the NTK."""
        return float(self.u @ self.u + self.v @ self.v) / len(self.u)

    def step(self, rate: float) -> TwoLayerLinear:
        """One step of gradient descent on the weights themselves."""
        scale = rate * self.output / len(self.u) ** 0.5
        return TwoLayerLinear(self.u - scale * self.v, self.v - scale * self.u)

    def run(self, rate: Callable[[TwoLayerLinear], float], steps: int) -> list[TwoLayerLinear]:
        """States θ_0 … θ_steps under η_t = ``rate(θ_t)``."""
        states = [self]
        for _ in range(steps):
            states.append(states[-1].step(rate(states[-1])))
        return states


def first_update_law(net: Parameterization, layer: int) -> float:
    """First motion ‖ΔW_k x_{k−1}‖/(η‖h_k‖) of νP → √(M/m)·k^{−r/2} for 1 ≤ k < l. [derived]

    Per unit of |∂L/∂f|, for one sample and one output, as the base width grows: ΔW_k x_{k−1} =
    η c_k m_{k−1} δ_k with ‖δ_k‖ → γ = M^{−1/2} for every width pattern, while ‖h_k‖ → √(m k^r).
    With ``normalize: both``, c_k holds m/m_k = k^{−r} besides: √(M/m)·k^{−3r/2}.

    >>> from nup.networks.parameterization import parameterization
    >>> shape = {"depth": 6, "width": 8, "d_in": 4, "d_out": 1}
    >>> first_update_law(parameterization("nup", r=2, **shape), 4)
    0.25
    >>> first_update_law(parameterization("nup", r=2, normalize="both", **shape), 4)
    0.015625
    >>> first_update_law(parameterization("nup", r=2, base_width=2, **shape), 4)
    0.125
    """
    power = 3 if net.options.get("normalize") == "both" else 1
    scale = net.output_multiplier**-2 / net.widths[1]  # M/m
    return float(scale**0.5 * layer ** (-power * net.width_exponent / 2))
