"""What is measured of a stack's state where it is due, and recorded or handed to the schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nup.curvature.hessian import hessian_operator
from nup.curvature.lanczos import gauss_newton_operator
from nup.networks.mlp import LayerFactors, Trace
from nup.training import observables
from nup.training.schedules import depthwise_scale
from nup.training.stack import Stack

#: What a network says to inputs [n, m_0], for every member of a stack. [E, n, m_l]
Outputs = Callable[[Stack, Tensor], Tensor]


def passes(stack: Stack) -> tuple[Trace, list[Tensor]]:
    """Forward and backward pass of all training data: the trace, and ∂L/∂h_k. [E, n, m_k]"""
    trace = stack.network.forward(stack.weights, stack.data.inputs["train"])
    outputs, targets = stack.network.outputs(trace), stack.data.targets["train"]
    cotangent = stack.loss.cotangent(outputs, targets)
    return trace, stack.network.backward(stack.weights, trace, cotangent)


def layer_factors(
    stack: Stack, trace: Trace, deltas: Sequence[Tensor]
) -> tuple[list[float | Tensor], Tensor]:
    """c_k ξ_k of each layer, and ξ_k alone. [E, l]"""
    factors: list[float | Tensor] = list(stack.network.parameterization.lr_factors)
    ones = deltas[0].new_ones(len(stack.members), stack.network.depth)
    if stack.spec.schedule.gradient_scaling == "none":
        return factors, ones
    powers = observables.powers(stack.network, trace, deltas)
    scales = [depthwise_scale(f, b, powers[-1][1]) for f, b in powers]
    return [c * xi for c, xi in zip(factors, scales, strict=True)], torch.stack(scales, -1)


def sharpness(stack: Stack, step: int, trace: Trace, factors: LayerFactors) -> Tensor | None:
    """λ_t on all training data, where the cadence or the schedule asks for it. [E]"""
    on_cadence = stack.due(stack.spec.record.curvature, step)
    if not on_cadence and stack.schedule.requires != "sharpness":
        return None
    if stack.spec.batch_size is not None and step < stack.spec.steps:
        trace = stack.network.forward(stack.weights, stack.data.inputs["train"])
    operator = gauss_newton_operator(stack.network, stack.weights, trace, stack.loss, factors)
    pair = stack.sharpness.measure(operator)
    indices = stack.members.cpu().numpy()
    stack.operations.measured(indices, pair.products.cpu().numpy())
    stack.put(step, {"sharpness_products": pair.products})
    if step == 0:
        stack.recorder.initial_sharpness[indices] = pair.value.to("cpu", torch.float64).numpy()
    stack.put(step, {"sharpness": pair.value, "sharpness_residual": pair.residual})
    return pair.value


def hessian(
    stack: Stack,
    step: int,
    trace: Trace,
    deltas: Sequence[Tensor],
    factors: LayerFactors,
) -> Tensor | None:
    """Top eigenvalue of the preconditioned Hessian on all training data, where due. [E]"""
    if stack.hessian is None or not stack.due(stack.spec.record.hessian, step):
        return None
    if stack.spec.batch_size is not None and step < stack.spec.steps:
        trace, deltas = passes(stack)
    operator = hessian_operator(stack.network, stack.weights, trace, deltas, stack.loss, factors)
    pair = stack.hessian.measure(operator)
    stack.put(step, {"hessian_sharpness": pair.value, "hessian_residual": pair.residual})
    return pair.value


def taylor(
    stack: Stack, step: int, trace: Trace, direction: Sequence[Tensor], targets: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """(T1, T2, T2 of the linearized network) along the update, where due. Each [E]"""
    on_cadence = stack.due(stack.spec.record.taylor, step)
    if not on_cadence and stack.schedule.requires != "taylor":
        return None
    order = 3 if on_cadence else 2
    outputs = stack.network.outputs(trace)
    jets = stack.network.jets(stack.weights, trace, direction, order)
    coefficients = stack.loss.taylor(outputs, targets, jets)
    names = ("taylor_1", "taylor_2", "taylor_3")
    if on_cadence:
        stack.put(step, dict(zip(names, coefficients, strict=True)))
    linear = [jets[0], torch.zeros_like(jets[0])]
    return coefficients[0], coefficients[1], stack.loss.taylor(outputs, targets, linear)[1]


def motion(stack: Stack, step: int, rate: Tensor, direction: Sequence[Tensor]) -> dict[str, Tensor]:
    """Norms and cosines of the update, of all weights and per layer, where due."""
    of_all = stack.due(stack.spec.record.steps, step)
    by_layer = stack.due(stack.spec.record.layers, step)
    if not of_all and not by_layer:
        return {}
    motion = observables.motion(direction, stack.displacement)
    update = motion.update_square.sqrt() * rate[:, None]
    values = {"layer_update_norm": update, "layer_cosine": motion.cosine()} if by_layer else {}
    if of_all:
        values["update_norm"] = update.square().sum(-1).sqrt()
        values["displacement"] = motion.displacement_square.sum(-1).sqrt()
        values["cosine"] = motion.cosine(whole=True)
    return values


def probe(stack: Stack, step: int, factors: LayerFactors) -> dict[str, Tensor]:
    """Preactivations and features of the probe set where due. Each [E] or [E, l]"""
    with_features = stack.due(stack.spec.record.features, step)
    if not with_features and not stack.due(stack.spec.record.probe, step):
        return {}
    trace = stack.evolution.trace(stack.weights)
    values = stack.evolution.measure(stack.weights, stack.displacement, trace)
    if with_features and stack.movement is not None:
        targets = stack.data.targets["probe"]
        values |= observables.features(trace, targets)
        values |= stack.movement.measure(stack.displacement)
        kernel = observables.neural_tangent_kernel(stack.network, stack.weights, trace, factors)
        alignment = observables.kernel_alignment(kernel, targets @ targets.mT)
        values["ntk_alignment"] = alignment
    return values


def generalization(stack: Stack, step: int, outputs: Outputs) -> dict[str, Tensor]:
    """Accuracies and loss on held-out data where due. Each [E]"""
    record = stack.spec.record
    if not stack.due(record.features, step) and not stack.due(record.accuracy, step):
        return {}
    return _held_out(stack, ("validation", "test"), outputs)


def outputs(stack: Stack, inputs: Tensor) -> Tensor:
    """f of every member on ``inputs`` [n, m_0]. [E, n, m_l]"""
    return stack.network.outputs(stack.network.forward(stack.weights, inputs))


def _held_out(stack: Stack, splits: Sequence[str], outputs: Outputs) -> dict[str, Tensor]:
    """Accuracies on these splits, unless it is a regression, and the loss on validation data."""
    values = {}
    for split in splits:
        found = outputs(stack, stack.data.inputs[split])
        if stack.data.labels:
            values[f"{split}_accuracy"] = observables.accuracy(found, stack.data.labels[split])
        if split == "validation":
            values["validation_loss"] = stack.loss.value(found, stack.data.targets[split])
    return values


def finish(stack: Stack, sharpness: Tensor | None, outputs: Outputs) -> None:
    """Summary of the final state."""
    values = _held_out(stack, ("train", "validation", "test"), outputs)
    if sharpness is not None:
        values["final_sharpness"] = sharpness
    stack.recorder.put_final(stack.members.cpu().numpy(), values)
