"""Where results come from: the commit, the versions, and the source code that made them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nup
from nup.errors import UserError

if TYPE_CHECKING:
    from grimp import ImportGraph

#: The package whose imports are followed. Other modules count with their own file alone.
PACKAGE = "nup"


def environment() -> dict[str, Any]:
    """Columns of the table ``runs`` that depend on neither the run nor its job."""
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


def commit_state(folder: str | Path = Path(nup.__file__).parent) -> tuple[str, bool]:
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
    """Digest of the source of every module that the entries import, directly or not.

    Args:
        entries: names of modules; ``"nup.figures.*"`` for all modules of a package, which a
            registry imports without a statement; the path of a notebook; the name of a plug-in's
            module, which counts with its own file.

    Returns:
        12 hex digits. Editing a module changes the digests of exactly the entries that import it.

    Raises:
        UserError: an entry is neither of these.
    """
    return _code_digest(tuple(sorted(set(entries), key=str)))


@cache
def package_digest() -> str:
    """Digest of the source of the whole package: 12 hex digits. No import is followed."""
    sha = hashlib.sha256()
    folder = Path(nup.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        sha.update(f"{path.relative_to(folder)} {_file_digest(path)}\n".encode())
    return sha.hexdigest()[:12]


@cache
def _code_digest(entries: tuple[str | Path, ...]) -> str:
    sha = hashlib.sha256()
    for module in sorted(imported_modules(*entries)):
        sha.update(f"{module} {_file_digest(_source(module))}\n".encode())
    for path in entries:
        if isinstance(path, Path):
            sha.update(_file_digest(path).encode())
    return sha.hexdigest()[:12]


def imported_modules(*entries: str | Path) -> set[str]:
    """Names of the modules reached from the entries by import statements, lazy ones too.

    Imports that only type checkers see do not count.

    Raises:
        UserError: as ``code_digest``.
    """
    reached: set[str] = set()
    for entry in entries:
        if isinstance(entry, Path):
            names: Iterable[str] = _notebook_imports(entry)
        elif entry.endswith(".*"):
            names = [name for name in _graph().modules if name.startswith(entry[:-1])]
        else:
            names = [entry]
        for name in names:
            reached |= _closure(name)
    return reached


@cache
def _closure(module: str) -> frozenset[str]:
    """The module and all that it imports, with the packages that these are in."""
    if not _is_ours(module):
        return frozenset([module])
    graph = _graph()
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            if name not in graph.modules:
                raise UserError(
                    f"expected a module of {PACKAGE} or the path of a notebook, got {name!r}"
                )
            reached.add(name)
            waiting += graph.find_modules_directly_imported_by(name)
            waiting += filter(None, [name.rpartition(".")[0]])
    return frozenset(reached)


@cache
def _graph() -> ImportGraph:
    import grimp

    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


@cache
def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _source(module: str) -> Path:
    """The file of a module; one of the package is not imported for this."""
    if not _is_ours(module):
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            raise UserError(f"expected a module that is loaded from a file, got {module!r}")
        return Path(file)
    found = importlib.util.find_spec(PACKAGE)
    assert found is not None
    assert found.submodule_search_locations is not None
    base = Path(found.submodule_search_locations[0]).joinpath(*module.split(".")[1:])
    file = base.with_suffix(".py")
    return file if "." in module and file.is_file() else base / "__init__.py"


def _notebook_imports(path: Path) -> Iterator[str]:
    """Modules of the package that a notebook's code cells import."""
    known = _graph().modules
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).splitlines()
        source = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            yield from (name for name in names if name in known)
