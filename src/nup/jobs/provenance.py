"""Where results come from: the commit, the versions, and the source code that made them."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nup
from nup.errors import UserError

PACKAGE = Path(nup.__file__).parent


def environment() -> dict[str, Any]:
    """The provenance columns of the table ``runs`` that do not depend on the job."""
    commit, dirty = commit_state()
    return {
        "commit": commit,
        "dirty": dirty,
        "nup_version": nup.__version__,
        "torch_version": installed("torch"),
        "numba_version": installed("numba"),
        "python_version": platform.python_version(),
    }


def installed(package: str) -> str:
    """Version of an installed package without importing it; empty if it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def commit_state(folder: str | Path = PACKAGE) -> tuple[str, bool]:
    """(commit, whether the work tree differs from it); ("", False) outside a repository."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        root = git("rev-parse", "--show-toplevel")
        # An installed copy inside somebody else's repository is not of that repository's commit.
        git("-C", root, "ls-files", "--error-unmatch", str(Path(folder).resolve() / "__init__.py"))
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "", False


def code_digest(*entries: str | Path) -> str:
    """Digest of the source of every ``nup`` module that the entries import, directly or not.

    An entry is a module's name (``"nup.jobs.execute"``) or the path of a notebook. Editing a module so
    changes the digests of exactly the stages that import it.
    """
    sha = hashlib.sha256()
    for module in sorted(imported_modules(*entries)):
        sha.update(module.encode())
        sha.update(_source_path(module).read_bytes())
    for path in entries:
        if isinstance(path, Path):
            sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


def imported_modules(*entries: str | Path) -> set[str]:
    """Names of the ``nup`` modules reached from the entries by import statements, lazy ones too.

    Raises:
        UserError: an entry is neither a module of nup nor a notebook.
    """
    reached: set[str] = set()
    waiting: list[str] = []
    for entry in entries:
        if isinstance(entry, Path):
            waiting += _notebook_imports(entry)
        elif _is_module(entry):
            waiting += _with_parents(entry)
        else:
            raise UserError(f"expected a module of nup or the path of a notebook, got {entry!r}")
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += _direct_imports(module)
    return reached


@cache
def _direct_imports(module: str) -> tuple[str, ...]:
    tree = ast.parse(_source_path(module).read_text(encoding="utf-8"))
    is_package = _source_path(module).name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    return tuple(_imports(tree, package))


def _notebook_imports(path: Path) -> list[str]:
    """Modules of nup that a notebook's code cells import."""
    found: list[str] = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            source = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
            found += _imports(ast.parse(source), "")
    return found


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Names of nup modules in the import statements of ``tree``, parents included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = ".".join(parents[: len(parents) - node.level + 1])
                base = f"{kept}.{base}" if base else kept
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if _is_module(name):
                yield from _with_parents(name)


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _is_module(name: str) -> bool:
    return name.split(".")[0] == "nup" and _find_source(name) is not None


def _source_path(module: str) -> Path:
    path = _find_source(module)
    if path is None:
        raise UserError(f"no module {module!r} in {PACKAGE}")
    return path


def _find_source(module: str) -> Path | None:
    base = PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)
