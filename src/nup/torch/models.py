"""Parameterized modules: MLPs of the registry, and anyone's own stack of linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from nup.errors import UserError
from nup.networks.activations import Activation
from nup.networks.activations import activation as activation_of
from nup.networks.mlp import initial_weights
from nup.networks.parameterization import Parameterization, parameterization
from nup.registry import plain
from nup.torch.layout import Layout, attach, layout_of
from nup.torch.scaling import record_signals

#: Activations of stock modules: what normalizes them to E φ(Z)² = 1.
_GAINS: dict[type[nn.Module], tuple[str, float]] = {
    nn.ReLU: ("relu", 2**0.5),
    nn.Identity: ("linear", 1.0),
}


class MLP(nn.Module):
    """h_k = s_k h_{k−1} + β_k W_k φ(h_{k−1}), f = γ h_l, of stock linear layers without biases.

    Args:
        shape: widths and multipliers of every layer.
        phi: the activation, normalized to E φ(Z)² = 1 as everywhere in nup.
    """

    def __init__(self, shape: Parameterization, phi: Activation) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out, bias=False) for fan_in, fan_out in pairwise(shape.widths)
        )
        self._slopes = (phi.positive_slope, phi.negative_slope)
        names = tuple(f"layers.{index}" for index in range(shape.depth))
        attach(self, Layout(shape, names, (1.0,) * shape.depth, phi.name))

    def activate(self, h: Tensor) -> Tensor:
        """φ(h) for any shape."""
        positive, negative = self._slopes
        return torch.where(h > 0, positive * h, negative * h)

    @property
    def shape(self) -> Parameterization:
        """Widths and multipliers."""
        return layout_of(self).shape

    def preactivations(self, x: Tensor) -> list[Tensor]:
        """h_1 … h_l of inputs [n, m_0], each [n, m_k]."""
        shape = self.shape
        found: list[Tensor] = []
        for k, layer in enumerate(self.layers):
            h = shape.branch_multipliers[k] * layer(x)
            if shape.skip[k]:
                h = h + found[-1]
            found.append(h)
            x = self.activate(h)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """f = γ h_l. [n, m_l]"""
        return self.shape.output_multiplier * self.preactivations(x)[-1]


def mlp(
    name: str,
    *,
    depth: int,
    width: int,
    d_in: int,
    d_out: int,
    activation: str | tuple[float, float] = "relu",
    base_width: int | None = None,
    weight_variance: float = 1.0,
    seed: int | None = None,
    **options: Any,
) -> MLP:
    """An MLP in a parameterization of the registry, plug-ins included.

    Args:
        name: ``nup``, ``mup``, ``mup_residual``, ``sp``, ``ntp``, …
        depth: l ≥ 2, the number of weight matrices.
        width: m, from which the parameterization's widths follow.
        d_in: input size m_0.
        d_out: output size m_l.
        activation: ``abs``, ``relu``, ``linear`` or a pair (a, b).
        base_width: where ``width`` was chosen to match the size of another net, that net's.
        weight_variance: σ²; 1 is the edge of chaos.
        seed: draws the weights as nup's own runs do; by default torch's generator draws them.
        options: those of the parameterization: ``r``, ``scale``, ``normalize`` of ``nup``.

    Returns:
        The module in float32 on the CPU. Inputs [n, d_in] should have unit mean square.

    Raises:
        UserError: naming what is allowed.
    """
    shape = parameterization(
        name,
        depth=depth,
        width=width,
        d_in=d_in,
        d_out=d_out,
        base_width=base_width,
        **options,
    )
    model = MLP(shape, activation_of(activation))
    draw(model, weight_variance, seed)
    record_signals(model)
    return model


@torch.no_grad()
def draw(model: nn.Module, weight_variance: float = 1.0, seed: int | None = None) -> None:
    """Draw the initial weights of a parameterized module: a_k N(0, σ² v_k/m_{k−1})."""
    layout = layout_of(model)
    chosen = int(torch.randint(2**31, ())) if seed is None else plain(seed)
    drawn = initial_weights(layout.shape, [chosen], weight_variance, torch.float64)
    set_weights(model, [weight[0] for weight in drawn])


@torch.no_grad()
def set_weights(model: nn.Module, weights: Sequence[Tensor]) -> None:
    """Give a parameterized module the weights W_1 … W_l, as ``nup.train`` returns them.

    Where a layer has taken in the factor a_k of its activation, it holds a_k W_k.

    Args:
        model: of ``mlp`` or ``parameterize``.
        weights: each [m_k, m_{k-1}]; they are copied into the module's dtype and device.

    Raises:
        UserError: another number of layers, or other shapes; then nothing is changed.
    """
    layout = layout_of(model)
    layers = layout.modules(model)
    wanted = [tuple(layer.weight.shape) for layer in layers]
    got = [tuple(weight.shape) for weight in weights]
    if got != wanted:
        raise UserError(f"weights: expected shapes {wanted}, got {got}")
    for layer, weight, gain in zip(layers, weights, layout.gains, strict=True):
        layer.weight.copy_(gain * weight)


def parameterize(
    model: nn.Module,
    name: str,
    *,
    width: int | None = None,
    gain: float | None = None,
    weight_variance: float = 1.0,
    seed: int | None = None,
    **options: Any,
) -> nn.Module:
    """Give one's own stack of linear layers a parameterization: in place, and returned.

    Sets the initial weights and multiplies the output of the last linear layer by γ. The layers are
    the module's ``nn.Linear`` in the order of ``named_modules``, which has to be the order in which
    they are applied.

    Args:
        model: a feed-forward stack of linear layers without biases.
        name: of the registry; parameterizations with skip connections are refused.
        width: m, for the widths that the parameterization asks for; the first hidden width if None.
        gain: √(1/E φ(Z)²) of the activation between the layers: √2 for ReLU, found by itself where
            all activations are ``nn.ReLU``.
        weight_variance: σ².
        seed: as in ``mlp``.
        options: those of the parameterization.

    Raises:
        UserError: the module has biases, convolutions or other weights, the widths are not those of
            the parameterization (the message has both), or ``gain`` is needed.
    """
    found = [(label, each) for label, each in model.named_modules() if isinstance(each, nn.Linear)]
    _refuse_others(model, found)
    actual = (found[0][1].in_features, *(layer.out_features for _, layer in found))
    inner = [layer.in_features for _, layer in found[1:]]
    if tuple(inner) != actual[1:-1]:
        raise UserError(
            f"expected linear layers that follow each other, got {[str(each) for _, each in found]}"
        )
    m = actual[1] if width is None else plain(width)
    shape = parameterization(
        name, depth=len(found), width=m, d_in=actual[0], d_out=actual[-1], **options
    )
    if any(shape.skip):
        raise UserError(
            f"{name} has skip connections, which a stack of linear layers has not; "
            f"use nup.torch.mlp({name!r}, …)"
        )
    if shape.widths != actual:
        raise UserError(
            f"{shape.label} with width {m}: expected layers of widths {shape.widths}, got {actual}"
        )
    label, own = _activation(model, gain)
    gains = (1.0, *(own,) * (len(found) - 1))
    attach(model, Layout(shape, tuple(name for name, _ in found), gains, label))
    found[-1][1].register_forward_hook(_Multiplier(shape.output_multiplier))
    draw(model, weight_variance, seed)
    return model


@dataclass
class _Multiplier:
    """The output multiplier γ, as a hook that can be copied and pickled."""

    value: float

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return self.value * output


def _refuse_others(model: nn.Module, layers: list[tuple[str, nn.Linear]]) -> None:
    """Refuse a module that is no stack of two or more linear layers without biases."""
    if len(layers) < 2:
        raise UserError(f"expected two linear layers or more, got {len(layers)}")
    weights = {f"{name}.weight" if name else "weight" for name, _ in layers}
    others = [name for name, _ in model.named_parameters() if name not in weights]
    if others:
        raise UserError(
            "expected linear layers without biases and no other parameters, for which the factors "
            f"are not derived; got {', '.join(others[:6])}"
        )


def _activation(model: nn.Module, gain: float | None) -> tuple[str, float]:
    if gain is not None:
        return f"gain {gain:g}", gain
    kinds = {
        type(each)
        for each in model.modules()
        if not list(each.children()) and not isinstance(each, nn.Linear)
    }
    if len(kinds) == 1 and (kind := next(iter(kinds))) in _GAINS:
        return _GAINS[kind]
    raise UserError(
        "gain: expected a module whose activations are all nn.ReLU, got "
        f"{', '.join(sorted(kind.__name__ for kind in kinds)) or 'none that is a module'}; "
        "pass gain=√(1/E φ(Z)²) for standard normal Z"
    )
