"""How much a study asks for, counted from its axes before any of it is written out.

A product of axes is easily larger than meant, and writing it out would take the memory or the
patience to see it. So the number of runs and the weights of each net are held against the study's
``limits`` first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nup.errors import UserError
from nup.study.cells import Cell
from nup.study.models import (
    OptimizerEntry,
    ParameterizationEntry,
    PhaseDiagram,
    ScheduleEntry,
    Settings,
    Shapes,
)
from nup.training.schedules import SCHEDULES


def rates(
    schedule: ScheduleEntry,
    optimizer: OptimizerEntry,
    net: ParameterizationEntry,
    settings: Settings,
) -> Sequence[float | None]:
    """The learning-rate axis of a schedule; the innermost one set counts.

    A schedule that finds its own rate has one run per seed; a rate on its own entry is a mistake.
    """
    inherited = optimizer.learning_rate or net.learning_rate or settings.learning_rate
    if not SCHEDULES[schedule.name].takes_learning_rate:
        inherited = None
    return schedule.learning_rate or inherited or [None]


def runs(settings: Settings) -> int:
    """Runs of one grid, equal ones counted as often as they are asked for."""
    assert settings.parameterization and settings.schedule and settings.optimizer
    total = 0
    for net in settings.parameterization:
        for schedule in settings.schedule:
            scalings = sum(_choices(each.options) for each in schedule.gradient_scaling)
            for optimizer in settings.optimizer:
                total += (
                    _nets_of(net)
                    * _choices(schedule.options)
                    * scalings
                    * _choices(optimizer.options)
                    * len(rates(schedule, optimizer, net, settings))
                )
    return total * _places(settings)


def nets(settings: Shapes) -> int:
    """Nets of an ``initialization`` entry or a phase diagram, at every seed."""
    assert settings.parameterization
    return sum(map(_nets_of, settings.parameterization)) * _places(settings)


def scanned(settings: PhaseDiagram) -> int:
    """Values of c at which the nets of a phase diagram are looked at first."""
    c = settings.log2_c
    return nets(settings) * (math.floor((c.to - c.start) * c.per_octave) + 1)


def check_count(count: int, most: int, what: str) -> None:
    """Check how much is asked for.

    Raises:
        UserError: it is more than the study's limit.
    """
    if count > most:
        raise UserError(
            f"expected at most {most:,} {what} in all, got {_shown(count)} up to here; take fewer "
            "values on the axes, or raise limits.runs of the study if you mean it"
        )


def check_weights(cell: Cell, most: int) -> None:
    """Check the size of a net that is to be drawn.

    Raises:
        UserError: it has more weights than the study's limit.
    """
    if cell.net.n_parameters > most:
        raise UserError(
            f"expected nets of at most {most:,} weights, got {_shown(cell.net.n_parameters)} in "
            f"{cell.net.label} of depth {cell.net.depth} and width {_shown(cell.width)}; take a "
            "smaller depth or width, or raise limits.weights of the study if you mean it"
        )


def _places(settings: Shapes) -> int:
    """Choices on the axes that multiply every kind of net."""
    axes: list[Sequence[Any] | None] = [
        settings.data,
        settings.depth,
        settings.width,
        settings.activation,
        settings.weight_variance,
        settings.seeds,
    ]
    return math.prod(len(axis or []) for axis in axes)


def _nets_of(entry: ParameterizationEntry) -> int:
    return _choices(entry.options) * len(entry.match)


def _choices(options: Mapping[str, Any]) -> int:
    """How many combinations of options there are, where a list of values is an axis."""
    return math.prod(len(value) for value in options.values() if isinstance(value, list))


def _shown(count: int) -> str:
    """A count, or its order of magnitude: Python does not print thousands of digits."""
    if count < 10**15:
        return f"{count:,}"
    return f"about 10^{math.floor(count.bit_length() * math.log10(2))}"
