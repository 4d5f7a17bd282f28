"""Registries: what a configuration may name, with options, defaults and ranges declared beside it.

Parameterizations, schedules, gradient scalings, optimizers, data sets, observables, estimators and
figures each have one ``Registry``. Shipped entries are modules of one package, which the registry
imports when it is first asked; a plug-in adds entries of its own (``nup.plugin``).
"""

from __future__ import annotations

from nup.registry.entries import Entry, Option, Registry, Value, plain, text

__all__ = ["Entry", "Option", "Registry", "Value", "plain", "text"]
