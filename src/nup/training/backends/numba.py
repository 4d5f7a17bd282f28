"""Steps of a stack by compiled kernels: run after run, in cache, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 (loads the BLAS that the kernels call)
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from nup.curvature.lanczos import COLD_PRODUCTS, COLD_TOLERANCE, MOST_PRODUCTS, TOLERANCE
from nup.kernels import network, scalings, steps
from nup.kernels.blas import rows_per_call
from nup.kernels.elementwise import Slopes
from nup.kernels.gauss_newton import Room
from nup.kernels.lanczos import Krylov
from nup.kernels.network import Memory, Shape
from nup.kernels.schedules import BY_SHARPNESS, BY_SLOPE, BY_TAYLOR, GIVEN
from nup.kernels.steps import Problem, Run, Workspace
from nup.networks.mlp import Network
from nup.training.backends import Segment, Sums
from nup.training.backends.scope import LOSSES
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
        self._inputs, self._targets = (
            split["train"].numpy() for split in (stack.data.inputs, stack.data.targets)
        )
        self._shape = _shape(stack.network, self._inputs.dtype.type)
        self._threads = torch.get_num_threads()
        self._workspaces: SimpleQueue[Workspace] = SimpleQueue()
        for _ in range(self._threads):
            self._workspaces.put(_workspace(self._shape, self._inputs, stack))

    def advance(self, state: State, segment: Segment) -> tuple[State, Sums]:
        """Train every run for the steps of the segment, or until it diverges."""
        members, length = len(state.members), len(segment.steps)
        sums = _sums(members, length, len(self._shape.betas))
        problem, rates = self._problem(segment), self._rates(state, segment)
        weights, displacement, sharpness, hessian, limits, previous = (
            tensor.numpy()
            for tensor in (
                state.parameters,
                state.displacement,
                state.sharpness,
                state.hessian,
                state.limit,
                state.previous,
            )
        )
        first, second = [moment.numpy() for moment in state.moments] or [
            weights[:, :0],
            weights[:, :0],
        ]
        batches = segment.batches.numpy()
        c = state.options.get("c", state.previous).numpy()
        state, initial = self._remembered(state, segment)

        def train(member: int, workspace: Workspace) -> int:
            run = Run(
                weights=weights[member],
                displacement=displacement[member],
                first=first[member],
                second=second[member],
                initial=initial[member],
                updates=segment.steps.start,
                rates=rates[member],
                batches=batches[member],
                c=float(c[member]),
                limit=float(limits[member]),
                previous=float(previous[member]),
                sharpness=sharpness[member],
                hessian=hessian[member],
            )
            own = steps.Sums(*(column[member] for column in sums))
            return int(steps.steps(problem, self._shape, run, own, workspace))

        done = np.array(self._for_each(members, train))
        last = torch.from_numpy(sums.rate[:, -1]).to(state.previous)
        samples = batches.shape[-1] or len(self._inputs)
        height, update, moved, product, xi = np.moveaxis(sums.layers, -1, 0)
        found = Sums(
            done,
            *sums[:-1],
            *(height, update, moved, product, xi),
            counts=samples * self._shape.widths[1:],
        )
        return state._replace(previous=last), found

    def outputs(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """f of every member on ``inputs`` [n, m_0]. [E, n, m_l]"""
        members, samples = len(parameters), len(self._inputs)
        found = parameters.new_empty(members, len(inputs), int(self._shape.widths[-1]))
        arrays, at, out = parameters.numpy(), inputs.numpy(), found.numpy()

        def evaluate(member: int, workspace: Workspace) -> None:
            memory = workspace.memory
            network.outputs(arrays[member], at, self._shape, memory, samples, out[member])

        self._for_each(members, evaluate)
        return found

    def _remembered(self, state: State, segment: Segment) -> tuple[State, Array]:
        """What the gradient scaling remembers of the first step, which fills it in. [E, l or 0]"""
        members, depth = len(state.members), len(self._shape.betas)
        if self._stack.scaling.start is None:
            return state, state.parameters.new_empty(members, 0).numpy()
        if segment.steps.start == 0:
            state = state._replace(scaling=state.parameters.new_zeros(members, depth))
        return state, state.scaling.numpy()

    def _problem(self, segment: Segment) -> Problem:
        spec, dtype = self._stack.spec, self._inputs.dtype.type
        options = spec.optimizer.options
        adaptive = spec.optimizer.name == "adamw"
        names = ("beta1", "beta2", "eps", "weight_decay")
        beta1, beta2, eps, decay = (float(options.get(name, 0.0)) for name in names)
        return Problem(
            inputs=self._inputs,
            targets=self._targets,
            factors=np.array(self._stack.network.parameterization.lr_factors, dtype),
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

        with _blas().limit(limits=1, user_api="blas"):
            if self._threads == 1:
                return [with_workspace(member) for member in range(members)]
            # Threads inherit how subnormal numbers are treated.
            with ThreadPoolExecutor(self._threads) as pool:
                return list(pool.map(with_workspace, range(members)))


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process: a run's products are too small to share out."""
    return ThreadpoolController()


