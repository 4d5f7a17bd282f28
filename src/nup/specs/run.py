"""What one run is: the frozen specification from which its records follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from nup.specs.identity import Specification, canonical_json
from nup.specs.parts import DataSpec, OptimizerSpec, ScheduleSpec, TrialSpec

#: Divergence rule: a run whose loss is not finite, or exceeds this multiple of the larger of its
#: initial loss and the loss of the constant predictor, has diverged. Far above the factor 10 that
#: the catapult claims tolerate, so that rule never decides a claim by itself.
DIVERGENCE_RATIO = 1e4

#: A run is *stable* when it finished and its late loss (mean over the last tenth of its steps) is
#: below this multiple of the constant predictor's loss. It separates a net that still learns from
#: one whose units all died in a spike, which sits at exactly 1. [operational]
STABLE_RATIO = 0.95

#: The same multiple where the largest stable rate is looked for: a net above it hardly learns.
BOUNDARY_RATIO = 0.7


@dataclass(frozen=True)
class RunSpec(Specification):
    """One run of the grid.

    ``width`` is the width argument given to the parameterization. ``base_width`` is the width of
    the grid cell it belongs to; the two differ only where ``matched_to`` names the parameterization
    (``"nup(r=2)"``) whose parameter count a constant width was chosen to match.
    ``record`` says every how many steps each observable is recorded; those that it does not name
    are not recorded. The first step and the final state are recorded in any case.
    ``learning_rate`` is None for schedules that set the rate from what they measure, and where the
    rate is given as ``edge``: c = η λ_0, in units of what λ_0 allows (``nup.training.edge``). Of a
    ``trial`` c follows from how other runs of the same net and seed end.
    ``plugins`` are the registry entries of the run that come from plug-ins
    (``"schedule mine"``), with the digests of their files.
    """

    NESTED: ClassVar[Mapping[str, Any]] = {
        "data": DataSpec,
        "schedule": ScheduleSpec,
        "optimizer": OptimizerSpec,
        "trial": TrialSpec,
    }
    #: Runs that differ in these alone have equal shapes and measurements: they train as one stack.
    APART: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "edge",
        "trial",
        "seed",
        "data.seed",
        "schedule.options",
    )
    LATER: ClassVar[tuple[str, ...]] = ("edge", "trial")
    KEYS: ClassVar[tuple[str, ...]] = ("group_key", "net_key")
    #: Fields that say which net starts where, with its seeds: what λ_0 depends on.
    START: ClassVar[tuple[str, ...]] = (
        "data",
        "parameterization",
        "depth",
        "width",
        "activation",
        "options",
        "base_width",
        "weight_variance",
        "loss",
        "dtype",
    )

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
    record: Mapping[str, int] = field(default_factory=dict)
    optimizer: OptimizerSpec = field(default_factory=OptimizerSpec)
    plugins: Mapping[str, str] = field(default_factory=dict)
    edge: float | None = None
    trial: TrialSpec | None = None

    @property
    def predecessors(self) -> list[RunSpec]:
        """The runs that have to end before it is known where a trial is; none of other runs."""
        if self.trial is None:
            return []
        after = self.trial.after
        trials = [TrialSpec(after, number) for number in range(1, self.trial.number)]
        return [
            *(self.at(edge=c, trial=None) for c in after),
            *(self.at(edge=None, trial=trial) for trial in trials),
        ]

    @property
    def stack_key(self) -> str:
        """Runs with equal keys train as one stack."""
        return self.group_key

    @property
    def start_key(self) -> str:
        """Equal for runs that start as the same net on the same data."""
        return f"{self.net_key} {self.seed} {self.data.seed}"

    @cached_property
    def net_key(self) -> str:
        """What ``start_key`` says but for the seeds: equal for all runs of a stack."""
        values = self.to_dict()
        del values["data"]["seed"]
        return canonical_json({name: values[name] for name in self.START})
