"""Plug-ins: files of a user that add entries to the registries, loaded and identified.

A plug-in is one Python file. It is imported once a process, and what it registers is told from the
shipped entries by its module's name, so that its digest becomes part of the runs that use it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nup.errors import UserError
from nup.registry.entries import Entry


@dataclass
class PluginFile:
    """A loaded plug-in; ``digest`` is that of its file, ``module`` the name that it is imported as.

    ``claims`` and ``notebooks`` are the files that it brings along.
    """

    path: Path
    digest: str
    module: str
    claims: list[Path] = field(default_factory=list)
    notebooks: list[Path] = field(default_factory=list)


_LOADED: dict[str, PluginFile] = {}


def load(path: str | Path) -> PluginFile:
    """Import a plug-in, unless this process has done so.

    Raises:
        UserError: there is no such file, it fails, or it registers a name that is taken.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise UserError(f"plug-in {path}: expected a Python file, got no such file; check its path")
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()[:12]
    stem = re.sub(r"\W", "_", path.stem)
    found = PluginFile(path, digest, f"nup_plugin_{stem}_{digest}")
    if found.module in _LOADED:
        return _LOADED[found.module]
    _LOADED[found.module] = found
    try:
        _execute(found)
    except BaseException:
        del _LOADED[found.module]
        raise
    return found


def _execute(plugin: PluginFile) -> None:
    spec = importlib.util.spec_from_file_location(plugin.module, plugin.path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[plugin.module] = module
    try:
        spec.loader.exec_module(module)
    except UserError as error:
        raise UserError(f"plug-in {plugin.path}: {error}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [str(frame.lineno) for frame in frames if frame.filename == str(plugin.path)]
        where = f" at line {lines[-1]}" if lines else ""
        raise UserError(
            f"plug-in {plugin.path}: expected a file that can be imported, got "
            f"{type(error).__name__}{where}: {error}"
        ) from error
    finally:
        if plugin.module not in _LOADED:
            sys.modules.pop(plugin.module, None)


def loaded() -> list[PluginFile]:
    """The plug-ins of this process, in the order in which they were loaded."""
    return list(_LOADED.values())


def plugin_of(module: str) -> PluginFile | None:
    """The plug-in that is imported under this name; None for a module of any other kind."""
    return _LOADED.get(module)


def digests(entries: Iterable[tuple[str, Entry]]) -> dict[str, str]:
    """Digests of the plug-ins behind these entries, each given with its registry's kind.

    Keys read ``schedule mine``; shipped entries have none.
    """
    return {
        f"{kind} {entry.name}": plugin.digest
        for kind, entry in entries
        if (plugin := plugin_of(entry.module)) is not None
    }


def brought_along(module: str, file: str) -> Path:
    """A file that the plug-in ``module`` names, relative to its own folder.

    Raises:
        UserError: there is no such file.
    """
    plugin = _LOADED[module]
    path = plugin.path.parent / file
    if not path.is_file():
        raise UserError(f"{path}: expected a file that plug-in {plugin.path} names, got none")
    return path
