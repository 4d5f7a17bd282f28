"""The runs behind a phase diagram, all at constant rates: as specifications, without training."""

from __future__ import annotations

from typing import Literal

from nup.phases.threshold_search import Ladder
from nup.specs import PhaseSpec, RunSpec, ScheduleSpec

#: ``initial`` measures λ_0; ``whole`` runs, of T steps, tell whether the loss rises, whether they
#: catapult and whether they are lost; ``early`` ones measure the sharpness at each first step.
Kind = Literal["initial", "whole", "early"]

#: A rate at which the weights stay where they are.
STILL = 1e-12

#: What λ is, by name: the record to ask for, and the column of ``steps`` in which it is left.
SHARPNESS = {
    "hessian": ("hessian", "hessian_sharpness"),
    "gauss_newton": ("curvature", "sharpness"),
}


def run(spec: PhaseSpec, kind: Kind, learning_rate: float = STILL) -> RunSpec:
    """The run of one kind at one rate."""
    steps = {"initial": 1, "whole": spec.steps, "early": spec.early}[kind]
    # Of whole runs λ of the Gauss–Newton matrix, at both ends.
    name, cadence = ("curvature", steps) if kind == "whole" else (SHARPNESS[spec.sharpness][0], 1)
    return RunSpec(
        experiment=spec.experiment,
        data=spec.data,
        parameterization=spec.parameterization,
        depth=spec.depth,
        width=spec.width,
        activation=spec.activation,
        schedule=ScheduleSpec(),
        learning_rate=learning_rate,
        seed=spec.seed,
        steps=steps,
        options=spec.options,
        base_width=spec.base_width,
        weight_variance=spec.weight_variance,
        loss=spec.loss,
        dtype=spec.dtype,
        record={"steps": 1, name: cadence},
    )


def ladder(spec: PhaseSpec) -> Ladder:
    """The values of c that are tried."""
    return Ladder(spec.log2_from, spec.log2_to, spec.scan, spec.resolution)


def scan(spec: PhaseSpec) -> list[RunSpec]:
    """The runs of λ_0 and of the scan as if λ_0 were 1: what a search costs, but for bisection."""
    steps = ladder(spec)
    rates = [steps.c(index) for index in steps.scanned()]
    apart = [run(spec, "whole"), run(spec, "early")]
    return [run(spec, "initial"), *(one.at(learning_rate=rate) for one in apart for rate in rates)]
