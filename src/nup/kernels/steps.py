"""The steps of one run between two measurements of its state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nup.kernels import elementwise, lanczos, losses, scalings, schedules
from nup.kernels.elementwise import Array
from nup.kernels.gauss_newton import Linearized, Room
from nup.kernels.jit import entry, jit
from nup.kernels.lanczos import Krylov
from nup.kernels.network import (
    Flags,
    Integers,
    Memory,
    Shape,
    backward,
    cotangents,
    forward,
    jets,
    samples_of,
)
from nup.kernels.schedules import BY_SHARPNESS, BY_SLOPE, BY_TAYLOR

Doubles = npt.NDArray[np.float64]

#: Where ξ stands in ``Sums.layers``.
XI = 4


class Problem(NamedTuple):
    """What the runs of a stack have in common. Samples: [n, ·]."""

    inputs: Array
    targets: Array
    factors: Array  # c_k [l]
    classes: bool  # cross-entropy
    scaling: int  # of gradients, as in ``nup.kernels.scalings``
    limit: float  # of ξ and of 1/ξ
    rule: int
    adaptive: bool  # AdamW
    moments: tuple[float, float, float, float]  # its β₁, β₂, ε and weight decay
    tolerance: float  # of λ_t
    cold: tuple[float, int]  # that of the first one, and the vectors that it takes at least
    sharpness: Flags  # [T]: λ_t is due
    hessian: Flags  # [T]: the Hessian's top eigenvalue is due
    taylor: Flags  # [T]: T1 … T3 are due
    final: bool  # the last of the steps is the final state: it is measured and stays


class Run(NamedTuple):
    """One run: its state, which is changed, and what it is told."""

    weights: Array  # [N]
    displacement: Array  # [N], W(t) − W(0)
    first: Array  # AdamW's moments [N], or [0]
    second: Array
    initial: Array  # what the gradient scaling remembers of the first step [l], or [0]
    updates: int  # done before
    rates: Doubles  # η_t where given [T]
    batches: Integers  # indices of the samples of each step [T, batch size], or [T, 0]: all
    c: float  # of the schedules that measure
    limit: float  # loss beyond which the run has diverged
    previous: float  # η_{t−1}, NaN before the first step
    sharpness: Array  # start vectors of the next λ_t and of the one after it [2, n·d_out]
    hessian: Array  # the same of the Hessian [2, N], or [2, 0]


class Sums(NamedTuple):
    """What is found of each step; NaN where it was not measured."""

    loss: Doubles  # [T]
    rate: Doubles  # [T]
    sharpness: Doubles  # [T, 3]: λ_t, its residual, its products
    hessian: Doubles  # [T, 3]: the same of the Hessian
    taylor: Doubles  # [T, 3]
    fallback: Flags  # [T]
    layers: Doubles  # [T, l, 5]: Σh², ‖U‖², ‖P‖², ⟨U, P⟩, ξ; P is the displacement


class Workspace(NamedTuple):
    """Room that one thread needs."""

    memory: Memory
    room: Room
    outputs: Krylov  # of the Gauss–Newton matrix
    weights: Krylov  # of the Hessian
    gradient: Array  # [N]
    factors: Array  # c_k ξ_k [l]
    scales: Array  # U_k is this times what lies in ``gradient`` [l]
    p: Array  # softmax of the outputs, of as many samples as there are [n, d_out]
    series: Array  # [2, n, d_out]
    batch_inputs: Array  # [batch size, m_0]
    batch_targets: Array  # [batch size, d_out]


@entry
def steps(  # noqa: C901 (a step, in its order)
    problem: Problem, shape: Shape, run: Run, sums: Sums, work: Workspace
) -> int:
    """Train for T steps; returns how many were done: less than T if the run diverged there.

    The loss at which it diverged is in ``sums.loss`` then. λ_t is that of all samples.
    """
    previous = run.previous
    count = run.rates.size
    inputs, targets = problem.inputs, problem.targets
    minibatch = run.batches.shape[1] > 0
    for t in range(count):
        final = problem.final and t + 1 == count
        if minibatch:
            inputs, targets = work.batch_inputs, work.batch_targets
            _gather(problem.inputs, run.batches[t], inputs)
            _gather(problem.targets, run.batches[t], targets)
        forward(run.weights, inputs, shape, work.memory)
        sums.loss[t] = _loss(targets, problem.classes, shape, work)
        if not (np.isfinite(sums.loss[t]) and sums.loss[t] <= run.limit):
            return t
        backward(run.weights, inputs, shape, work.memory, work.gradient)
        first = t == 0 and np.isnan(run.previous)
        _scale_factors(problem, run, inputs, first, shape, work, sums.layers[t])
        if problem.adaptive:
            _adapt(problem, run, t, shape, work)
        # Jets and Hessian want the cotangents, which the Gauss–Newton products overwrite.
        rate = run.rates[t]
        if problem.rule == BY_SLOPE:
            rate = schedules.rate_by_slope(run.c, sums.loss[t], work.gradient, work.scales, shape)
        by_taylor = problem.rule == BY_TAYLOR and not final
        if problem.taylor[t] or by_taylor:
            order = 3 if problem.taylor[t] else 2
            coefficients = _taylor(problem, run, inputs, targets, order, shape, work)
            if problem.taylor[t]:
                elementwise.copy(sums.taylor[t], coefficients[:3])
            if by_taylor:
                sums.fallback[t] = coefficients[1] <= 0
                rate = schedules.rate_by_taylor(run.c, coefficients, previous)
        # Each of True and False as an argument would make a kernel of its own to compile.
        for of_hessian, due in ((True, problem.hessian[t]), (False, problem.sharpness[t])):
            if due:
                found = sums.hessian[t] if of_hessian else sums.sharpness[t]
                _curvature(problem, run, of_hessian, minibatch, first, shape, found, work)
        if problem.sharpness[t] and problem.rule == BY_SHARPNESS:
            rate = run.c / sums.sharpness[t, 0]
        if final:
            for k in range(shape.betas.size):
                moved = run.displacement[shape.weight_at[k] : shape.weight_at[k + 1]]
                sums.layers[t, k, 2] = elementwise.dot(moved, moved)
            break
        sums.rate[t] = rate
        previous = rate
        _update(run, rate, shape, work, sums.layers[t])
    return count


@jit
def _gather(samples: Array, chosen: Integers, out: Array) -> None:
    for i in range(chosen.size):
        for j in range(out.shape[1]):
            out[i, j] = samples[chosen[i], j]


@jit
def _loss(targets: Array, classes: bool, shape: Shape, work: Workspace) -> float:
    """The loss; leaves softmax(f) in ``work.p`` and the last δ in the memory."""
    n, depth = targets.shape[0], shape.betas.size
    h = samples_of(work.memory.h, shape, depth - 1, n)
    value = losses.value(h, targets, shape.multiplier, classes, work.p)
    out = samples_of(work.memory.delta, shape, depth - 1, n)
    losses.cotangent(h, targets, shape.multiplier, classes, work.p, out)
    return value


@jit
def _scale_factors(
    problem: Problem,
    run: Run,
    inputs: Array,
    first: bool,
    shape: Shape,
    work: Workspace,
    layers: Doubles,
) -> None:
    """c_k ξ_k, and what gives U_k from what the backward pass left in ``gradient``."""
    memory, xi = work.memory, layers[:, XI]
    scalings.scales(
        problem.scaling, inputs, problem.factors, work.gradient, shape, memory, work.room.grams, xi
    )
    if run.initial.size:
        scalings.since_first(run.initial, first, xi)
    for k in range(shape.betas.size):
        layers[k, 0] = memory.squares[k, 0]
        xi[k] = scalings.clipped(xi[k], problem.limit)
        work.factors[k] = problem.factors[k] * xi[k]
        work.scales[k] = work.factors[k] * shape.betas[k]


@jit
def _adapt(problem: Problem, run: Run, t: int, shape: Shape, work: Workspace) -> None:
    """AdamW's direction takes the gradient's place."""
    kind, done = shape.betas.dtype.type, run.updates + t + 1
    beta1, beta2, eps, decay = problem.moments
    rule = (kind(beta1), kind(beta2), kind(eps), kind(decay))
    bias = (kind(1 - beta1**done), kind(1 - beta2**done))
    for k in range(shape.betas.size):
        part = slice(shape.weight_at[k], shape.weight_at[k + 1])
        elementwise.adaptive(
            run.weights[part],
            work.gradient[part],
            run.first[part],
            run.second[part],
            work.scales[k],
            rule,
            bias,
        )
        work.scales[k] = 1


@jit
def _taylor(
    problem: Problem,
    run: Run,
    inputs: Array,
    targets: Array,
    order: int,
    shape: Shape,
    work: Workspace,
) -> Doubles:
    """T1 … T3 along the update up to ``order``, and T2 of the linearized network. [4]"""
    adjoint = jets(
        run.weights, inputs, work.gradient, work.scales, order, shape, work.memory, work.series
    )
    coefficients = np.empty(4)
    h = samples_of(work.memory.h, shape, shape.betas.size - 1, inputs.shape[0])
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
    return coefficients


@jit
def _curvature(
    problem: Problem,
    run: Run,
    of_hessian: bool,
    minibatch: bool,
    first: bool,
    shape: Shape,
    found: Doubles,
    work: Workspace,
) -> None:
    """Top eigenvalue on all samples, left in ``found`` with its residual and products.

    It starts from the vector of two measurements ago; the ``first`` leaves its to the next two.
    """
    if minibatch:
        forward(run.weights, problem.inputs, shape, work.memory)
        _loss(problem.targets, problem.classes, shape, work)
        if of_hessian:
            cotangents(run.weights, problem.inputs.shape[0], shape, work.memory)
    tolerance, least = problem.cold if first else (problem.tolerance, 0)
    krylov, starts = work.outputs, run.sharpness
    if of_hessian:
        krylov, starts = work.weights, run.hessian
    at = Linearized(run.weights, problem.inputs, work.factors, problem.classes, work.p)
    found[0], found[1], found[2] = lanczos.top_eigenvalue(
        at, of_hessian, shape, work.memory, work.room, krylov, starts[0], tolerance, least
    )
    if elementwise.all_finite(krylov.found):
        elementwise.copy(starts[0], krylov.found if first else starts[1])
        elementwise.copy(starts[1], krylov.found)


@jit
def _update(run: Run, rate: float, shape: Shape, work: Workspace, layers: Doubles) -> None:
    """W_k ← W_k − η U_k."""
    for k in range(shape.betas.size):
        start, end = shape.weight_at[k], shape.weight_at[k + 1]
        sums = elementwise.descend(
            run.weights[start:end],
            run.displacement[start:end],
            work.gradient[start:end],
            work.scales[k],
            shape.betas.dtype.type(rate),
        )
        layers[k, 1], layers[k, 2], layers[k, 3] = sums
