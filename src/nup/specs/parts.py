"""The parts of a specification: data set, schedule, optimizer, what is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DataSpec:
    """A data set with its split; ``seed`` fixes the split (and the draw, if it is synthetic).

    ``contents`` is the digest of the files that the set is read from, where these are the user's
    own; empty where the files are pinned or there are none. ``nup.data.datasets.resolve`` fills it
    in.
    """

    name: str
    n_train: int = 256
    n_validation: int = 256
    n_test: int = 512
    n_probe: int = 64
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    contents: str = ""


@dataclass(frozen=True)
class ScheduleSpec:
    """A learning-rate schedule by registry name with its options, and a gradient scaling."""

    name: str = "constant"
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient_scaling: str = "none"


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer by registry name, with every one of its options."""

    name: str = "sgd"
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordSpec:
    """Every how many steps each group of observables is recorded; 0 is never.

    The first step and the final state are recorded in every group whose cadence is not 0.

    ``steps``      loss, η, update norm, displacement and cosine of the whole parameter vector
    ``curvature``  λ_t, the top eigenvalue of the preconditioned Gauss–Newton matrix
    ``taylor``     Taylor coefficients T1, T2, T3 of the loss along the update
    ``layers``     per layer: update norm, cosine, gradient scale, preactivation RMS
    ``probe``      per layer: relative evolution of the probe set's preactivations and its split
    ``features``   per layer: soft and stable rank, kernel alignment, weight movement
    ``accuracy``   accuracy and loss on validation data, accuracy on test data
    ``hessian``    largest algebraic eigenvalue of the preconditioned Hessian: dear, so never unless
                   asked for
    """

    steps: int = 1
    curvature: int = 50
    taylor: int = 0
    layers: int = 10
    probe: int = 10
    features: int = 50
    hessian: int = 0
    accuracy: int = 0
