"""Steps of a stack by compiled kernels, and beside them torch's measurements of its state."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nup.curvature.lanczos import MOST_PRODUCTS, TOLERANCE
from nup.kernels.steps import Columns
from nup.networks.mlp import LayerFactors
from nup.specs.specification import DIVERGENCE_RATIO
from nup.training import measurements, observables
from nup.training.backends.segments import Measured, Plan, Settings, State, Stretches
from nup.training.schedules import Moment
from nup.training.stack import Stack

#: Steps taken at once at most, so that progress is seen.
LONGEST = 100


class CompiledSteps:
    """Takes the steps of a stack: in stretches, each of which ends where torch is to measure."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        settings = Settings(
            stack.spec.loss,
            stack.spec.schedule.gradient_scaling != "none",
            stack.schedule.name,
            TOLERANCE,
            MOST_PRODUCTS,
            stack.spec.batch_size,
        )
        inputs, targets = stack.data.inputs["train"], stack.data.targets["train"]
        self._stretches = Stretches(stack.network, inputs, targets, settings)

    def take(self, first: int) -> int:
        """Take steps from ``first`` on and return the next one; runs that diverge leave the stack.

        The final state is a step of its own, and so is the first, whose loss sets the limit.
        """
        stack, steps = self._stack, range(first, self._end(first))
        final = first == stack.spec.steps
        hessian = self._measure_state(first)
        members = stack.members.numpy()
        measured = self._stretches.run(self._state(), self._plan(steps))
        products = measured.columns.sharpness[..., 2]
        spent = stack.operations.stretch(members, products, measured.done)
        stack.recorder.put_stretch(first, members, measured, spent)
        if first == 0:
            self._begin(measured.columns)
        if final:
            stack.put(first, {"displacement": observables.norm(stack.displacement)})
        else:
            self._follow_rates(first, measured, hessian)
        good = torch.from_numpy(measured.done == len(steps))
        if not bool(good.all()):
            last = np.minimum(measured.done, len(steps) - 1)
            value = torch.from_numpy(measured.columns.loss[np.arange(len(last)), last])
            stack.drop(good, value, first + measured.done)
        if final and len(stack.members):
            sharpness = torch.from_numpy(measured.columns.sharpness[:, -1, 0])
            measurements.finish(stack, sharpness[good], self._outputs)
        return steps.stop

    def _begin(self, columns: Columns) -> None:
        """What the first step alone tells: λ_0, and the loss beyond which a run has diverged."""
        stack = self._stack
        stack.recorder.initial_sharpness[stack.members.numpy()] = columns.sharpness[:, 0, 0]
        stack.sharpness.fresh = False
        loss = torch.from_numpy(columns.loss[:, 0]).to(stack.parameters)
        stack.limit = DIVERGENCE_RATIO * loss.clamp_min(stack.null_loss)

    def _follow_rates(self, first: int, measured: Measured, hessian: Tensor | None) -> None:
        """What is made of the rates that the kernels found, or were given."""
        stack, found = self._stack, measured.columns.rate
        stack.remark(torch.from_numpy((np.isfinite(found) | ~measured.known).all(1)))
        rate = torch.from_numpy(found).to(stack.parameters)
        stack.previous = rate[:, -1]
        if hessian is not None:
            stack.put(first, {"hessian_edge": rate[:, 0] * hessian})

    def _end(self, first: int) -> int:
        """The step before which the stretch from ``first`` ends."""
        final = self._stack.spec.steps
        if first in (0, final):
            return first + 1
        record = self._stack.spec.record
        cadences = [record.probe, record.features, record.hessian, record.accuracy]
        following = range(first + 1, min(first + LONGEST, final))
        due = (t for t in following if any(self._stack.due(each, t) for each in cadences))
        return next(due, following.stop)

    def _measure_state(self, step: int) -> Tensor | None:
        """What torch measures of the state where due; returns the Hessian's top eigenvalue. [E]

        A run that is found to have diverged at this very step has no row of it.
        """
        stack, record = self._stack, self._stack.spec.record
        factors: LayerFactors = stack.network.parameterization.lr_factors
        hessian = None
        with_hessian = stack.due(record.hessian, step)
        scaled = stack.spec.schedule.gradient_scaling != "none"
        if with_hessian or (scaled and stack.due(record.features, step)):
            trace, deltas = measurements.passes(stack)
            factors, _ = measurements.layer_factors(stack, trace, deltas)
            hessian = measurements.hessian(stack, step, trace, deltas, factors)
        values = measurements.probe(stack, step, factors)
        values |= measurements.generalization(stack, step, self._outputs)
        stack.put(step, values)
        return hessian

    def _outputs(self, stack: Stack, inputs: Tensor) -> Tensor:
        return self._stretches.outputs(stack.parameters, inputs)

    def _state(self) -> State:
        stack = self._stack
        unknown = torch.full((len(stack.members),), torch.nan)
        limits = torch.full_like(unknown, torch.inf) if stack.limit is None else stack.limit
        return State(
            stack.parameters,
            stack.moved,
            stack.sharpness.starts,
            stack.options.get("c", unknown).numpy(),
            limits.numpy(),
            (unknown if stack.previous is None else stack.previous).numpy(),
        )

    def _plan(self, steps: range) -> Plan:
        """What is due in these steps, and the rates and batches that are known beforehand."""
        stack = self._stack
        record, needs = stack.spec.record, stack.schedule.requires
        final = steps.start == stack.spec.steps
        curvature, taylor = (
            np.array([stack.due(cadence, step) for step in steps])
            for cadence in (record.curvature, record.taylor)
        )
        rates = np.full((len(stack.members), len(steps)), np.nan)
        batches = torch.empty(*rates.shape, 0, dtype=torch.long)  # of the final state: all samples
        if not final:
            batches = stack.data.indices(steps, stack.members)
        if not needs and not final:
            rate = stack.previous
            for t, step in enumerate(steps):
                moment = Moment(
                    step, stack.spec.steps, stack.learning_rate, stack.options, previous=rate
                )
                rate = stack.schedule.rule(moment)
                rates[:, t] = rate.numpy()
        return Plan(curvature | (needs == "sharpness"), taylor, rates, batches.numpy(), final)
