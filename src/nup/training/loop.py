"""Training of a stack of same-shape runs, with everything measured along the way.

One step, in the order of the code: forward; members whose loss exploded leave; backward, giving the
scaled gradient U_k = c_k ξ_k ∂L/∂W_k; the optimizer's direction D_k, which for ``sgd`` is U_k;
curvature and Taylor coefficients where due; the schedule's η_t; records; W_k ← W_k − η_t D_k. Row t
of the records describes the state before update t.

On a CPU compiled kernels take the steps (``nup.training.backends.compiled``): the same arithmetic, one run
after another instead of all at once. The steps here, on stacks, are the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nup.data.datasets import Dataset
from nup.errors import UserError
from nup.networks.mlp import Trace
from nup.specs.specification import DIVERGENCE_RATIO, RunSpec
from nup.training import measurements, observables
from nup.training.backends.compiled import CompiledSteps
from nup.training.backends.scope import can_compile
from nup.training.recorder import Records
from nup.training.schedules import Moment
from nup.training.stack import Stack

#: Called with (steps done, steps, runs still training).
Progress = Callable[[int, int, int], None]


def train(
    specs: Sequence[RunSpec],
    dataset: Dataset,
    device: str = "cpu",
    progress: Progress | None = None,
    compiled: bool = True,
) -> Records:
    """Train runs of one ``stack_key`` together and return their records.

    ``compiled`` lets compiled kernels take the steps that they can; without, all are taken by torch
    on stacks. The two differ in rounding alone.

    A run's numbers do not depend on the others of its stack beyond the rounding of batched
    products.
    Raises ``UserError`` for a schedule, loss or batch size that does not fit.
    """
    if len({spec.stack_key for spec in specs}) != 1:
        raise UserError(
            "runs of one stack must differ in learning rate, seed and schedule options alone"
        )
    with torch.inference_mode():
        stack = Stack(specs, dataset, device)
        kernels = CompiledSteps(stack) if compiled and can_compile(specs[0], device) else None
        step, steps = 0, specs[0].steps
        while step <= steps and len(stack.members) > 0:
            if kernels is not None:
                step = kernels.take(step)
            else:
                _step(stack, step)
                step += 1
            if progress is not None:
                progress(step - 1, steps, len(stack.members))
        return stack.recorder.records(stack.null_loss)


def _step(stack: Stack, step: int) -> None:
    """Measure the state at ``step`` and, unless it is the final one, update it."""
    final = step == stack.spec.steps
    trace, targets = _forward(stack, step, final)
    if len(stack.members) == 0:
        return
    outputs = stack.network.outputs(trace)
    deltas = stack.network.backward(stack.weights, trace, stack.loss.cotangent(outputs, targets))
    factors, scales = measurements.layer_factors(stack, trace, deltas)
    gradients = stack.network.weight_gradients(trace, deltas, factors, stack.gradients)
    direction = stack.optimizer.direction(stack.weights, gradients)
    sharpness = measurements.sharpness(stack, step, trace, factors)
    hessian = measurements.hessian(stack, step, trace, deltas, factors)
    taylor = measurements.taylor(stack, step, trace, direction, targets)
    values = measurements.probe(stack, step, factors)
    values |= measurements.generalization(stack, step, measurements.outputs)
    if stack.due(stack.spec.record.layers, step):
        values["gradient_scale"] = scales
        values["preactivation_rms"] = observables.preactivation_rms(trace)
    if final:
        values["displacement"] = observables.norm(stack.displacement)
        stack.put(step, values)
        measurements.finish(stack, sharpness, measurements.outputs)
        return
    rate = _rate(stack, step, sharpness, taylor)
    values |= measurements.motion(stack, step, rate, direction)
    if sharpness is not None:
        values["edge"] = rate * sharpness
    if hessian is not None:
        values["hessian_edge"] = rate * hessian
    values["learning_rate"] = rate
    stack.put(step, values)
    _update(stack, rate, direction)


def _forward(stack: Stack, step: int, final: bool) -> tuple[Trace, Tensor]:
    """Forward pass of the step's batch; members that diverged have left afterwards."""
    if final:
        inputs, targets = stack.data.inputs["train"], stack.data.targets["train"]
        buffers = None if stack.spec.batch_size else stack.buffers
    else:
        inputs, targets = stack.data.batch(step, stack.members)
        buffers = stack.buffers
    trace = stack.network.forward(stack.weights, inputs, buffers)
    value = stack.loss.value(stack.network.outputs(trace), targets)
    if stack.limit is None:
        stack.limit = DIVERGENCE_RATIO * value.clamp_min(stack.null_loss)
    good = torch.isfinite(value) & (value <= stack.limit)
    if not bool(good.all()):
        stack.drop(good, value, np.full(len(good), step))
        kept = good.nonzero().squeeze(-1)
        if inputs.ndim == 3:
            inputs, targets = inputs[kept], targets[kept]
        value = value[kept]
        if len(kept):
            trace = stack.network.forward(stack.weights, inputs, buffers)
    indices = stack.members.cpu().numpy()
    stack.recorder.losses[step, indices] = value.to("cpu", torch.float64).numpy()
    spent = stack.recorder.flops[indices] = stack.operations.total[indices]
    stack.put(step, {"loss": value, "flops": torch.from_numpy(spent)})
    return trace, targets


def _rate(
    stack: Stack, step: int, sharpness: Tensor | None, taylor: tuple[Tensor, Tensor, Tensor] | None
) -> Tensor:
    """η_t of every member. [E]"""
    moment = Moment(
        step,
        stack.spec.steps,
        stack.learning_rate,
        stack.options,
        sharpness,
        taylor,
        stack.previous,
    )
    rate = stack.schedule.rule(moment)
    indices = stack.members.cpu().numpy()
    if stack.schedule.requires == "taylor" and taylor is not None:
        stack.recorder.fallbacks[indices] += (taylor[1] <= 0).cpu().numpy()
    stack.remark(torch.isfinite(rate))
    stack.previous = rate
    return rate


def _update(stack: Stack, rate: Tensor, direction: Sequence[Tensor]) -> None:
    eta = rate[:, None, None]
    for weight, moved, update in zip(stack.weights, stack.displacement, direction, strict=True):
        weight.addcmul_(update, eta, value=-1)
        moved.addcmul_(update, eta, value=-1)
    stack.operations.updated(stack.members.cpu().numpy())
