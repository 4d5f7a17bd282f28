"""Which registry entries a specification uses, and the code that its numbers come from.

The packages of shipped entries are imported without a statement, so no module reaches them by its
imports. A run's code is that of training and of the entries it uses: adding or editing an entry
that no run uses changes no digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from nup.data.sources import SOURCES
from nup.jobs import provenance
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.registry import Entry, Registry, plugin_files
from nup.specs import InitSpec, PhaseSpec, RunSpec
from nup.training.observables import OBSERVABLES
from nup.training.optimizers import OPTIMIZERS
from nup.training.scalings import SCALINGS
from nup.training.schedules import SCHEDULES

#: The module that trains runs.
TRAINING = "nup.jobs.training"

S = TypeVar("S", RunSpec, InitSpec, PhaseSpec)


def used(spec: RunSpec | InitSpec | PhaseSpec) -> Iterator[tuple[str, Entry]]:
    """The registry entries that a specification names, each with the kind of its registry."""
    names: list[tuple[Registry[Any], str]] = [
        (PARAMETERIZATIONS, spec.parameterization),
        (SOURCES, spec.data.name),
    ]
    if isinstance(spec, RunSpec):
        names += [
            (SCHEDULES, spec.schedule.name),
            (SCALINGS, spec.schedule.gradient_scaling),
            (OPTIMIZERS, spec.optimizer.name),
            *((OBSERVABLES, name) for name in spec.record),
        ]
    yield from ((registry.kind, registry[name]) for registry, name in names)


def with_plugins(spec: S) -> S:
    """The specification with the digests of the plug-ins that define entries of it."""
    if not plugin_files.loaded():
        return spec
    return replace(spec, plugins=plugin_files.digests(used(spec)))


def modules(spec: RunSpec | InitSpec | PhaseSpec) -> tuple[str, ...]:
    """Names of the modules that define the entries of a specification, sorted."""
    return tuple(sorted({entry.module for _, entry in used(spec)}))


def run_code_digest(spec: RunSpec) -> str:
    """Digest of the code that a run's numbers depend on."""
    return provenance.code_digest(TRAINING, *modules(spec))
