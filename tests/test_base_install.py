"""What works with the base dependencies alone: ``pip install nup``, without ``nup[study]``.

The first tests hide the other packages from the checkout. The others build the source distribution
and from it the wheel, and install that where nothing else is.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.test_environment import BASE, PROJECT

from nup.cli import COMMANDS

ROOT = Path(__file__).parents[1]

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


def distributions(*names: str) -> set[str]:
    """Names of the distributions that these bring, all the way down."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
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
    base = distributions(*(requirement.name for requirement in BASE)) | {"nup"}
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


# -- the wheel -------------------------------------------------------------------------------------

LOOP = """
import torch
from nup import torch as nt
from nup.errors import UserError

model = nt.mlp("nup", depth=3, width=4, d_in=5, d_out=2, seed=0)
optimizer = torch.optim.SGD(nt.param_groups(model, lr=0.1))
x, y = torch.ones(6, 5), torch.zeros(6, 2)
schedule = nt.SharpnessLR(optimizer, model, torch.nn.functional.mse_loss, (x, y), c=0.5)
watch = nt.Watch(model, optimizer, x)
losses = []
for _ in range(4):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    nt.scale_depthwise(model)
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
assert losses[-1] < losses[0], losses
nt.coord_check(lambda **sizes: nt.mlp("mup", d_in=5, d_out=2, **sizes), (4,), (2, 3), seeds=1)
try:
    watch.frame()
except UserError as error:
    print(error)
"""
CALL = """
import nup
try:
    nup.train([[1.0], [2.0]], [0, 1])
except ValueError as error:
    print(type(error).__name__, error)
"""


def build(kind: str, source: Path, out: Path) -> Path:
    """A distribution, made as an installer makes it: by the hooks of the build backend."""
    code = (
        "import sys\nfrom setuptools import build_meta\n"
        f"print(build_meta.build_{kind}(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The source distribution of what git knows, or would add."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "src",
        source / "src",
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    return build("sdist", source, out)


@pytest.fixture(scope="module")
def wheel(archive, tmp_path_factory):
    """The wheel that the source distribution gives."""
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(archive, folder)
    (source,) = folder.iterdir()
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Makes an environment that has the wheel, and of other packages these and what they need."""

    def install(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = folder / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        command = [*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)]
        subprocess.run(command, check=True)
        (library,) = folder.glob("lib/python3.*/site-packages")
        for name in distributions(*names):
            try:
                files = distribution(name).files or []
            except PackageNotFoundError:
                continue
            for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
                link = library / top
                if not link.exists():
                    link.symlink_to(Path(str(distribution(name).locate_file(top))).absolute())
        return folder

    return install


@pytest.fixture(scope="module")
def bare(installed):
    """Has the base dependencies alone."""
    return installed(*(requirement.name for requirement in BASE))


def call(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an environment, far from the checkout."""
    program, *arguments = command
    return subprocess.run(
        [folder / "bin" / program, *arguments],
        cwd=folder,
        env={"OMP_NUM_THREADS": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


def test_the_distributions_hold_the_package_and_its_types(archive, wheel):
    modules = {
        path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "nup").rglob("*.py")
    }
    templates = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "nup" / "report" / "templates").iterdir()
    }
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = packed.read(metadata).decode()
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == (
        modules | templates | {"nup/py.typed"}
    )
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    for extra in PROJECT["optional-dependencies"]:
        assert f"Provides-Extra: {extra}" in text
    with tarfile.open(archive) as packed:
        held = {name.partition("/")[2] for name in packed.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "src/nup/py.typed"} <= held


def test_the_wheel_alone_has_a_command_line(bare):
    done = call(bare, "nup", "--help")
    assert done.returncode == 0, done.stderr
    assert set(COMMANDS) <= set(done.stdout.split())
    found = call(bare, "python", "-c", "import nup; print(nup.__file__)").stdout.strip()
    assert Path(found).is_relative_to(bare)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands_of_the_wheel_alone_say_what_to_install(bare, command):
    """In place of a traceback, where the extra is needed."""
    done = call(bare, "nup", command, "--help")
    if done.returncode:
        assert done.returncode == 2
        (sentence,) = done.stderr.splitlines()
        assert "is missing; install all that commands need: pip install 'nup[study]'" in sentence
    else:
        assert done.stdout.startswith(f"usage: nup {command}")


def test_training_arrays_says_what_to_install(bare):
    said = call(bare, "python", "-c", CALL).stdout
    assert said.startswith("UserError nup.train: expected the package ")
    assert "got none; pip install 'nup[study]'" in said


def test_a_loop_of_ones_own_needs_four_packages(installed):
    folder = installed("torch", "numpy", "scipy", "numba")
    done = call(folder, "python", "-c", LOOP)
    assert done.returncode == 0, done.stderr
    assert "expected the package pandas for tables and plots, got none" in done.stdout
    (library,) = folder.glob("lib/python3.*/site-packages")
    assert not (library / "threadpoolctl.py").exists()
