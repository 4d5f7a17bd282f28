"""Nets that are measured otherwise than by one training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nup.specs.identity import Specification
from nup.specs.parts import DataSpec


@dataclass(frozen=True)
class InitSpec(Specification):
    """One net measured at its initialization, without training.

    ``base_width`` is the width of the grid cell, as in ``RunSpec``; 0 is the net's own.
    ``kernel`` is ``net`` where its NTK is measured as well, ``limit`` where the NTK of infinite
    width alone is, for which no weights are drawn, and empty for neither.
    """

    NESTED: ClassVar[Mapping[str, Any]] = {"data": DataSpec}

    experiment: str
    data: DataSpec
    parameterization: str
    depth: int
    width: int
    activation: str
    weight_variance: float
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    base_width: int = 0
    kernel: str = ""
    plugins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PhaseSpec(Specification):
    """The critical learning rates of one net, written as c = η λ_0, at one seed.

    ``steps``       T, the length of the runs that tell catapult and divergence
    ``early``       the first steps, in which loss and sharpness rise or do not
    ``sharpness``   whose top eigenvalue λ is: ``hessian`` or ``gauss_newton``, preconditioned
    ``log2_from``, ``log2_to``  range of log2 c
    ``scan``        values of c an octave at which every net is looked at first
    ``resolution``  values of c an octave to which lines are then bisected, a multiple of ``scan``
    """

    NESTED: ClassVar[Mapping[str, Any]] = {"data": DataSpec}

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
    plugins: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell_key(self) -> str:
        """Specifications with equal keys differ in the seed alone and are searched together."""
        return self.group_key
