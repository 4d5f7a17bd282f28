"""Sharpness, tangent kernels and soft ranks of any module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vjp, vmap

from nup.curvature.lanczos import MOST_PRODUCTS, top_eigenpair
from nup.errors import UserError
from nup.networks.derivatives import linearize
from nup.networks.mlp import generator
from nup.torch.layout import layout_of, paused

#: Any twice-differentiable loss of outputs and targets, averaged or not.
LossFunction = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]

#: Layers whose output for a sample depends on other samples, on chance or on the past.
_REFUSED = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


@dataclass(frozen=True)
class Function:
    """The loss of a module on a batch, as a function of its parameters alone.

    Attributes:
        model: the module; with training-mode dropout or batch norm it is refused.
        loss: of outputs and targets.
        batch: inputs and targets.
        weights: factor of each parameter's learning rate, c_k ξ_k; 1 where it has none.
    """

    model: nn.Module
    loss: LossFunction
    batch: Batch
    weights: Mapping[str, float | Tensor]

    def __post_init__(self) -> None:
        for name, each in self.model.named_modules():
            if isinstance(each, _REFUSED) and each.training:
                raise UserError(
                    f"{name} ({type(each).__name__}): expected a function of the parameters alone, "
                    "got one of chance or of the other samples; call model.eval() before"
                )

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The parameters that are trained, by name."""
        return {
            name: each.detach()
            for name, each in self.model.named_parameters()
            if each.requires_grad
        }

    def outputs(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """f on the batch."""
        with paused(self.model):
            found = functional_call(self.model, dict(parameters), (self.batch[0],))
        assert isinstance(found, Tensor)
        return found

    def value(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """The loss."""
        return self.loss(self.outputs(parameters), self.batch[1])

    def root(self, name: str) -> float | Tensor:
        """√(c_k ξ_k) of a parameter."""
        return self.weights.get(name, 1.0) ** 0.5

    def product(self, kind: str) -> Callable[[Tensor], Tensor]:
        """D^{1/2} M D^{1/2} v for v [1, P], with M the Gauss–Newton matrix or the Hessian."""
        at = self.parameters
        if kind == "hessian":
            pull = vjp(grad(self.value), at)[1]

            def multiply(direction: dict[str, Tensor]) -> dict[str, Tensor]:
                return pull(direction)[0]
        else:
            names = list(at)

            def outputs(values: list[Tensor]) -> Tensor:
                return self.outputs(dict(zip(names, values, strict=True)))

            f, back, push = linearize(outputs, list(at.values()))

            def of_outputs(outputs: Tensor) -> Tensor:
                return self.loss(outputs, self.batch[1])

            curve = vjp(grad(of_outputs), f)[1]

            def multiply(direction: dict[str, Tensor]) -> dict[str, Tensor]:
                moved = push([direction[name] for name in names])
                return dict(zip(names, back(curve(moved)[0]), strict=True))

        def apply(vectors: Tensor) -> Tensor:
            parts = torch.split(vectors[0], [each.numel() for each in at.values()])
            direction = {
                name: part.view_as(at[name]) * self.root(name)
                for name, part in zip(at, parts, strict=True)
            }
            images = multiply(direction)
            return torch.cat([(images[name] * self.root(name)).flatten() for name in at])[None]

        return apply


def factors_of(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, scales: Tensor | None = None
) -> dict[str, float | Tensor]:
    """Factor c_k ξ_k of each parameter's rate, by name: from the groups of an optimizer.

    Args:
        model: the module.
        optimizer: whose groups may have a ``multiplier``; None: all factors are 1.
        scales: ξ_k of each linear layer of a parameterized module.
    """
    if optimizer is None:
        return {}
    by_tensor = {
        id(each): float(group.get("multiplier", 1.0))
        for group in optimizer.param_groups
        for each in group["params"]
    }
    found: dict[str, float | Tensor] = {
        name: by_tensor[id(each)]
        for name, each in model.named_parameters()
        if id(each) in by_tensor
    }
    if scales is not None:
        layers = layout_of(model).modules(model)
        own = {id(layer.weight): scale for layer, scale in zip(layers, scales, strict=True)}
        for name, each in model.named_parameters():
            if id(each) in own:
                found[name] = found[name] * own[id(each)]
    return found


def sharpness(
    model: nn.Module,
    loss: LossFunction,
    batch: Batch,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    kind: str = "gauss_newton",
    tolerance: float = 1e-3,
    products: int = MOST_PRODUCTS,
) -> float:
    """λ, the largest eigenvalue of the loss's curvature on a batch, as the optimizer sees it.

    Of D^{1/2} M D^{1/2} with D the factors of the optimizer's groups: η λ = 2 is the edge of
    stability of gradient descent [lit]. Each of ``products`` applications costs about two
    backward passes.

    Args:
        model: any module without chance.
        loss: of outputs and targets, twice differentiable, of one's own convention.
        batch: inputs and targets.
        optimizer: with groups of ``param_groups``; None: all factors are 1.
        kind: ``gauss_newton`` or ``hessian``.
        tolerance: relative residual.
        products: applications at most.

    Raises:
        UserError: an unknown ``kind``, or a module with chance.
    """
    check_kind(kind)
    found = Function(model, loss, batch, factors_of(model, optimizer))
    size = sum(each.numel() for each in found.parameters.values())
    like = next(iter(found.parameters.values()))
    start = torch.randn(1, size, generator=generator(0, "eigenvector"), dtype=torch.float64)
    return float(
        top_eigenpair(
            found.product(kind),
            start.to(like),
            tolerance,
            min(products, size),
            definite=kind == "gauss_newton",
            least=min(16, products),
        ).value
    )


def check_kind(kind: str) -> None:
    """Refuse all but ``gauss_newton`` and ``hessian``."""
    if kind not in ("gauss_newton", "hessian"):
        raise UserError(f"kind: expected gauss_newton or hessian, got {kind!r}")


def ntk(model: nn.Module, inputs: Tensor, optimizer: torch.optim.Optimizer | None = None) -> Tensor:
    """Tangent kernel of the outputs with the optimizer's factors. [n, m_l, n, m_l]

    Holds the Jacobian of all samples, n·m_l·P numbers: for small nets and batches.
    """
    found = Function(model, torch.dot, (inputs, inputs), factors_of(model, optimizer))

    def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        with paused(model):
            return functional_call(model, parameters, (x[None],))[0]

    jacobians = vmap(jacrev(one), (None, 0))(found.parameters, inputs)
    rows = torch.cat(
        [(each * found.root(name)).flatten(2) for name, each in jacobians.items()], -1
    ).flatten(0, 1)
    n = len(inputs)
    return (rows @ rows.T).view(n, -1, n, len(rows) // n)


def soft_rank(features: Tensor) -> Tensor:
    """tr(G)²/tr(G²) of features [n, m] with G = X Xᵀ: between 1 and min(n, m)."""
    gram = features @ features.mT
    return gram.diagonal(dim1=-2, dim2=-1).sum(-1) ** 2 / gram.square().sum((-2, -1))
