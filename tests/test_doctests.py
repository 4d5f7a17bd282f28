"""The examples in docstrings say what happens."""

import doctest
import importlib

import pytest

#: Modules whose docstrings have examples.
MODULES = (
    "nup.networks.activations",
    "nup.networks.parameterization",
    "nup.networks.theory",
    "nup.plugin",
    "nup.registry.entries",
    "nup.specs.identity",
    "nup.training.observables",
    "nup.training.schedules",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_say_what_happens(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
