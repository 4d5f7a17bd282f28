"""A stretch of steps of a whole stack by compiled kernels, run after run, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 (loads the BLAS that the kernels call)
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from nup.kernels import steps
from nup.kernels.blas import rows_per_call
from nup.kernels.elementwise import Slopes
from nup.kernels.lanczos import Krylov
from nup.kernels.network import Memory, Shape
from nup.kernels.steps import Columns, Problem, Run, Workspace
from nup.networks.mlp import Network
from nup.training.backends.scope import GIVEN, LOSSES, MEASURING

Array = npt.NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What a stack's stretches have in common."""

    loss: str
    depthwise: bool
    schedule: str  # name of the schedule; rates are given where it is not in ``MEASURING``
    tolerance: float
    products: int
    batch_size: int | None


@dataclass(frozen=True)
class Plan:
    """What is due in the steps of a stretch, and the rates and batches that are known ahead."""

    curvature: Array  # [T]
    taylor: Array  # [T]
    rates: Array  # [E, T]; NaN where the schedule finds them
    batches: Array  # [E, T, batch size], or [E, T, 0] for full batch
    final: bool  # the last of the steps is the final state


@dataclass(frozen=True)
class State:
    """The runs of a stack, as they are changed in place: weights and displacements [E, N]."""

    weights: Tensor
    moved: Tensor
    starts: Tensor  # start vectors of λ_t [E, 2, n·d_out]
    c: Array  # [E]
    limits: Array  # [E]
    previous: Array  # [E]


@dataclass(frozen=True)
class Measured:
    """What a stretch leaves: ``done`` steps of each run, and columns [E, T, …] of ``Columns``.

    ``sizes`` are the numbers of preactivations of a step whose squares were summed.
    """

    done: Array  # [E]
    columns: Columns
    sizes: Array  # [l]

    @property
    def known(self) -> Array:
        """Whether a step was done. [E, T]"""
        return np.arange(self.columns.loss.shape[1]) < self.done[:, None]


class Stretches:
    """Trains the runs of a stack between two measurements of their state."""

    def __init__(
        self, network: Network, inputs: Tensor, targets: Tensor, settings: Settings
    ) -> None:
        self._settings = settings
        self._inputs, self._targets = inputs.numpy(), targets.numpy()
        dtype = self._inputs.dtype.type
        self._shape = _shape(network, dtype)
        parameterization = network.parameterization
        gains, betas = np.array(network.gains), np.array(parameterization.branch_multipliers)
        self._factors = np.array(parameterization.lr_factors, dtype)
        self._powers = ((gains / betas) ** 2).astype(dtype)
        self._threads = torch.get_num_threads()
        self._workspaces: SimpleQueue[Workspace] = SimpleQueue()
        for _ in range(self._threads):
            self._workspaces.put(_workspace(self._shape, self._inputs, settings))

    def run(self, state: State, plan: Plan) -> Measured:
        """Train every run for the steps of the plan, or until it diverges."""
        members, length = plan.rates.shape
        columns = _columns(members, length, len(self._factors))
        problem = Problem(
            inputs=self._inputs,
            targets=self._targets,
            factors=self._factors,
            powers=self._powers,
            classes=LOSSES[self._settings.loss],
            depthwise=self._settings.depthwise,
            rule=MEASURING.get(self._settings.schedule, GIVEN),
            tolerance=self._settings.tolerance,
            curvature=plan.curvature,
            taylor=plan.taylor,
            final=plan.final,
        )
        weights, moved, starts = (
            tensor.numpy() for tensor in (state.weights, state.moved, state.starts)
        )

        def train(member: int, workspace: Workspace) -> int:
            run = Run(
                weights=weights[member],
                moved=moved[member],
                rates=plan.rates[member],
                batches=plan.batches[member],
                c=float(state.c[member]),
                limit=float(state.limits[member]),
                previous=float(state.previous[member]),
                start=starts[member],
            )
            own = Columns(*(column[member] for column in columns))
            return int(steps.steps(problem, self._shape, run, own, workspace))

        done = self._for_each(members, train)
        samples = plan.batches.shape[-1] or len(self._inputs)
        return Measured(np.array(done), columns, samples * self._shape.widths[1:])

    def outputs(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """f of every run on ``inputs`` [n, m_0], with its weights [E, N]. [E, n, m_l]"""
        members, samples = len(weights), len(self._inputs)
        found = weights.new_empty(members, len(inputs), int(self._shape.widths[-1]))
        arrays, at, out = weights.numpy(), inputs.numpy(), found.numpy()

        def evaluate(member: int, workspace: Workspace) -> None:
            memory = workspace.memory
            steps.outputs(arrays[member], at, self._shape, memory, samples, out[member])

        self._for_each(members, evaluate)
        return found

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
    widths = np.array(network.parameterization.widths, np.int64)
    positive, negative, kink = network.slopes
    return Shape(
        widths=widths,
        weight_at=np.concatenate([[0], np.cumsum(widths[1:] * widths[:-1])]),
        unit_at=np.concatenate([[0], np.cumsum(widths[1:])]),
        gains=np.array(network.gains, dtype),
        skip=np.array(network.parameterization.skip, np.bool_),
        slopes=Slopes(dtype(positive), dtype(negative), dtype(kink)),
        multiplier=dtype(network.output_multiplier),
        rows=rows_per_call(widths[:-1], widths[1:], _architecture()),
    )


def _workspace(shape: Shape, inputs: Array, settings: Settings) -> Workspace:
    """Room for one run and all samples; what is never used never takes memory."""
    samples, d_in = inputs.shape
    batch = settings.batch_size or 0
    depth, d_out = len(shape.gains), int(shape.widths[-1])
    units, widest = int(shape.unit_at[-1]), int(shape.widths.max())

    largest = int(np.diff(shape.weight_at).max())

    def empty(*sizes: int) -> Array:
        return np.empty(sizes, inputs.dtype)

    outputs = samples * d_out
    return Workspace(
        memory=Memory(
            h=empty(samples * units),
            x=empty(samples * units),
            delta=empty(samples * units),
            scratch=empty(6, samples * widest),
            squares=np.zeros((depth, 3)),
            turned=empty(largest),
        ),
        krylov=Krylov(
            basis=empty(min(settings.products, outputs), outputs),
            images=empty(min(settings.products, outputs), outputs),
            grams=empty(depth, samples * samples),
            narrow=empty(largest),
            found=empty(outputs),
        ),
        gradient=empty(int(shape.weight_at[-1])),
        factors=empty(depth),
        p=empty(samples, d_out),
        series=empty(2, samples, d_out),
        batch_inputs=empty(batch, d_in),
        batch_targets=empty(batch, d_out),
    )


def _columns(members: int, length: int, depth: int) -> Columns:
    def missing(*sizes: int) -> Array:
        return np.full((members, length, *sizes), np.nan)

    return Columns(
        loss=missing(),
        rate=missing(),
        sharpness=missing(3),
        taylor=missing(3),
        fallback=np.zeros((members, length), np.bool_),
        layers=missing(depth, 5),
    )
