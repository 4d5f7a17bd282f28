"""Estimators by name: functions of a run selection and of the arguments that a criterion names.

Each returns a ``Measurement`` (one number per seed; or several by name, which become parts of a
criterion), or raises ``NotRun`` or ``Undecided``. A
module of this package, or a plug-in, registers its estimators with ``register``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from nup.claims.run_selection import Measurement
from nup.registry import Entry, Registry

Function = TypeVar("Function", bound=Callable[..., Measurement | Mapping[str, Measurement]])


@dataclass(frozen=True)
class Estimator(Entry):
    """A registered function ``(selection, **arguments) -> Measurement``."""

    function: Callable[..., Measurement | Mapping[str, Measurement]] = field(kw_only=True)

    @property
    def summary(self) -> str:
        """First line of the function's documentation."""
        return (self.function.__doc__ or "").partition("\n")[0]

    @property
    def signature(self) -> inspect.Signature:
        """Of the function; the first parameter is the run selection."""
        return inspect.signature(self.function)


ESTIMATORS: Registry[Estimator] = Registry("estimator", __name__)


def register(function: Function) -> Function:
    """Register the decorated function as an estimator under its own name.

    Args:
        function: takes a ``RunSelection`` and named arguments, which a criterion gives.
    """
    ESTIMATORS.add(Estimator(function.__name__, module=function.__module__, function=function))
    return function
