"""requirements.lock installs under every declared Python: checked here, then by pip's dry run."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from tests.test_environment import LOCK, PYTHONS, ROOT, locked

#: Left out of the lock on purpose: torch pins them itself where its build needs them.
CUDA = re.compile(r"nvidia-.*|cuda-.*|triton")
#: Builds of torch are large, so under another Python than this one it is not asked for.
WITH_TORCH = {"torch", "torchvision", "mup"}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_is_complete_and_consistent(python):
    pins = locked(python)
    environment = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    # A version that only another Python takes is not installed here: pip's dry run looks at it.
    installed = {name for name, version in pins.items() if _installed_version(name) == version}
    assert len(installed) > 0.9 * len(pins)
    for name in sorted(installed):
        allowed = distribution(name).metadata["Requires-Python"] or ""
        assert SpecifierSet(allowed).contains(python), f"{name} needs Python {allowed}"
        for needed in map(Requirement, distribution(name).requires or []):
            wanted = canonicalize_name(needed.name)
            applies = needed.marker is None or needed.marker.evaluate({**environment, "extra": ""})
            if applies and not CUDA.fullmatch(wanted):
                assert wanted in pins, f"{name} needs {needed}, which the lock lacks"
                assert needed.specifier.contains(pins[wanted], prereleases=True), (name, needed)


def _installed_version(name: str) -> str:
    try:
        return distribution(name).version.partition("+")[0]
    except ModuleNotFoundError:
        return ""


def interpreters() -> dict[str, str]:
    """Version → path of the declared Pythons that this machine has."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [*map(Path, os.get_exec_path()), *sorted((pyenv / "versions").glob("*/bin"))]
    minors = sorted({python.rpartition(".")[0] for python in PYTHONS})
    found: dict[str, str] = {}
    for path in [folder / f"python{minor}" for folder in folders for minor in minors]:
        if path.is_file():
            code = "import platform; print(platform.python_version())"
            said = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
            if said.returncode == 0:
                found.setdefault(said.stdout.strip(), str(path))
    return found


def dry_run(
    interpreter: str, requirements: list[str], folder: Path, *further: str
) -> subprocess.Popen[str]:
    """pip on its way to install requirements under an interpreter, which it will not do."""
    (folder / "wanted.txt").write_text("\n".join(requirements))
    options = ["--dry-run", "--ignore-installed", "--quiet", *further]
    # A target keeps pip from asking whether a system's own Python may be written to.
    options += ["--target", str(folder / "none"), "--requirement", str(folder / "wanted.txt")]
    command = [sys.executable, "-m", "pip", "--python", interpreter, "install", *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def resolving(tmp_path_factory):
    """pip's dry run for every interpreter, all at once: each of them mostly waits for an index."""
    started = {}
    for version, interpreter in interpreters().items():
        folder = tmp_path_factory.mktemp(version)
        same = tuple(map(int, version.split(".")[:2])) == sys.version_info[:2]
        lines = [str(pin) for pin in LOCK if same or canonicalize_name(pin.name) not in WITH_TORCH]
        started[version] = dry_run(interpreter, lines, folder, "--prefer-binary")
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("version", interpreters())
def test_pip_resolves_the_lock(version, resolving):
    check_resolved(resolving[version])


def check_resolved(process: subprocess.Popen[str]) -> None:
    """That pip found everything; without an index nothing can be said."""
    _, errors = process.communicate()
    if process.returncode != 0 and "Failed to establish a new connection" in errors:
        pytest.skip("no package index can be reached from here")
    assert process.returncode == 0, errors[-3000:]
