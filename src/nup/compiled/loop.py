"""The steps of one run: what ``nup.training`` does between two measurements of its state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nup.compiled import losses, passes, spectrum
from nup.compiled.jit import entry, jit
from nup.compiled.network import Flags, Integers, Memory, Shape, backward, forward, jets, samples_of
from nup.compiled.passes import Array
from nup.compiled.spectrum import Krylov

Doubles = npt.NDArray[np.float64]

#: Numbers of the rules by which η_t is found.
GIVEN, BY_SHARPNESS, BY_TAYLOR = 0, 1, 2


class Problem(NamedTuple):
    """What the runs of a stack have in common. Samples: [n, ·]."""

    inputs: Array
    targets: Array
    factors: Array  # c_k [l]
    powers: Array  # squared gain of the features that layer k multiplies [l]
    classes: bool  # cross-entropy
    depthwise: bool  # gradient scaling ξ
    rule: int
    tolerance: float  # of λ_t
    curvature: Flags  # [T]: λ_t is due
    taylor: Flags  # [T]: T1 … T3 are due


class Run(NamedTuple):
    """One run: its state, which is changed, and what it is told."""

    weights: Array  # [N]
    moved: Array  # [N], W(t) − W(0)
    rates: Doubles  # η_t where given [T]
    batches: Integers  # indices of the samples of each step [T, batch size], or [T, 0]: all
    c: float  # of the schedules that measure
    limit: float  # loss beyond which the run has diverged
    previous: float  # η_{t−1}
    start: Array  # start vectors of the next measurement of λ_t, and of the one after. [2, n·d_out]


class Columns(NamedTuple):
    """What is recorded of each step; NaN where it was not measured."""

    loss: Doubles  # [T]
    rate: Doubles  # [T]
    sharpness: Doubles  # [T, 3]: λ_t, its residual, its products
    taylor: Doubles  # [T, 3]
    fallback: Flags  # [T]
    layers: Doubles  # [T, l, 5]: Σh², ‖U‖², ‖moved‖², ⟨U, moved⟩, ξ


class Workspace(NamedTuple):
    """Room that one thread needs."""

    memory: Memory
    krylov: Krylov
    gradient: Array  # [N]
    factors: Array  # c_k ξ_k [l]
    p: Array  # softmax of the outputs [n, d_out]
    series: Array  # [2, n, d_out]
    batch_inputs: Array  # [batch size, m_0]
    batch_targets: Array  # [batch size, d_out]


@entry
def steps(problem: Problem, shape: Shape, run: Run, columns: Columns, work: Workspace) -> int:
    """Train for T steps; returns how many were done: less than T if the run diverged there.

    The loss at which it diverged is in ``columns.loss`` then.
    """
    previous = run.previous
    count = run.rates.size
    inputs, targets = problem.inputs, problem.targets
    minibatch = run.batches.shape[1] > 0
    for t in range(count):
        if minibatch:
            inputs, targets = work.batch_inputs, work.batch_targets
            _gather(problem.inputs, run.batches[t], inputs)
            _gather(problem.targets, run.batches[t], targets)
        forward(run.weights, inputs, shape, work.memory)
        columns.loss[t] = _loss(targets, problem.classes, shape, work)
        if not (np.isfinite(columns.loss[t]) and columns.loss[t] <= run.limit):
            return t
        backward(run.weights, inputs, shape, work.memory, work.gradient)
        _scale_factors(problem, inputs.shape[0], shape, work, columns.layers[t])
        # The jets want the cotangents, which the Krylov space overwrites.
        rate = run.rates[t]
        if problem.taylor[t] or problem.rule == BY_TAYLOR:
            rate = _taylor(problem, run, inputs, targets, t, previous, shape, columns, work)
        if problem.curvature[t]:
            sharpness = _sharpness(problem, run, inputs, t, shape, columns, work)
            if problem.rule == BY_SHARPNESS:
                rate = run.c / sharpness
        if problem.rule == GIVEN:
            rate = run.rates[t]
        columns.rate[t] = rate
        previous = rate
        _update(run, rate, shape, work, columns.layers[t])
    return count


@jit
def _gather(samples: Array, chosen: Integers, out: Array) -> None:
    for i in range(chosen.size):
        for j in range(out.shape[1]):
            out[i, j] = samples[chosen[i], j]


@jit
def _loss(targets: Array, classes: bool, shape: Shape, work: Workspace) -> float:
    """The loss; leaves softmax(f) in ``work.p`` and the last δ in the memory."""
    n, depth = targets.shape[0], shape.gains.size
    h = samples_of(work.memory.h, shape, depth - 1, n)
    value = losses.value(h, targets, shape.multiplier, classes, work.p)
    out = samples_of(work.memory.delta, shape, depth - 1, n)
    losses.cotangent(h, targets, shape.multiplier, classes, work.p, out)
    return value


@jit
def _scale_factors(
    problem: Problem, n: int, shape: Shape, work: Workspace, layers: Doubles
) -> None:
    """c_k ξ_k with ξ_k = 1/(F_{k-1} B_k) as in ``nup.schedules.depthwise_scale``."""
    squares, depth = work.memory.squares, shape.gains.size
    for k in range(depth):
        xi = 1.0
        if problem.depthwise:
            power = squares[k, 1] / (n * shape.widths[k]) * problem.powers[k]
            xi = 1.0 / (power * squares[k, 2] / squares[depth - 1, 2])
            if not np.isfinite(xi):  # a layer without signal has no gradient to scale
                xi = 1.0
        layers[k, 0] = squares[k, 0]
        layers[k, 4] = xi
        work.factors[k] = problem.factors[k] * xi


@jit
def _taylor(
    problem: Problem,
    run: Run,
    inputs: Array,
    targets: Array,
    t: int,
    previous: float,
    shape: Shape,
    columns: Columns,
    work: Workspace,
) -> float:
    """Taylor coefficients along the update where due; η_t of the schedule `taylor`."""
    n, depth = inputs.shape[0], shape.gains.size
    order = 3 if problem.taylor[t] else 2
    adjoint = jets(
        run.weights, inputs, work.gradient, work.factors, order, shape, work.memory, work.series
    )
    coefficients = np.empty(4)
    h = samples_of(work.memory.h, shape, depth - 1, n)
    losses.taylor(
        h,
        targets,
        shape.multiplier,
        problem.classes,
        work.p,
        work.series,
        order,
        adjoint,
        coefficients,
    )
    if problem.taylor[t]:
        for j in range(3):
            columns.taylor[t, j] = coefficients[j]
    if problem.rule != BY_TAYLOR:
        return run.rates[t]
    columns.fallback[t] = coefficients[1] <= 0
    if coefficients[1] > 0:
        return -run.c * coefficients[0] / (2 * coefficients[1])
    return previous


@jit
def _sharpness(
    problem: Problem,
    run: Run,
    inputs: Array,
    t: int,
    shape: Shape,
    columns: Columns,
    work: Workspace,
) -> float:
    """λ_t, recorded, from the start vector of two measurements ago."""
    found = work.krylov.found
    value, residual, products = spectrum.top_eigenvalue(
        run.weights,
        inputs,
        work.factors,
        problem.classes,
        work.p,
        shape,
        work.memory,
        work.krylov,
        run.start[0],
        problem.tolerance,
        found,
    )
    columns.sharpness[t, 0] = value
    columns.sharpness[t, 1] = residual
    columns.sharpness[t, 2] = products
    if passes.all_finite(found):
        passes.copy(run.start[0], run.start[1])
        passes.copy(run.start[1], found)
    return value


@jit
def _update(run: Run, rate: float, shape: Shape, work: Workspace, layers: Doubles) -> None:
    """W_k ← W_k − η U_k with U_k = gain_k c_k ξ_k times the gradient as it lies in memory."""
    for k in range(shape.gains.size):
        start, end = shape.weight_at[k], shape.weight_at[k + 1]
        sums = passes.descend(
            run.weights[start:end],
            run.moved[start:end],
            work.gradient[start:end],
            work.factors[k] * shape.gains[k],
            shape.gains.dtype.type(rate),
        )
        layers[k, 1], layers[k, 2], layers[k, 3] = sums
