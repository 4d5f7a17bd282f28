"""Specifications: what one run, one net at initialization, one cell of a phase diagram is."""

from __future__ import annotations

from nup.specs.identity import Specification, canonical_json, digest, digest_of
from nup.specs.nets import InitSpec, PhaseSpec
from nup.specs.parts import DataSpec, OptimizerSpec, ScheduleSpec, TrialSpec
from nup.specs.run import BOUNDARY_RATIO, DIVERGENCE_RATIO, STABLE_RATIO, RunSpec

__all__ = [
    "BOUNDARY_RATIO",
    "DIVERGENCE_RATIO",
    "STABLE_RATIO",
    "DataSpec",
    "InitSpec",
    "OptimizerSpec",
    "PhaseSpec",
    "RunSpec",
    "ScheduleSpec",
    "Specification",
    "TrialSpec",
    "canonical_json",
    "digest",
    "digest_of",
]