def _architecture() -> str:
    """The processor for which OpenBLAS has chosen its kernels; empty with another BLAS."""
    found = (library.info() for library in _blas().lib_controllers)
    return next((str(each["architecture"]) for each in found if "architecture" in each), "")


def _shape(network: Network, dtype: Any) -> Shape:
    net, phi = network.parameterization, network.activation
    widths = np.array(net.widths, np.int64)
    return Shape(
        widths=widths,
        weight_at=np.concatenate([[0], np.cumsum(widths[1:] * widths[:-1])]),
        unit_at=np.concatenate([[0], np.cumsum(widths[1:])]),
        betas=np.array(net.branch_multipliers, dtype),
        skip=np.array(net.skip, np.bool_),
        slopes=Slopes(dtype(phi.positive_slope), dtype(phi.negative_slope)),
        multiplier=dtype(net.output_multiplier),
        rows=rows_per_call(widths[:-1], widths[1:], _architecture()),
    )


def _workspace(shape: Shape, inputs: Array, stack: Stack) -> Workspace:
    """Room for one run and all samples; what is never used never takes memory."""
    samples, d_in = inputs.shape
    batch = stack.spec.batch_size or 0
    depth, d_out = len(shape.betas), int(shape.widths[-1])
    units, widest = int(shape.unit_at[-1]), int(shape.widths.max())
    weights, largest = int(shape.weight_at[-1]), int(np.diff(shape.weight_at).max())

    def empty(*sizes: int) -> Array:
        return np.empty(sizes, inputs.dtype)

    def krylov(size: int) -> Krylov:
        products = min(MOST_PRODUCTS, size)
        return Krylov(empty(products, size), empty(products, size), empty(size))

    return Workspace(
        memory=Memory(
            h=empty(samples * units),
            x=empty(samples * units),
            delta=empty(samples * units),
            scratch=empty(6, samples * widest),
            squares=np.zeros((depth, 3)),
            turned=empty(largest),
        ),
        room=Room(
            grams=empty(depth, samples * samples),
            narrow=empty(largest),
            tangents=empty(samples * units),
            direction=empty(weights),
        ),
        outputs=krylov(samples * d_out),
        weights=krylov(weights),
        gradient=empty(weights),
        factors=empty(depth),
        scales=empty(depth),
        p=empty(samples, d_out),
        series=empty(2, samples, d_out),
        batch_inputs=empty(batch, d_in),
        batch_targets=empty(batch, d_out),
    )


def _sums(members: int, length: int, depth: int) -> steps.Sums:
    def missing(*sizes: int) -> Array:
        return np.full((members, length, *sizes), np.nan)

    return steps.Sums(
        loss=missing(),
        rate=missing(),
        sharpness=missing(3),
        hessian=missing(3),
        taylor=missing(3),
        fallback=np.zeros((members, length), np.bool_),
        layers=missing(depth, 5),
    )
