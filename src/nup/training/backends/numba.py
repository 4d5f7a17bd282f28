"""Steps of a stack by compiled kernels: run after run, in cache, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.curvature.lanczos import COLD_PRODUCTS, COLD_TOLERANCE, TOLERANCE
from nup.kernels import network, scalings, steps
from nup.kernels.schedules import BY_SHARPNESS, BY_SLOPE, BY_TAYLOR, GIVEN
from nup.kernels.steps import Problem, Run, Workspace
from nup.training.backends import Segment, Sums
from nup.training.backends.arrays import empty_sums, shape_of, workspace_of
from nup.training.backends.blas import libraries
from nup.training.backends.scope import LOSSES
from nup.training.edge import SPACES
from nup.training.scalings import LIMIT
from nup.training.schedules import SHARPNESS, SLOPE, TAYLOR, Moment
from nup.training.stack import Stack
from nup.training.state import State

Array = npt.NDArray[Any]
T = TypeVar("T")

#: The kernels' rules for schedules, by what these require.
_RULES = {"": GIVEN, SHARPNESS: BY_SHARPNESS, TAYLOR: BY_TAYLOR, SLOPE: BY_SLOPE}
#: Those for gradient scalings, by name.
_SCALINGS = {
    "none": scalings.NONE,
    "depthwise": scalings.DEPTHWISE,
    "equal": scalings.EQUAL,
    "per_sample": scalings.PER_SAMPLE,
    "gram": scalings.GRAM,
}


class NumbaBackend:
    """Takes the steps of a stack that ``can_compile``."""

    name = "numba"
    #: Steps taken at once at most, so that progress is seen.
    longest = 100

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._samples = [
            (each.inputs["train"].numpy(), each.targets["train"].numpy())
            for each in stack.data.sets
        ]
        inputs = self._samples[0][0]
        self._dtype = inputs.dtype.type
        self._shape = shape_of(stack.network, self._dtype)
        self._threads = torch.get_num_threads()
        self._workspaces: SimpleQueue[Workspace] = SimpleQueue()
        for _ in range(self._threads):
            self._workspaces.put(workspace_of(self._shape, inputs, stack))

    def advance(self, state: State, segment: Segment) -> tuple[State, Sums]:
        """Train every run for the steps of the segment, or until it diverges."""
        members, length = len(state.members), len(segment.steps)
        sums = empty_sums(members, length, len(self._shape.betas))
        problems, rates = self._problems(segment), self._rates(state, segment)
        places = self._stack.data.places(state.members)
        state = self._remembering(state, segment)

        def train(member: int, workspace: Workspace) -> int:
            run = self._run(state, segment, member, rates)
            own = steps.Sums(*(column[member] for column in sums))
            problem = problems[places[member]]
            return int(steps.steps(problem, self._shape, run, own, workspace))

        done = np.array(self._for_each(members, train))
        last = torch.from_numpy(sums.rate[:, -1]).to(state.previous)
        samples = segment.batches.shape[-1] or self._stack.data.samples
        height, update, moved, product, xi = np.moveaxis(sums.layers, -1, 0)
        found = Sums(
            done,
            *sums[:-1],
            *(height, update, moved, product, xi),
            counts=samples * self._shape.widths[1:],
        )
        return state._replace(previous=last), found

    def _run(self, state: State, segment: Segment, member: int, rates: Array) -> Run:
        """One member: views of its part of the state, which the kernels change."""
        weights = state.parameters[member].numpy()
        first, second = [moment[member].numpy() for moment in state.moments] or [weights[:0]] * 2
        kept = isinstance(state.scaling, Tensor)
        return Run(
            weights=weights,
            displacement=state.displacement[member].numpy(),
            first=first,
            second=second,
            initial=state.scaling[member].numpy() if kept else weights[:0],
            updates=segment.steps.start,
            rates=rates[member],
            batches=segment.batches[member].numpy(),
            c=float(state.options.get("c", state.previous)[member]),
            limit=float(state.limit[member]),
            previous=float(state.previous[member]),
            sharpness=state.sharpness[member].numpy(),
            hessian=state.hessian[member].numpy(),
        )

    def outputs(self, state: State, split: str) -> Tensor:
        """f of every member on a split. [E, n, m_l]"""
        data, parameters = self._stack.data, state.parameters
        inputs = [each.inputs[split].numpy() for each in data.sets]
        places = data.places(state.members)
        found = parameters.new_empty(len(parameters), len(inputs[0]), int(self._shape.widths[-1]))
        arrays, out = parameters.numpy(), found.numpy()

        def evaluate(member: int, workspace: Workspace) -> None:
            memory, at = workspace.memory, inputs[places[member]]
            network.outputs(arrays[member], at, self._shape, memory, data.samples, out[member])

        self._for_each(len(parameters), evaluate)
        return found

    def _remembering(self, state: State, segment: Segment) -> State:
        """The state with room for what the gradient scaling remembers of the first step. [E, l]"""
        if self._stack.scaling.start is None or segment.steps.start > 0:
            return state
        members, depth = len(state.members), len(self._shape.betas)
        return state._replace(scaling=state.parameters.new_zeros(members, depth))

    def unscaled_eigenvalue(
        self, state: State, chosen: Sequence[int], tolerance: float, hessian: bool = False
    ) -> Tensor:
        """Top eigenvalue with ξ = 1 of ``chosen`` members, as ``Backend`` says.

        By the final state's step of a run without gradient scaling, which moves nothing.
        """
        due, never = np.ones(1, bool), np.zeros(1, bool)
        batches = torch.empty(len(state.members), 1, 0, dtype=torch.long)
        matrices = (never, due) if hessian else (due, never)
        segment = Segment(range(1), *matrices, never, never, batches, final=True)
        problems = [
            problem._replace(
                scaling=_SCALINGS["none"],
                adaptive=False,
                rule=GIVEN,
                cold=(tolerance, problem.cold[1]),
            )
            for problem in self._problems(segment)
        ]
        places, rates = self._stack.data.places(state.members), self._rates(state, segment)

        def measure(index: int, workspace: Workspace) -> float:
            member, sums = chosen[index], empty_sums(1, 1, len(self._shape.betas))
            own = steps.Sums(*(column[0] for column in sums))
            run = self._run(state, segment, member, rates)
            run = run._replace(
                sharpness=run.sharpness.copy(),
                hessian=run.hessian.copy(),
                previous=np.nan,  # as a first measurement, of vectors that may be far
                limit=np.inf,
            )
            found = own.hessian[0] if hessian else own.sharpness[0]
            for _ in range(SPACES):
                steps.steps(problems[places[member]], self._shape, run, own, workspace)
                if not found[1] > tolerance:
                    break
            return float(found[0])

        return torch.tensor(self._for_each(len(chosen), measure), dtype=torch.float64)

    def _problems(self, segment: Segment) -> list[Problem]:
        """What the steps of a segment have in common, on each data set."""
        return [self._problem(segment, *samples) for samples in self._samples]

    def _problem(self, segment: Segment, inputs: Array, targets: Array) -> Problem:
        spec = self._stack.spec
        options = spec.optimizer.options
        adaptive = spec.optimizer.name == "adamw"
        names = ("beta1", "beta2", "eps", "weight_decay")
        beta1, beta2, eps, decay = (float(options.get(name, 0.0)) for name in names)
        return Problem(
            inputs=inputs,
            targets=targets,
            factors=np.array(self._stack.network.parameterization.lr_factors, self._dtype),
            classes=LOSSES[spec.loss],
            scaling=_SCALINGS[spec.schedule.gradient_scaling],
            limit=LIMIT,
            rule=_RULES[self._stack.schedule.requires],
            adaptive=adaptive,
            moments=(beta1, beta2, eps, decay),
            tolerance=TOLERANCE,
            cold=(COLD_TOLERANCE, COLD_PRODUCTS),
            sharpness=segment.sharpness,
            hessian=segment.hessian,
            taylor=segment.taylor,
            final=segment.final,
        )

    def _rates(self, state: State, segment: Segment) -> Array:
        """η_t of the steps of a schedule that measures nothing; else NaN. [E, T]"""
        schedule, steps = self._stack.schedule, self._stack.spec.steps
        rates = np.full((len(state.members), len(segment.steps)), np.nan)
        if schedule.requires or segment.final:
            return rates
        previous = None if segment.steps.start == 0 else state.previous
        for t, step in enumerate(segment.steps):
            moment = Moment(step, steps, state.learning_rate, state.options, previous=previous)
            previous = schedule.rule(moment)
            rates[:, t] = previous.numpy()
        return rates

    def _for_each(self, members: int, task: Callable[[int, Workspace], T]) -> list[T]:
        """Results of a task for each run, on as many threads as torch has."""

        def with_workspace(member: int) -> T:
            workspace = self._workspaces.get()
            try:
                return task(member, workspace)
            finally:
                self._workspaces.put(workspace)

        # A run's products are too small to share out.
        with libraries().limit(limits=1, user_api="blas"):
            if self._threads == 1:
                return [with_workspace(member) for member in range(members)]
            # Threads inherit how subnormal numbers are treated.
            with ThreadPoolExecutor(self._threads) as pool:
                return list(pool.map(with_workspace, range(members)))
