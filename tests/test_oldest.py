"""The oldest versions that pyproject.toml allows are there for every declared Python, as wheels."""

import pytest
from packaging.utils import canonicalize_name
from tests.test_environment import BASE, SLURM, STUDY
from tests.test_lock import WITH_TORCH, check_resolved, dry_run, interpreters

#: One version alone, which comes as sources.
SOURCES = {"mnist1d"}


def oldest(requirement):
    """The lowest version that a requirement allows, as a pin."""
    (low,) = [only.version for only in requirement.specifier if only.operator in (">=", "==")]
    return f"{requirement.name}=={low}"


@pytest.fixture(scope="module")
def resolving(tmp_path_factory):
    """All interpreters at once: each of them mostly waits for an index."""
    left_out = WITH_TORCH | SOURCES
    lines = [
        oldest(requirement)
        for requirement in BASE + STUDY + SLURM
        if canonicalize_name(requirement.name) not in left_out
    ]
    # What they need in turn is the resolver's, which `make oldest` asks.
    options = ("--no-deps", "--only-binary", ":all:")
    started = {
        version: dry_run(interpreter, lines, tmp_path_factory.mktemp(version), *options)
        for version, interpreter in interpreters().items()
    }
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("version", interpreters())
def test_the_oldest_versions_have_wheels(version, resolving):
    check_resolved(resolving[version])
