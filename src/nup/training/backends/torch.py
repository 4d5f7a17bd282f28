"""Steps of a stack by the definitions, on any device: all members at once, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.curvature.gauss_newton import gauss_newton_operator
from nup.curvature.hessian import hessian_operator
from nup.curvature.lanczos import COLD_PRODUCTS, MOST_PRODUCTS, Operator, follow, top_eigenpair
from nup.networks.derivatives import Objective, linearized_curvature, taylor
from nup.training.backends import Segment, Sums
from nup.training.edge import SPACES
from nup.training.observables import HESSIAN, SHARPNESS
from nup.training.schedules import SLOPE, TAYLOR, Moment
from nup.training.stack import Stack
from nup.training.state import State

#: Entries from which a dot product per member beats one product and sum over all of them.
_LONG = 2048


class TorchBackend:
    """Takes the steps of a stack one by one."""

    name = "torch"
    longest = 1

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def advance(self, state: State, segment: Segment) -> tuple[State, Sums]:
        """One step: forward and backward; direction; what is due; the rate; the update."""
        stack, step = self._stack, segment.steps.start
        objective = stack.objective(state.members, segment.batches[:, 0].to(state.members))
        passed = stack.backpropagate(state.parameters, objective)
        scales = stack.scales(passed, objective.inputs, state, step)
        if step == 0:
            state = state._replace(scaling=stack.scaling_memory(passed, objective.inputs))
        multipliers = scales * scales.new_tensor(stack.network.parameterization.lr_factors)
        gradients = zip(passed.gradients, multipliers.T, strict=True)
        update = torch.cat([(g * factor[:, None, None]).flatten(1) for g, factor in gradients], 1)
        options = stack.spec.optimizer.options
        direction, moments = stack.optimizer.rule(
            state.parameters, update, state.moments, step, options
        )
        state = state._replace(moments=moments)
        found: dict[str, Any] = {}
        state = self._curvature(state, segment, multipliers, found)
        coefficients = self._taylor(state, segment, objective, direction, found)
        good = torch.isfinite(passed.loss) & (passed.loss <= state.limit)
        known = found.get("sharpness")
        rate = torch.full_like(passed.loss, torch.nan)
        if not segment.final:
            moment = Moment(
                step,
                stack.spec.steps,
                state.learning_rate,
                state.options,
                sharpness=None if known is None else known[:, 0],
                taylor=coefficients,
                previous=None if step == 0 else state.previous,
            )
            if stack.schedule.requires == SLOPE:
                squares = dots(passed.gradients, passed.gradients)
                moment.loss, moment.slope = passed.loss, (multipliers * squares).sum(-1)
            rate = stack.schedule.rule(moment)
            if stack.schedule.requires == TAYLOR and coefficients is not None:
                found["fallback"] = coefficients[1] <= 0
        motion = self._motion(state, direction, bool(segment.motion[0]), segment.final)
        if not segment.final:
            eta = rate[:, None]
            state = state._replace(
                parameters=state.parameters.addcmul_(direction, eta, value=-1),
                displacement=state.displacement.addcmul_(direction, eta, value=-1),
                previous=rate,
            )
        heights = torch.stack([h.square().sum((-2, -1)) for h in passed.preactivations], -1)
        found |= {"loss": passed.loss, "rate": rate, "scales": scales, "heights": heights}
        counts = np.array([h[0].numel() for h in passed.preactivations])
        return state, self._sums(good, found | motion, counts)

    def outputs(self, state: State, split: str) -> Tensor:
        """f of every member on a split. [E, n, m_l]"""
        stack, places = self._stack, torch.tensor(self._stack.data.places(state.members))
        found: Tensor | None = None
        for place, tensors in enumerate(stack.data.sets):
            rows = (places == place).nonzero()[:, 0].to(state.members)
            if not len(rows):
                continue
            weights = stack.weights(state.parameters[rows])
            outputs = stack.network.outputs(weights, tensors.inputs[split])
            if len(rows) == len(places):
                return outputs
            if found is None:
                found = outputs.new_empty(len(places), *outputs.shape[1:])
            found[rows] = outputs
        assert found is not None
        return found

    def unscaled_eigenvalue(
        self, state: State, chosen: Sequence[int], tolerance: float, hessian: bool = False
    ) -> Tensor:
        """Top eigenvalue with ξ = 1 of ``chosen`` members, as ``Backend`` says."""
        stack, rows = self._stack, torch.tensor(chosen).to(state.members)
        weights = stack.weights(state.parameters[rows])
        factors = weights[0].new_tensor(stack.network.parameterization.lr_factors)[None]
        objective = stack.objective(state.members[rows])
        matrix = hessian_operator if hessian else gauss_newton_operator
        operator = matrix(objective, weights, factors.expand(len(rows), -1))
        vectors = (state.hessian if hessian else state.sharpness)[rows, 0]
        products = min(MOST_PRODUCTS, vectors.shape[1])
        for _ in range(SPACES):
            pair = top_eigenpair(operator, vectors, tolerance, products, not hessian, COLD_PRODUCTS)
            vectors = pair.vector
            if bool((pair.residual <= tolerance).all()):
                break
        return pair.value

    def _curvature(
        self, state: State, segment: Segment, multipliers: Tensor, found: dict[str, Any]
    ) -> State:
        """λ_t and the Hessian's top eigenvalue on all samples, where due."""
        weights = self._stack.weights(state.parameters)
        everything = self._stack.objective(state.members)
        first = segment.steps.start == 0

        def measured(name: str, operator: Operator, starts: Tensor) -> Tensor:
            pair, following = follow(operator, starts, first, definite=name == SHARPNESS)
            found[name] = torch.stack([pair.value, pair.residual, pair.products], -1)
            return following

        if segment.hessian[0]:
            operator = hessian_operator(everything, weights, multipliers)
            state = state._replace(hessian=measured(HESSIAN, operator, state.hessian))
        if segment.sharpness[0]:
            operator = gauss_newton_operator(everything, weights, multipliers)
            state = state._replace(sharpness=measured(SHARPNESS, operator, state.sharpness))
        return state

    def _taylor(
        self,
        state: State,
        segment: Segment,
        objective: Objective,
        direction: Tensor,
        found: dict[str, Any],
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """(T1, T2, T2 of the linearized network) along the update, where due. Each [E]"""
        due = bool(segment.taylor[0])
        if not due and self._stack.schedule.requires != TAYLOR:
            return None
        weights, along = (self._stack.weights(each) for each in (state.parameters, direction))
        coefficients = taylor(objective, weights, along, 3 if due else 2)
        if due:
            found["taylor"] = torch.stack(coefficients, -1)
        linear = linearized_curvature(objective, weights, along)
        return coefficients[0], coefficients[1], linear

    def _motion(self, state: State, direction: Tensor, due: bool, final: bool) -> dict[str, Tensor]:
        """Inner products per layer of the direction and the displacement, where due. Each [E, l]"""
        if not due:
            return {}
        moved = self._stack.weights(state.displacement)
        if final:
            return {"displacements": dots(moved, moved)}
        along = self._stack.weights(direction)
        return {
            "updates": dots(along, along),
            "displacements": dots(moved, moved),
            "products": dots(along, moved),
        }

    def _sums(self, good: Tensor, found: dict[str, Tensor], counts: npt.NDArray[np.int64]) -> Sums:
        members, depth = len(good), self._stack.network.depth
        shapes = {
            "loss": (),
            "rate": (),
            "sharpness": (3,),
            "hessian": (3,),
            "taylor": (3,),
            "fallback": (),
            **dict.fromkeys(
                ("heights", "updates", "displacements", "products", "scales"), (depth,)
            ),
        }
        arrays = {
            name: (
                found[name].to("cpu", torch.float64).numpy()[:, None]
                if name in found
                else np.full((members, 1, *shape), 0.0 if name == "fallback" else np.nan)
            )
            for name, shape in shapes.items()
        }
        return Sums(done=good.to("cpu", torch.int64).numpy(), counts=counts, **arrays)


def dots(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """⟨left_k, right_k⟩ per layer. [E, l]"""
    return torch.stack([_dot(a, b) for a, b in zip(left, right, strict=True)], -1)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    if left[0].numel() < _LONG or left.device.type != "cpu":
        return (left * right).sum((-2, -1))
    # One BLAS dot a member reads both once; every batched form of it is several times slower.
    pairs = zip(left.flatten(1), right.flatten(1), strict=True)
    return torch.stack([torch.dot(*pair) for pair in pairs])
