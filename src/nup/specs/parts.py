"""The parts of a specification: data set, schedule, optimizer, what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nup.specs.identity import Part


@dataclass(frozen=True)
class DataSpec(Part):
    """A data set with its split; ``seed`` fixes the split (and the draw, if it is synthetic).

    Where a study says ``{seed: run}``, that is the seed of each run.

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
class ScheduleSpec(Part):
    """A learning-rate schedule and a gradient scaling, by registry names with their options."""

    name: str = "constant"
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient_scaling: str = "none"
    scaling_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerSpec(Part):
    """An optimizer by registry name, with every one of its options."""

    name: str = "sgd"
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialSpec(Part):
    """A rate in units of the edge that follows from how other runs of the same net and seed end.

    Trial ``number`` (from 1) of the search for the largest stable rate, after runs at the values
    ``after`` of c = η λ_0 and the trials before it. ``nup.training.boundary`` says where it is.
    """

    after: Sequence[float]
    number: int
