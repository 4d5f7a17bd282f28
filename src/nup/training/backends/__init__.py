"""Backends: the contract by which a stack's steps are taken, and what they return of each step.

``torch`` takes them by the definitions of ``nup.networks`` and ``nup.curvature``, on any device.
``numba`` takes them by compiled kernels, for the runs that these know (``can_compile``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from nup.training.state import State

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """Steps between two measurements of the state, and what is due in them.

    ``sharpness``, ``hessian`` and ``taylor`` say where λ_t, the Hessian's top eigenvalue and the
    Taylor coefficients are due [T]; ``motion`` where norms and products of updates are [T].
    ``batches`` are the samples of each step [E, T, batch size], or [E, T, 0]: all. With ``final``
    the one step is the final state, which is measured and stays.
    """

    steps: range
    sharpness: Array
    hessian: Array
    taylor: Array
    motion: Array
    batches: Tensor
    final: bool


class Sums(NamedTuple):
    """What a backend returns of T steps of every member; NaN where it was not due, or not done.

    A member is ``done`` with fewer than T steps if it diverged: its loss there is the last one.
    U_k is the update's direction, W_k ← W_k − η U_k, and P_k the displacement before the update.
    """

    done: Array  # [E]
    loss: Array  # [E, T]
    rate: Array  # η_t [E, T]
    sharpness: Array  # λ_t, its relative residual, the products it took [E, T, 3]
    hessian: Array  # the same of the Hessian [E, T, 3]
    taylor: Array  # T1, T2, T3 [E, T, 3]
    fallback: Array  # whether the schedule met L″ ≤ 0 [E, T]
    heights: Array  # Σ h_k² [E, T, l]
    updates: Array  # ‖U_k‖² [E, T, l]
    displacements: Array  # ‖P_k‖² [E, T, l]
    products: Array  # ⟨U_k, P_k⟩ [E, T, l]
    scales: Array  # ξ_k [E, T, l]
    counts: Array  # numbers of squares in ``heights`` [l]

    @property
    def known(self) -> Array:
        """Whether a step was done. [E, T]"""
        return np.arange(self.loss.shape[1]) < self.done[:, None]


class Backend(Protocol):
    """Takes the steps of one stack.

    ``longest`` is how many steps a segment may have. ``advance`` takes over the tensors of the
    state that it is given, which is not to be used afterwards; the others leave it as it is.
    """

    name: str
    longest: int

    def advance(self, state: State, segment: Segment) -> tuple[State, Sums]:
        """The state after a segment, and the sums of its steps."""

    def outputs(self, state: State, split: str) -> Tensor:
        """f of every member on a split. [E, n, m_l]"""

    def unscaled_eigenvalue(
        self, state: State, chosen: Sequence[int], tolerance: float, hessian: bool = False
    ) -> Tensor:
        """Top eigenvalue with ξ = 1 of ``chosen`` members, on all training samples.

        Args:
            state: the state; it stays as it is.
            chosen: places of the members.
            tolerance: relative residual of the eigenpair.
            hessian: whether the matrix is the preconditioned Hessian, of a stack that requires it
                to be measured, or the Gauss–Newton matrix.

        Returns:
            Values [members chosen]; NaN where one is not finite.
        """
