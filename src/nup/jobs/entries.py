"""Which registry entries a specification uses, and the code that its numbers come from.

The packages of shipped entries are imported without a statement, so no module reaches them by its
imports. A run's code is that of training and of the entries it uses: adding or editing an entry
that no run uses changes no digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from nup.data.sources import SOURCES
from nup.jobs import provenance
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.registry import Entry
from nup.specs import InitSpec, PhaseSpec, RunSpec
from nup.training.schedules import SCHEDULES

#: The module that trains runs.
TRAINING = "nup.jobs.training"


def used(spec: RunSpec | InitSpec | PhaseSpec) -> Iterator[Entry]:
    """The registry entries that a specification names."""
    yield PARAMETERIZATIONS[spec.parameterization]
    yield SOURCES[spec.data.name]
    if isinstance(spec, RunSpec):
        yield SCHEDULES[spec.schedule.name]


def modules(spec: RunSpec | InitSpec | PhaseSpec) -> tuple[str, ...]:
    """Names of the modules that define the entries of a specification, sorted."""
    return tuple(sorted({entry.module for entry in used(spec)}))


def run_code_digest(spec: RunSpec) -> str:
    """Digest of the code that a run's numbers depend on."""
    return provenance.code_digest(TRAINING, *modules(spec))
