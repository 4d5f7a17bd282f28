"""The three descriptions of the environment agree, and cover what the code imports."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
PEERS = [
    Requirement(text)
    for text in (ROOT / "benchmarks" / "requirements.txt").read_text().splitlines()
    if text and not text.startswith("#")
]
SLURM = [Requirement(text) for text in PROJECT["optional-dependencies"]["slurm"]]


def pins(lines: list[str]) -> dict[str, str]:
    """Canonical name → version of lines such as ``name==version``."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"not an exact pin: {line!r}"
        found[canonicalize_name(match[1])] = match[2]
    return found


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return pins([line for line in lines if line and not line.startswith("#")])


def conda() -> tuple[list[str], list[str]]:
    """Conda's own dependencies and those it hands to pip."""
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (through_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return [entry for entry in dependencies if isinstance(entry, str)], through_pip


def imported(folder: str) -> set[str]:
    """Top-level names of third-party packages that Python files under ``folder`` import."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).partition(".")[0])
    local = {path.stem for path in (ROOT / folder).rglob("*.py")}
    local |= {path.name for path in (ROOT / folder).rglob("*") if path.is_dir()}
    return found - set(sys.stdlib_module_names) - local - {"nup", "tests", "benchmarks"}


@pytest.mark.parametrize("requirement", RUNTIME + DEV + SLURM, ids=lambda found: found.name)
def test_the_lock_satisfies_pyproject(requirement):
    version = locked()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_the_conda_environment_is_the_lock():
    own, through_pip = conda()
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert own == [f"python={oldest}", "pip"]
    assert through_pip[0] == "-c requirements.lock"
    versions = pins(through_pip[1:])
    names = {canonicalize_name(requirement.name) for requirement in RUNTIME + SLURM}
    assert set(versions) == names | {"setuptools"}
    assert versions == {name: locked()[name] for name in versions}


@pytest.mark.parametrize(
    ("folder", "declared"),
    [
        ("src", RUNTIME),
        ("workflow", RUNTIME),
        ("benchmarks", RUNTIME + PEERS),
        ("tests", RUNTIME + DEV),
    ],
)
def test_every_import_is_a_declared_dependency(folder, declared):
    distributions = packages_distributions()
    providers = {
        name: {canonicalize_name(found) for found in distributions.get(name, [name])}
        for name in imported(folder)
    }
    allowed = {canonicalize_name(requirement.name) for requirement in declared}
    # Test runner and packaging tools come with what is declared.
    allowed |= {"packaging"} if folder == "tests" else set()
    undeclared = sorted(name for name, found in providers.items() if not found & allowed)
    assert not undeclared, f"{folder}/ imports what pyproject.toml does not name: {undeclared}"
