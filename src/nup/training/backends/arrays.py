"""Arrays that the kernels take: a net's sizes, room to work in, sums of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nup.curvature.lanczos import MOST_PRODUCTS
from nup.kernels.blas import rows_per_call
from nup.kernels.elementwise import Slopes
from nup.kernels.gauss_newton import Room
from nup.kernels.lanczos import Krylov
from nup.kernels.network import Memory, Shape
from nup.kernels.steps import Sums, Workspace
from nup.networks.mlp import Network
from nup.training.backends.blas import architecture
from nup.training.stack import Stack

Array = npt.NDArray[Any]


def shape_of(network: Network, dtype: Any) -> Shape:
    """Sizes and multipliers of a net, as the kernels take them."""
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
        rows=rows_per_call(widths[:-1], widths[1:], architecture()),
    )


def workspace_of(shape: Shape, inputs: Array, stack: Stack) -> Workspace:
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
            grams=empty(depth, gram_size(shape, samples) ** 2),
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


def gram_size(shape: Shape, samples: int) -> int:
    """Rows of the largest Gram matrix that a run may form.

    Products with the Gauss–Newton matrix form those of all samples, where that saves operations.
    The scaling ``gram`` forms those of samples or of units, whichever are fewer.
    """
    fan_in, fan_out = shape.widths[:-1], shape.widths[1:]
    if bool((samples * (fan_in + fan_out) < 2 * fan_in * fan_out).any()):
        return samples
    return min(samples, int(shape.widths.max()))


def empty_sums(members: int, length: int, depth: int) -> Sums:
    """Sums of T steps of every member, none of them done yet."""

    def missing(*sizes: int) -> Array:
        return np.full((members, length, *sizes), np.nan)

    return Sums(
        loss=missing(),
        rate=missing(),
        sharpness=missing(3),
        hessian=missing(3),
        taylor=missing(3),
        fallback=np.zeros((members, length), np.bool_),
        layers=missing(depth, 5),
    )
