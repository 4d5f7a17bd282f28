"""What one run is: the frozen specification from which its numbers follow.

A run's ``id`` is a digest of everything that its records depend on, written as canonical JSON, so
the same run has the same id in every study, on every machine, and however the grid around it grows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

#: Divergence rule: a run whose loss is not finite, or exceeds this multiple of the larger of its
#: initial loss and the loss of the constant predictor, has diverged. Far above the factor 10 that
#: the catapult claims tolerate, so that rule never decides a claim by itself.
DIVERGENCE_RATIO = 1e4

#: A run is *stable* when it finished and its late loss (mean over the last tenth of its steps) is
#: below this multiple of the constant predictor's loss. It separates a net that still learns from
#: one whose units all died in a spike, which sits at exactly 1. [operational]
STABLE_RATIO = 0.95


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """First ``length`` hex digits of the SHA-256 of ``canonical_json(value)``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


@dataclass(frozen=True)
class DataSpec:
    """A data set with its split; ``seed`` fixes the split (and the draw, if it is synthetic)."""

    name: str
    n_train: int = 256
    n_validation: int = 256
    n_test: int = 512
    n_probe: int = 64
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScheduleSpec:
    """A learning-rate schedule by registry name with its options, and a gradient scaling."""

    name: str = "constant"
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient_scaling: str = "none"

    @property
    def label(self) -> str:
        """Readable name: ``constant``, ``sharpness(2.5)``, ``constant+depthwise``."""
        values = ",".join(f"{value:g}" for _, value in sorted(self.options.items()))
        scaling = "" if self.gradient_scaling == "none" else f"+{self.gradient_scaling}"
        return f"{self.name}({values}){scaling}" if values else f"{self.name}{scaling}"


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
    ``features``   per layer: soft and stable rank, kernel alignment, weight movement; accuracies
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


@dataclass(frozen=True)
class RunSpec:
    """One run of the grid.

    ``width`` is the width argument given to the parameterization. ``base_width`` is the width of
    the grid cell it belongs to; the two differ only where ``matched_to`` names the parameterization
    (``"nup(r=2)"``) whose parameter count a constant width was chosen to match.
    ``learning_rate`` is None for schedules that set the rate from what they measure.
    """

    experiment: str
    data: DataSpec
    parameterization: str
    depth: int
    width: int
    activation: str
    schedule: ScheduleSpec
    learning_rate: float | None
    seed: int
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)
    base_width: int = 0
    matched_to: str = ""
    weight_variance: float = 1.0
    loss: str = "mse"
    batch_size: int | None = None
    dtype: str = "float32"
    record: RecordSpec = field(default_factory=RecordSpec)
    optimizer: OptimizerSpec = field(default_factory=OptimizerSpec)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """The inverse of ``to_dict``."""
        nested = {
            "data": DataSpec(**values["data"]),
            "schedule": ScheduleSpec(**values["schedule"]),
            "record": RecordSpec(**values["record"]),
            "optimizer": OptimizerSpec(**values["optimizer"]),
        }
        return cls(**{**values, **nested})

    # Planning asks thousands of runs for these again and again.

    @cached_property
    def id(self) -> str:
        """12 hex digits, stable across machines and versions of the grid around the run."""
        return digest(self.to_dict())

    @cached_property
    def stack_key(self) -> str:
        """Runs with equal keys have equal shapes and measurements and can train as one stack.

        Only the learning rate, the seed and the options of the schedule may differ within a stack.
        """
        values = self.to_dict()
        del values["learning_rate"], values["seed"], values["schedule"]["options"]
        return canonical_json(values)


@dataclass(frozen=True)
class InitSpec:
    """One net measured at its initialization, without training; with its NTK if ``kernel``."""

    experiment: str
    data: DataSpec
    parameterization: str
    depth: int
    width: int
    activation: str
    weight_variance: float
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    kernel: bool = False


@dataclass(frozen=True)
class PhaseSpec:
    """The critical learning rates of one net, written as c = η λ_0, at one seed.

    ``steps``       T, the length of the runs that tell catapult and divergence
    ``early``       the first steps, in which loss and sharpness rise or do not
    ``sharpness``   whose top eigenvalue λ is: ``hessian`` or ``gauss_newton``, preconditioned
    ``log2_from``, ``log2_to``  range of log2 c
    ``scan``        values of c an octave at which every net is looked at first
    ``resolution``  values of c an octave to which lines are then bisected, a multiple of ``scan``
    """

    experiment: str
    data: DataSpec
    parameterization: str
    depth: int
    width: int
    activation: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    base_width: int = 0
    matched_to: str = ""
    weight_variance: float = 1.0
    steps: int = 64
    early: int = 4
    sharpness: str = "hessian"
    log2_from: float = -1.0
    log2_to: float = 6.0
    scan: int = 2
    resolution: int = 8
    loss: str = "mse"
    dtype: str = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhaseSpec:
        """The inverse of ``to_dict``."""
        return cls(**{**values, "data": DataSpec(**values["data"])})

    @property
    def id(self) -> str:
        """12 hex digits, stable across machines and versions of the grid around the net."""
        return digest(self.to_dict())

    @property
    def cell_key(self) -> str:
        """Specifications with equal keys differ in the seed alone and are searched together."""
        values = self.to_dict()
        del values["seed"]
        return canonical_json(values)
