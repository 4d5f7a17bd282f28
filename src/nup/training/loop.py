"""Training of a stack of same-shape runs: one loop over segments of steps, whatever takes them.

A segment begins where the state is to be measured. Measure, take its steps, record, drop the runs
that diverged. Row t of the records describes the state before update t: the loss, the scaled
gradient U_k = c_k ξ_k ∂L/∂W_k, the optimizer's direction D_k (which for ``sgd`` is U_k), curvature
and Taylor coefficients where due, the schedule's η_t, and the update W_k ← W_k − η_t D_k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from nup.errors import UserError
from nup.specs import DIVERGENCE_RATIO, RunSpec
from nup.training import edge, operations, snapshots, stack
from nup.training.backends import Backend, Segment, Sums
from nup.training.backends.numba import NumbaBackend
from nup.training.backends.scope import can_compile
from nup.training.backends.torch import TorchBackend
from nup.training.batches import Data
from nup.training.context import Context
from nup.training.observables import (
    HESSIAN,
    SHARPNESS,
    TAYLOR,
    Observable,
    cadence,
    due,
    recorded,
    rows,
)
from nup.training.observables.accuracy import held_out
from nup.training.recorder import Recorder, Records
from nup.training.snapshots import Follower, Snapshot
from nup.training.stack import Stack
from nup.training.state import State, keep

#: Called with (steps done, steps, runs still training).
Progress = Callable[[int, int, int], None]


def train(
    specs: Sequence[RunSpec],
    data: Data,
    device: str = "cpu",
    progress: Progress | None = None,
    compiled: bool = True,
    known: MutableMapping[str, float] | None = None,
    keeper: Follower | None = None,
) -> Records:
    """Train runs of one ``stack_key`` together and return their records.

    A run's numbers do not depend on the others of its stack beyond rounding.

    Args:
        specs: the runs.
        data: what they are trained on; by seed, where runs draw their data by different ones.
        device: where torch computes.
        progress: told after every segment.
        compiled: whether compiled kernels may take the steps that they can; without, all are taken
            by torch on stacks. The two differ in rounding alone.
        known: λ_0 of nets at their start that are known already, by ``RunSpec.start_key``. Those
            measured for rates in units of the edge are added.
        keeper: where training goes on from, and offered a snapshot after every segment. Numbers do
            not depend on whether, and where, training was interrupted.

    Raises:
        UserError: a schedule, loss or batch size that does not fit.
        Interrupted: the keeper was told to stop.
    """
    if len({spec.stack_key for spec in specs}) != 1:
        raise UserError(
            "runs of one stack must differ in learning rate, seeds and schedule options alone"
        )
    with torch.no_grad():
        made, state = stack.make(specs, data, device)
        kernels = compiled and can_compile(specs[0], device)
        backend: Backend = NumbaBackend(made) if kernels else TorchBackend(made)
        training = _Training(made, backend, specs, {} if known is None else known, keeper)
        return training.run(state, progress)


class _Training:
    """One stack on its way through the steps."""

    def __init__(
        self,
        made: Stack,
        backend: Backend,
        specs: Sequence[RunSpec],
        known: MutableMapping[str, float],
        keeper: Follower | None,
    ) -> None:
        self._stack, self._backend, self._steps = made, backend, specs[0].steps
        self._specs, self._known, self._keeper = specs, known, keeper
        self._recorder = Recorder(specs, backend.name)
        self._observables = recorded(made.spec)
        self._rows = {step for table in ("steps", "layers") for step in rows(made.spec, table)}

    def run(self, state: State, progress: Progress | None) -> Records:
        """All segments that are left, and the summary of the final state."""
        step, state = self._start(state)
        while step <= self._steps and len(state.members):
            segment = self._segment(step, state.members)
            state = self._take(segment, state)
            step = segment.steps.stop
            if progress is not None:
                progress(step - 1, self._steps, len(state.members))
            if self._keeper is not None:
                self._keeper.offer(partial(self._snapshot, step, state))
        if len(state.members):
            context = self._context(state, self._steps, torch.empty(len(state.members), 0))
            final = held_out(context, ("train", "validation", "test"))
            self._recorder.put_final(state.members, final)
        return self._recorder.records(self._stack.null_losses.numpy())

    def _start(self, state: State) -> tuple[int, State]:
        """The first step to take, and the state before it: as kept, or ``state`` and its rates."""
        snapshot = None if self._keeper is None else self._keeper.load()
        if snapshot is not None:
            return self._resume(snapshots.restored(snapshot), state.parameters)
        rates = edge.learning_rates(self._specs, self._backend, state, self._known)
        self._recorder.put_rates(rates)
        given = torch.tensor(rates, dtype=torch.float64).to(state.parameters)
        return 0, state._replace(learning_rate=given)

    def _snapshot(self, step: int, state: State) -> Snapshot:
        """All that changes on the way, as it is before ``step``."""
        starts = {spec.start_key for spec in self._specs}
        return snapshots.take(
            {
                "step": step,
                "state": state._asdict(),
                "recorder": self._recorder.collected(),
                "order": self._stack.data.order(),
                "known": {start: self._known[start] for start in starts & self._known.keys()},
            }
        )

    def _resume(self, kept: Mapping[str, Any], like: Tensor) -> tuple[int, State]:
        """The step and the state, on the device of ``like``, of which a snapshot was taken."""
        self._recorder.resume(kept["recorder"])
        self._stack.data.resume(kept["order"])
        self._known.update(kept["known"])
        moved = tree_map(lambda leaf: leaf.to(like.device), kept["state"])
        return kept["step"], State(**moved)

    def _take(self, segment: Segment, state: State) -> State:
        """One segment: measure, advance, record, drop."""
        first, members = segment.steps.start, state.members
        measured, state = self._measure(segment, state)
        state, sums = self._backend.advance(state, segment)
        flops, after = operations.spent(
            self._stack.spec,
            self._stack.network.parameterization,
            self._stack.data.samples,
            before=state.flops.cpu().numpy(),
            products=sums.sharpness[..., 2],
            done=sums.done,
        )
        state = state._replace(flops=torch.from_numpy(after).to(state.flops))
        if first == 0:  # the first loss sets the limit
            loss = torch.from_numpy(sums.loss[:, 0])
            least = self._stack.null_losses[members.cpu()]
            limit = DIVERGENCE_RATIO * loss.clamp_min(least)
            state = state._replace(limit=limit.to(state.limit))
        self._recorder.put(segment, members, sums, flops, measured)
        return self._survivors(state, sums, segment)

    def _survivors(self, state: State, sums: Sums, segment: Segment) -> State:
        """The state without the members that diverged, which are noted."""
        length = len(segment.steps)
        good = sums.done == length
        if good.all():
            return state
        self._recorder.put_diverged(segment, state.members, sums, state.limit)
        return keep(state, torch.from_numpy(good.nonzero()[0]).to(state.members))

    def _segment(self, first: int, members: Tensor) -> Segment:
        """The steps from ``first`` on: to where a state is due, or as many as the backend takes.

        The final state and the first step, whose loss sets the limit, are segments of their own.
        """
        final = first == self._steps
        longest = 1 if first == 0 or final else self._backend.longest
        following = range(first + 1, max(first + 1, min(first + longest, self._steps)))
        ends = (step for step in following if any(self._due(each, step) for each in self._states))
        steps = range(first, next(ends, following.stop))
        everything = torch.empty(len(members), 1, 0, dtype=torch.long)
        batches = everything if final else self._stack.data.indices(steps, members)
        requires = {
            name: np.array([self._required(name, step) for step in steps])
            for name in (SHARPNESS, HESSIAN, TAYLOR)
        }
        needed = self._stack.schedule.requires == SHARPNESS
        return Segment(
            steps=steps,
            sharpness=requires[SHARPNESS] | needed,
            hessian=requires[HESSIAN],
            taylor=requires[TAYLOR],
            motion=np.array([step in self._rows for step in steps]),
            batches=batches,
            final=final,
        )

    @property
    def _states(self) -> list[Observable]:
        return [each for each in self._observables if not each.per_step]

    def _due(self, observable: Observable, step: int) -> bool:
        return due(cadence(self._stack.spec, observable.name), step, self._steps)

    def _required(self, what: str, step: int) -> bool:
        """Whether an observable that is due requires this of the backend."""
        return any(each.requires == what and self._due(each, step) for each in self._observables)

    def _context(self, state: State, step: int, batch: Tensor) -> Context:
        return Context(self._stack, state, self._backend, step, batch)

    def _measure(
        self, segment: Segment, state: State
    ) -> tuple[Mapping[str, Mapping[str, Tensor]], State]:
        """What observables of a state find at the first step of the segment, by name."""
        first = segment.steps.start
        measuring = [each for each in self._states if self._due(each, first)]
        if not measuring:
            return {}, state
        context = self._context(state, first, segment.batches[:, 0].to(state.members))
        found: dict[str, Mapping[str, Any]] = {}
        for each in measuring:
            if first == 0 and each.start is not None:
                context.memories[each.name] = each.start(context)
            found[each.name] = each.rule(context)
        return found, state._replace(memories=context.memories)
