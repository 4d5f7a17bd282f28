"""What a parameterized module is: its linear layers in order, and the factors of each.

The layout is an attribute of the module, never of its tensors. So it survives copies, compilation,
sharding and moves, and ``state_dict`` holds its description: weights of another parameterization
are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nup.errors import UserError
from nup.networks.parameterization import Parameterization

#: Name of the layout among a module's attributes, and of its description in ``state_dict``.
ATTRIBUTE, KEY = "nup_layout", "nup_layout"


@dataclass
class Layout:
    """The linear layers of a parameterized module.

    Attributes:
        shape: widths, output multiplier γ and factors c_k.
        layers: names of the linear modules W_1 … W_l.
        gains: a_1 … a_l: weight k holds a_k W_k, so that its activation needs no normalization;
            its factor is a_k² c_k [derived].
        activation: name of φ.
        signals: hooks of ``nup.torch.scaling``, once they record.
    """

    shape: Parameterization
    layers: tuple[str, ...]
    gains: tuple[float, ...]
    activation: str
    signals: Any = field(default=None, repr=False)

    @property
    def factors(self) -> tuple[float, ...]:
        """Factor of each layer's learning rate under gradient descent, a_k² c_k."""
        return tuple(gain**2 * c for gain, c in zip(self.gains, self.shape.lr_factors, strict=True))

    def modules(self, model: nn.Module) -> list[nn.Linear]:
        """The linear layers in order, of ``model`` or of what wraps it."""
        plain = unwrapped(model)
        found = [plain.get_submodule(name) for name in self.layers]
        assert all(isinstance(each, nn.Linear) for each in found)
        return found  # type: ignore[return-value]

    def describe(self) -> str:
        """JSON of all that fixes the function and its training."""
        return json.dumps(
            {
                "parameterization": self.shape.label,
                "widths": self.shape.widths,
                "gains": [round(gain, 12) for gain in self.gains],
                "activation": self.activation,
            }
        )


def unwrapped(model: nn.Module) -> nn.Module:
    """The module itself, out of ``torch.compile`` or a data-parallel wrapper."""
    while not hasattr(model, ATTRIBUTE):
        inner = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def layout_of(model: nn.Module) -> Layout:
    """The layout of a parameterized module.

    Raises:
        UserError: the module was not made by ``mlp`` or given to ``parameterize``.
    """
    found = getattr(unwrapped(model), ATTRIBUTE, None)
    if not isinstance(found, Layout):
        raise UserError(
            f"expected a module of nup.torch.mlp or nup.torch.parameterize, got "
            f"{type(model).__name__}; pass it to nup.torch.parameterize first"
        )
    return found


def attach(model: nn.Module, layout: Layout) -> None:
    """Make the layout the module's, and its description part of ``state_dict``."""
    setattr(model, ATTRIBUTE, layout)
    model.register_state_dict_post_hook(_describe)
    model.register_load_state_dict_pre_hook(_check)


def _describe(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
) -> None:
    text = layout_of(module).describe().encode()
    state[f"{prefix}{KEY}"] = torch.tensor(list(text), dtype=torch.uint8)


def _check(
    module: nn.Module,
    state: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    got: Tensor | None = state.pop(f"{prefix}{KEY}", None)
    wanted = layout_of(module).describe()
    if got is None:
        errors.append(
            f"expected the state of a module parameterized as {wanted}, got one without a "
            "parameterization; load it before nup.torch.parameterize"
        )
    elif (text := bytes(got.tolist()).decode()) != wanted:
        errors.append(f"expected the state of a module parameterized as {wanted}, got {text}")


@contextmanager
def paused(model: nn.Module) -> Iterator[None]:
    """Without recording signals: for passes that are no training."""
    layout = getattr(unwrapped(model), ATTRIBUTE, None)
    recorder = layout.signals if isinstance(layout, Layout) else None
    if recorder is None:
        yield
        return
    before, recorder.paused = recorder.paused, True
    try:
        yield
    finally:
        recorder.paused = before


@torch.no_grad()
def signals(
    model: nn.Module, layers: Sequence[nn.Linear], inputs: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of linear layers in a forward pass, each [n, …], without multipliers."""
    x: list[Tensor] = []
    h: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x.append(inputs[0].flatten(0, -2))
        h.append(output.flatten(0, -2))

    handles = [layer.register_forward_hook(record, prepend=True) for layer in layers]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return x, h
