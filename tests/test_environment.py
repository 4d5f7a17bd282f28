"""The descriptions of the environment agree, and cover what the code imports."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: One of each version that is declared; the first is Debian 12's.
PYTHONS = ("3.11.2", "3.11.7", "3.12.0", "3.13.0")


def requirements(lines: list[str]) -> list[Requirement]:
    """Those of other projects: an extra may also name ``nup`` with another extra."""
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [requirement for requirement in found if requirement.name != "nup"]


BASE = requirements(PROJECT["dependencies"])
STUDY, DEV, SLURM = (
    requirements(PROJECT["optional-dependencies"][extra]) for extra in ("study", "dev", "slurm")
)
PEERS = requirements((ROOT / "benchmarks" / "requirements.txt").read_text().splitlines())
LOCK = requirements((ROOT / "requirements.lock").read_text().splitlines())


def exact(pin: Requirement) -> str:
    """The version of a pin ``name==version``."""
    (only,) = pin.specifier
    assert only.operator == "==" and "*" not in only.version, f"not an exact pin: {pin}"
    return only.version


def locked(python: str) -> dict[str, str]:
    """Canonical name → version of what the lock installs on this platform under ``python``."""
    environment = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    pins = [pin for pin in LOCK if pin.marker is None or pin.marker.evaluate(environment)]
    found = {canonicalize_name(pin.name): exact(pin) for pin in pins}
    assert len(found) == len(pins), "a package is pinned twice"
    return found


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
    return found - set(sys.stdlib_module_names) - local - {"nup", "tests", "benchmarks", "examples"}


def test_the_declared_pythons_are_the_tested_ones():
    declared = SpecifierSet(PROJECT["requires-python"])
    assert all(python in declared for python in PYTHONS)
    assert not any(python in declared for python in ("3.11.1", "3.14.0"))
    named = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text}
    assert named == {python.rpartition(".")[0] for python in PYTHONS}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("requirement", BASE + STUDY + DEV + SLURM, ids=lambda found: found.name)
def test_the_lock_satisfies_pyproject(requirement, python):
    version = locked(python)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_only_the_lock_pins_torch():
    (torch,) = [requirement for requirement in BASE if requirement.name == "torch"]
    assert {only.operator for only in torch.specifier} == {">=", "<"}
    assert "torch" in locked(PYTHONS[0])


def test_the_conda_environment_is_the_lock():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python, pip, through_pip = dependencies
    python = f"{python.removeprefix('python=')}.7"
    assert python in PYTHONS and pip == "pip"
    constraint, *pins = through_pip["pip"]
    assert constraint == "-c requirements.lock"
    versions = {canonicalize_name(pin.name): exact(pin) for pin in requirements(pins)}
    names = {canonicalize_name(requirement.name) for requirement in BASE + STUDY + SLURM}
    assert set(versions) == names | {"setuptools"}
    assert versions == {name: locked(python)[name] for name in versions}


@pytest.mark.parametrize(
    ("folder", "declared"),
    [
        ("src", BASE + STUDY),
        ("workflow", BASE + STUDY),
        ("examples", BASE + STUDY),
        ("benchmarks", BASE + STUDY + PEERS),
        ("tests", BASE + STUDY + DEV),
    ],
)
def test_every_import_is_a_declared_dependency(folder, declared):
    distributions = packages_distributions()
    providers = {
        name: {canonicalize_name(found) for found in distributions.get(name, [name])}
        for name in imported(folder)
    }
    allowed = {canonicalize_name(requirement.name) for requirement in declared}
    undeclared = sorted(name for name, found in providers.items() if not found & allowed)
    assert not undeclared, f"{folder}/ imports what pyproject.toml does not name: {undeclared}"
