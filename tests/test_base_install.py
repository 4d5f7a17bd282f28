"""What works with the base dependencies alone: ``pip install nup``, without ``nup[study]``."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.test_environment import BASE

#: Hides the packages that are not installed with ``nup`` alone.
HIDE = """
import json, sys
from importlib.machinery import PathFinder

hidden, find = frozenset(json.loads(sys.argv[1])), PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: (
    None if name.split(".")[0] in hidden else find(name, *rest)
)
"""
TRAIN = """
import nup
from nup.data import datasets
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.training.loop import train

for name in PARAMETERIZATIONS:
    nup.parameterization(name, depth=3, width=4, d_in=5, d_out=2)
data = DataSpec("teacher", n_train=16, n_validation=8, n_test=8, n_probe=8)
specs = [
    RunSpec("alone", data, "nup", 3, 4, "abs", ScheduleSpec(), 0.1, seed, 5) for seed in range(2)
]
for compiled in (True, False):
    records = train(specs, datasets.load(data), compiled=compiled)
    print(*records.runs["status"])
"""


def base_distributions() -> set[str]:
    """Names of the distributions that the base dependencies bring, all the way down."""
    found: set[str] = set()
    waiting = [canonicalize_name(requirement.name) for requirement in BASE]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = map(Requirement, distribution(name).requires or [])
        except PackageNotFoundError:  # a build of torch for another device
            continue
        waiting += [
            canonicalize_name(each.name)
            for each in needed
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return found


def run_alone(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` where only the base dependencies can be imported."""
    base = base_distributions() | {"nup"}
    names = [
        name
        for name, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & base
    ]
    assert {"pandas", "pydantic", "sklearn", "snakemake"} <= set(names)
    command = [sys.executable, "-c", HIDE + code, json.dumps(names), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_builds_parameterizations_and_trains():
    done = run_alone(TRAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["ok ok", "ok ok"]


def test_a_data_set_without_its_package_says_what_to_install():
    done = run_alone(
        "from nup.data import datasets\nfrom nup.specs import DataSpec\n"
        "datasets.load(DataSpec('digits'))"
    )
    assert "UserError: data set 'digits': expected scikit-learn" in done.stderr
    assert "pip install 'nup[study]'" in done.stderr


def test_the_command_line_says_what_to_install():
    code = "from nup.cli import main\nsys.exit(main(sys.argv[2:]))"
    assert run_alone(code, "--version").returncode == 0
    done = run_alone(code, "train", "--steps", "5")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("nup train: the package ")
    assert sentence.endswith("is missing; install all that commands need: pip install 'nup[study]'")
