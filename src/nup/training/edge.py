"""Learning rates in units of the edge: η = c/λ_0, with λ_0 of that very net at its start.

λ_0 is the top eigenvalue of the preconditioned Gauss–Newton matrix on all training samples, also
where steps take minibatches. It is that of ξ = 1 whatever the gradient scaling, so that rates with
and without one compare. For mse c = 2 is the edge of stability at initialization. [lit] What
schedules make of η is theirs, as of any other rate. [operational]
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nup.errors import UserError
from nup.specs import RunSpec
from nup.training import schedules
from nup.training.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from nup.training.backends import Backend
    from nup.training.state import State

#: Relative residual to which λ_0 is found; λ_0 itself is nearer by far, as its square.
TOLERANCE = 1e-4
#: Krylov spaces at most, each of which starts where the last one ended.
SPACES = 8


def check(spec: RunSpec) -> None:
    """Check that the run's learning rate is given once, and goes with the rest of it.

    Raises:
        UserError: it is not a finite number > 0; it is given both ways, or not at all; the schedule
            finds its own, or the optimizer's rates have nothing to do with the edge.
    """
    if spec.trial is not None:
        for c in spec.trial.after:
            check(spec.at(edge=c, trial=None))
        return
    if spec.edge is None:
        schedules.check(spec.schedule, spec.learning_rate, spec.loss)
        return
    if spec.learning_rate is not None:
        raise UserError(
            f"expected a learning rate or one in units of the edge, got {spec.learning_rate!r} and "
            f"edge {spec.edge!r}"
        )
    if OPTIMIZERS[spec.optimizer.name].rescales:
        raise UserError(
            f"optimizer {spec.optimizer.name!r} divides the gradient by its own size, so that "
            f"η λ_0 = {spec.edge:g} says nothing about its steps: give the optimizer learning "
            "rates η of its own, {name: …, learning_rate: {log2: …}}"
        )
    schedules.check(spec.schedule, spec.edge, spec.loss)


def learning_rates(
    specs: Sequence[RunSpec], backend: Backend, state: State, known: MutableMapping[str, float]
) -> list[float]:
    """η of every run; NaN where the schedule finds it.

    Args:
        specs: runs of one stack.
        backend: of the stack; it measures λ_0.
        state: the state in which they start.
        known: λ_0 by ``RunSpec.start_key``. What is measured is added.
    """
    wanted = {
        spec.start_key: member
        for member, spec in enumerate(specs)
        if spec.edge is not None and spec.start_key not in known
    }
    if wanted:
        found = backend.unscaled_eigenvalue(state, list(wanted.values()), TOLERANCE)
        known.update(zip(wanted, found.tolist(), strict=True))
    return [_rate(spec, known) for spec in specs]


def _rate(spec: RunSpec, known: MutableMapping[str, float]) -> float:
    if spec.edge is None:
        return np.nan if spec.learning_rate is None else spec.learning_rate
    sharpness = known[spec.start_key]
    # Nothing moves a net without curvature: its run is recorded as one without a finite rate.
    return spec.edge / sharpness if sharpness > 0 else np.inf
