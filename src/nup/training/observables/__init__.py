"""Observables: what is recorded of training, each with its columns, cadence, memory and cost.

An observable is one module of this package, or part of a plug-in. It is found either *per step*,
from the named sums that every backend returns of a step, or *of a state*, by a function of what
``nup.training.context.Context`` offers. Declarations import no torch: the schema of the tables, the
memory model and the plan of segments follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from nup.registry import Entry, Registry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nup.specs import RunSpec

    Array = npt.NDArray[np.float64]

#: What an observable may require a backend to measure at the steps at which it is due.
SHARPNESS, HESSIAN, TAYLOR = "sharpness", "hessian", "taylor"


class Column(NamedTuple):
    """``type`` is an Arrow type name; ``unit`` is ``1`` for pure numbers, empty for labels."""

    type: str
    unit: str
    meaning: str


def series(meaning: str, unit: str = "1") -> Column:
    """A column of the tables ``steps`` and ``layers``."""
    return Column("float32", unit, meaning)


#: Columns of ``steps`` that stand in every row, whatever is recorded.
EVERY_ROW: dict[str, Column] = {
    "loss": series("training loss of the step's batch; of all training data at the final state"),
    "learning_rate": series("η_t; null at the final state"),
    "flops": series(
        "operations that training needed to reach θ_t: `nup.training.operations`", "operations"
    ),
}


@dataclass(frozen=True)
class Sizes:
    """Numbers from which memory follows: of a run's net and data, ``item`` bytes a number."""

    item: int
    depth: int
    weights: int
    units: int  # of all layers but the input
    outputs: int
    largest: int  # weights of the largest layer
    train: int  # samples
    probe: int


@dataclass(frozen=True)
class Observable(Entry):
    """A registered observable.

    Args:
        cadence: every how many steps it is recorded where a study says nothing; 0 is never.
        steps, layers: its columns of either table.
        rule: values [E] and [E, l] of a state, from its ``nup.training.context.Context``; or
            ``per_step`` values [E, T] and [E, T, l], from the ``Sums`` of T steps.
        requires: what a backend measures for it: ``sharpness``, ``hessian`` or ``taylor``.
        start: what it remembers of the initial state: tensors with leading axis E, in any nesting
            of dictionaries, lists and tuples.
        always: its columns stand in every row, where they are known.
        edges: columns that are η_t times another of its columns.
        kept, used: bytes of a run that it holds all the time, and while it is measured.
        passes: passes over samples that one measurement costs, by ``batch``, ``train``, ``probe``.
    """

    cadence: int = field(default=0, kw_only=True)
    steps: Mapping[str, Column] = field(default_factory=dict, kw_only=True)
    layers: Mapping[str, Column] = field(default_factory=dict, kw_only=True)
    rule: Callable[[Any], Mapping[str, Any]] = field(kw_only=True)
    per_step: bool = field(default=False, kw_only=True)
    requires: str = field(default="", kw_only=True)
    start: Callable[[Any], Any] | None = field(default=None, kw_only=True)
    always: bool = field(default=False, kw_only=True)
    edges: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    kept: Callable[[Sizes], float] | None = field(default=None, kw_only=True)
    used: Callable[[Sizes], float] | None = field(default=None, kw_only=True)
    passes: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def columns(self, table: str) -> Mapping[str, Column]:
        """Its columns of the table ``steps`` or ``layers``."""
        return self.steps if table == "steps" else self.layers


OBSERVABLES: Registry[Observable] = Registry("observable", __name__)

Function = TypeVar("Function", bound=Callable[..., Mapping[str, Any]])


def register(*, per_step: bool = False, **declared: Any) -> Callable[[Function], Function]:
    """Register the decorated function under its own name; see ``Observable`` for what to declare.

    It is given a ``Context`` and returns values of a state; with ``per_step``, sums of steps.
    """
    return OBSERVABLES.decorator(Observable, per_step=per_step, **declared)


def cadences(given: Mapping[str, int] | None = None, /, **named: int) -> dict[str, int]:
    """Cadences of all observables that are recorded: those given, else each one's own.

    >>> cadences(taylor=5, curvature=0)
    {'features': 50, 'layers': 10, 'probe': 10, 'steps': 1, 'taylor': 5}

    Raises:
        UserError: there is no observable of a name given.
    """
    usual = {name: each.cadence for name, each in OBSERVABLES.items()}
    wanted = {**(given or {}), **named}
    for name in wanted:
        OBSERVABLES[name]  # raises if there is none
    return {name: steps for name, steps in {**usual, **wanted}.items() if steps}


def cadence(spec: RunSpec, name: str) -> int:
    """Every how many steps a run records an observable; 0 is never."""
    return spec.record.get(name, 0)


def recorded(spec: RunSpec) -> list[Observable]:
    """The observables that a run records."""
    return [each for name, each in OBSERVABLES.items() if cadence(spec, name)]


def due(cadence: int, step: int, steps: int) -> bool:
    """Whether something of this cadence is recorded at ``step``; the final state always is."""
    return cadence > 0 and (step % cadence == 0 or step == steps)


def steps_due(cadences: Iterable[int], steps: int) -> list[int]:
    """The steps at which something of any of these cadences is recorded."""
    found: set[int] = set()
    for cadence in filter(None, cadences):
        found.update(range(0, steps + 1, cadence), [steps])
    return sorted(found)


def rows(spec: RunSpec, table: str) -> list[int]:
    """The steps at which a run that does not diverge has rows in ``steps`` or ``layers``."""
    cadences = [cadence(spec, each.name) for each in recorded(spec) if each.columns(table)]
    return steps_due(cadences, spec.steps)


def columns(table: str) -> dict[str, Column]:
    """Every column that observables have in the table ``steps`` or ``layers``."""
    found = dict(EVERY_ROW) if table == "steps" else {}
    for each in OBSERVABLES.values():
        found |= each.columns(table)
    return found
