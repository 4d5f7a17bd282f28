"""Steps of a stack by compiled kernels: all between two measurements of its state."""

from __future__ import annotations

import numpy as np
import torch

from nup.compiled.stretch import LOSSES, MEASURING, Plan, Settings, State, Stretches
from nup.curvature import MOST_PRODUCTS, TOLERANCE
from nup.schedules import Moment
from nup.stack import Stack

#: Steps taken at once at most, so that progress is seen.
LONGEST = 100


def can_compile(stack: Stack) -> bool:
    """Whether compiled kernels know how to train this stack.

    They do not know other devices than the CPU, other optimizers than ``sgd``, losses and measuring
    schedules but their own, or λ_t, which is that of all training data, beside a minibatch.
    """
    schedule = stack.schedule
    known = stack.spec.loss in LOSSES and (not schedule.needs or schedule.name in MEASURING)
    beside_batch = schedule.needs == "sharpness" and stack.spec.batch_size is not None
    on_cpu = stack.parameters.device.type == "cpu"
    return on_cpu and stack.spec.optimizer.name == "sgd" and known and not beside_batch


class CompiledSteps:
    """Takes the steps of a stack in which nothing is due but what the kernels record."""

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

    def until(self, step: int) -> int:
        """The first step from ``step`` on that is not for the kernels, or at which they pause.

        The first step and the final state never are.
        """
        if step == 0:
            return 0
        until, most = step, min(step + LONGEST, self._stack.spec.steps)
        while until < most and not self._measures_state(until):
            until += 1
        return until

    def take(self, first: int, until: int) -> None:
        """Take the steps ``first`` … ``until`` − 1; runs that diverge leave the stack."""
        stack = self._stack
        assert stack.limit is not None and stack.previous is not None
        state = State(
            stack.parameters,
            stack.moved,
            stack.sharpness.starts,
            stack.options.get("c", stack.limit).numpy(),
            stack.limit.numpy(),
            stack.previous.numpy(),
        )
        measured = self._stretches.run(state, self._plan(range(first, until)))
        members, columns = stack.members.numpy(), measured.columns
        spent = stack.operations.stretch(members, columns.sharpness[..., 2], measured.done)
        stack.recorder.put_stretch(first, members, measured, self._stretches.sizes, spent)
        stack.remark(torch.from_numpy((np.isfinite(columns.rate) | ~measured.known).all(1)))
        stack.previous = torch.from_numpy(columns.rate[:, -1]).to(stack.previous)
        good = torch.from_numpy(measured.done == until - first)
        if not bool(good.all()):
            last = np.minimum(measured.done, until - first - 1)
            value = torch.from_numpy(columns.loss[np.arange(len(last)), last])
            stack.drop(good, value, first + measured.done)

    def _measures_state(self, step: int) -> bool:
        """Whether something is due that the kernels do not measure."""
        record = self._stack.spec.record
        cadences = [record.probe, record.features, record.hessian, record.accuracy]
        if self._stack.spec.batch_size is not None:
            cadences.append(record.curvature)
        return any(self._stack.due(cadence, step) for cadence in cadences)

    def _plan(self, steps: range) -> Plan:
        """What is due in these steps, and the rates and batches that are known beforehand."""
        stack = self._stack
        record, needs = stack.spec.record, stack.schedule.needs
        curvature, taylor = (
            np.array([stack.due(cadence, step) for step in steps])
            for cadence in (record.curvature, record.taylor)
        )
        rates = np.full((len(stack.members), len(steps)), np.nan)
        if not needs:
            rate = stack.previous
            for t, step in enumerate(steps):
                moment = Moment(
                    step, stack.spec.steps, stack.learning_rate, stack.options, previous=rate
                )
                rate = stack.schedule.rule(moment)
                rates[:, t] = rate.numpy()
        return Plan(
            curvature | (needs == "sharpness"),
            taylor,
            rates,
            stack.data.indices(steps, stack.members).numpy(),
        )
