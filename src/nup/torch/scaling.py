"""Gradient scalings ξ in one's own loop: hooks record signals, a call scales the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nup.errors import UserError
from nup.registry import Value
from nup.torch.layout import Layout, layout_of, unwrapped
from nup.training.scalings import SCALINGS, Signals, clipped


class Recorder:
    """Inputs x_{k−1} of linear layers and ∂L/∂h_k, since gradients were last zeroed or scaled.

    Both are held per sample, as the scalings ask for them: one more copy of the activations. Passes
    whose gradients add up (gradient accumulation) are recorded one after the other.
    """

    def __init__(self, layout: Layout, model: nn.Module) -> None:
        self.features: list[list[Tensor]] = [[] for _ in layout.layers]
        self.cotangents: list[list[Tensor]] = [[] for _ in layout.layers]
        self.initial: dict[str, Any] = {}
        self.scales: Tensor | None = None
        self.paused = False
        for k, layer in enumerate(layout.modules(model)):
            # Before any other hook: the output of the layer, not what the multiplier makes of it.
            layer.register_forward_hook(_Hook(self, k), prepend=True)

    def clear(self) -> None:
        """Forget what was recorded."""
        for each in (*self.features, *self.cotangents):
            each.clear()


class _Hook:
    """The hook of one layer: an object, so that a copy of the model has its own recorder."""

    def __init__(self, recorder: Recorder, layer: int) -> None:
        self.recorder, self.layer = recorder, layer

    def __call__(self, module: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if torch.compiler.is_compiling() or self.recorder.paused:
            return
        if not (
            output.requires_grad and module.weight.is_leaf
        ):  # weights of someone's functional call
            return
        if self.layer == 0 and _zeroed(module.weight.grad):
            self.recorder.clear()
        features = inputs[0].detach()
        output.register_hook(lambda gradient: self._backward(features, gradient))

    def _backward(self, features: Tensor, gradient: Tensor) -> None:
        # Recorded here, so that passes without a backward pass leave nothing.
        self.recorder.features[self.layer].append(features.flatten(0, -2))
        self.recorder.cotangents[self.layer].append(gradient.detach().flatten(0, -2))


def _zeroed(gradient: Tensor | None) -> bool:
    return gradient is None or not bool(gradient.count_nonzero())


def record_signals(model: nn.Module) -> None:
    """Record from now on what gradient scalings look at: call it before the first forward pass."""
    layout = layout_of(model)
    if layout.signals is None:
        layout.signals = Recorder(layout, unwrapped(model))


def scale_gradients(model: nn.Module, name: str = "depthwise", **options: Any) -> Tensor:
    """Multiply each layer's gradient by ξ_k, after ``backward`` and before ``optimizer.step``.

    ξ is that of nup's gradient scaling of this name, on the samples of all backward passes since
    gradients were zeroed, clipped to [2⁻²⁰, 2²⁰].

    Args:
        model: of ``mlp`` (whose signals are recorded from the start) or ``parameterize`` (call
            ``record_signals`` first).
        name: of the registry: ``depthwise``, ``equal``, ``per_sample``, ``gram``, …
        options: those of the scaling.

    Returns:
        ξ_1 … ξ_l.

    Raises:
        UserError: nothing was recorded, an unknown scaling or option, or several processes train
            together: ξ is of all samples of a batch, and a process sees a part.
    """
    _check_alone()
    layout, entry = layout_of(model), SCALINGS[name]
    resolved: Mapping[str, Value] = SCALINGS.resolve(name, options)
    recorder: Recorder | None = layout.signals
    layers = layout.modules(model)
    if recorder is None or any(not each for each in recorder.features):
        raise UserError(
            "no signals were recorded: call nup.torch.record_signals(model) before the forward "
            "pass, and backward before this"
        )
    gradients = [layer.weight.grad for layer in layers]
    if any(gradient is None for gradient in gradients):
        raise UserError("expected gradients of every layer; call backward before this")
    signals = Signals(
        gradients=[
            gradient[None] * gain
            for gradient, gain in zip(gradients, layout.gains, strict=True)
            if gradient is not None
        ],
        features=[
            gain * torch.cat(each)[None]
            for each, gain in zip(recorder.features, layout.gains, strict=True)
        ],
        cotangents=[torch.cat(each)[None] for each in recorder.cotangents],
        factors=layout.shape.lr_factors,
        options=resolved,
    )
    # A linear layer's output is W x; where β or γ follow, ∂L/∂h is that of the scaled output.
    for k, beta in enumerate(layout.shape.branch_multipliers):
        signals.cotangents[k] = signals.cotangents[k] / beta
    if entry.start is not None:
        key = SCALINGS.label(name, resolved)
        if key not in recorder.initial:
            recorder.initial[key] = entry.start(signals)
        signals.initial = recorder.initial[key]
    scales = (
        torch.ones_like(signals.cotangents[0][:, 0, :1]).expand(1, len(layers))
        if entry.rule is None
        else clipped(entry.rule(signals))
    )[0]
    for gradient, scale in zip(gradients, scales, strict=True):
        assert gradient is not None
        gradient.mul_(scale)
    recorder.scales = scales.detach().clone()
    recorder.clear()
    return recorder.scales


def _check_alone() -> None:
    """Refuse to scale by a part of a batch: each process would do so otherwise."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        raise UserError(
            "gradient scaling: expected one process, which sees all samples of a batch, got "
            f"{dist.get_world_size()}; their layers would be scaled differently"
        )


def scale_depthwise(model: nn.Module) -> Tensor:
    """``scale_gradients`` with ξ_k = 1/(F_{k−1} B_k), the reading ``depthwise``. [operational]"""
    return scale_gradients(model, "depthwise")


def current_scales(model: nn.Module) -> Tensor | None:
    """ξ of the last call of ``scale_gradients``; None where there was none."""
    layout = getattr(unwrapped(model), "nup_layout", None)
    recorder = layout.signals if isinstance(layout, Layout) else None
    return None if recorder is None else recorder.scales
