"""What all tests share; settings are made before any of them imports torch."""

import os

# The nets of the tests are tiny: threads only wait for each other, and for other test workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import faults
from nup.claims.estimators import ESTIMATORS
from nup.data.sources import SOURCES
from nup.figures import FIGURES
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.registry import plugin_files
from nup.training.observables import OBSERVABLES
from nup.training.optimizers import OPTIMIZERS
from nup.training.scalings import SCALINGS
from nup.training.schedules import SCHEDULES

REGISTRIES = (
    ESTIMATORS,
    FIGURES,
    OBSERVABLES,
    OPTIMIZERS,
    PARAMETERIZATIONS,
    SCALINGS,
    SCHEDULES,
    SOURCES,
)


@pytest.fixture(autouse=True)
def _registrations_end_with_the_test(monkeypatch):
    monkeypatch.setattr(plugin_files, "_LOADED", dict(plugin_files._LOADED))
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_entries", {name: registry[name] for name in registry})


@pytest.fixture
def fault(record_property):
    """Counts faults that a test has injected, and what came of them, for ``docs/faults.md``."""

    def count(kind, of, outcome, times=1):
        record_property(faults.PROPERTY, (kind, of, outcome, int(times)))

    return count


def pytest_addoption(parser):
    parser.addoption(
        faults.OPTION,
        action="store_true",
        help="write the rows of docs/faults.md that these tests count, instead of checking them",
    )


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # else its first process counts
        config.pluginmanager.register(faults.Tally(config))


def pytest_collection_modifyitems(items):
    """SLURM first, then the workflow: they take longest, and would else end in one worker."""
    items.sort(key=lambda item: ("workflow" not in item.path.parts, "slurm" not in item.path.name))
