"""What a plug-in may register: import from here, in a file that a study names under ``plugins``.

>>> from nup.plugin import Option, schedule
>>> @schedule(power=Option(0.5, low=0.0, meaning="exponent of the decay"))
... def inverse_power(moment):
...     return moment.learning_rate / (moment.step + 1) ** moment.options["power"]

Decorators: ``parameterization``, ``schedule``, ``scaling``, ``optimizer``, ``dataset``,
``observable``, ``estimator``, ``figure``. Functions: ``claims("mine.yaml")`` and
``notebook("mine.ipynb")``, with paths relative to the plug-in. Each name is imported when it is
asked for, so that a plug-in of one schedule costs no more than that.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from nup.registry import Option as Option
from nup.registry.plugin_files import PluginFile, brought_along, loaded, plugin_of

#: Name here → module and name there.
_NAMES = {
    "Parameterization": ("nup.networks.parameterization", "Parameterization"),
    "parameterization": ("nup.networks.parameterization", "register"),
    "Moment": ("nup.training.schedules", "Moment"),
    "schedule": ("nup.training.schedules", "register"),
    "Signals": ("nup.training.scalings", "Signals"),
    "scaling": ("nup.training.scalings", "register"),
    "optimizer": ("nup.training.optimizers", "register"),
    "Samples": ("nup.data.sources", "Samples"),
    "dataset": ("nup.data.sources", "register"),
    "Column": ("nup.training.observables", "Column"),
    "observable": ("nup.training.observables", "register"),
    "Measurement": ("nup.claims.run_selection", "Measurement"),
    "estimator": ("nup.claims.estimators", "register"),
    "figure": ("nup.figures", "register"),
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _NAMES[name]
    return getattr(importlib.import_module(module), attribute)


def claims(file: str) -> None:
    """Judge the claims of ``file`` beside the shipped ones; its format is that of claims.yaml.

    Raises:
        UserError: there is no such file.
    """
    plugin, module = _caller()
    plugin.claims.append(brought_along(module, file))


def notebook(file: str) -> None:
    """Draw the notebook ``file`` beside the shipped ones.

    Raises:
        UserError: there is no such file.
    """
    plugin, module = _caller()
    plugin.notebooks.append(brought_along(module, file))


def claims_files() -> list[Path]:
    """Files of claims that the loaded plug-ins bring along."""
    return [path for plugin in loaded() for path in plugin.claims]


def notebooks() -> list[Path]:
    """Notebooks that the loaded plug-ins bring along."""
    return [path for plugin in loaded() for path in plugin.notebooks]


def _caller() -> tuple[PluginFile, str]:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None and frame.f_back.f_back is not None
    module = frame.f_back.f_back.f_globals["__name__"]
    plugin = plugin_of(module)
    if plugin is None:
        raise RuntimeError("claims() and notebook() are for plug-ins: files that a study names")
    return plugin, module
