"""Reading a study's file: found by name or path, checked key by key before anything runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nup import inputs
from nup.errors import UserError
from nup.registry import plugin_files
from nup.study.models import Study
from nup.study.values import MOST_SHOWN, mistakes, shortened


def find(study: str, folder: str | Path = "config") -> Path:
    """The file of a study given by name (``laptop``) or by path (``my/own.yaml``).

    Raises:
        UserError: there is no such file.
    """
    path = Path(study)
    if path.suffix not in (".yaml", ".yml"):
        path = Path(folder) / f"{study}.yaml"
    if not inputs.is_file(path):
        files = sorted(file.stem for file in Path(folder).glob("*.yaml"))
        known = [stem for stem in files if stem not in ("claims", "readings")]
        raise UserError(
            f"study {study!r}: no file {path}; expected one of {', '.join(known) or '(none)'} "
            "or the path of a .yaml file"
        )
    return path


def load(path: str | Path) -> Study:
    """Read and check a study configuration, after loading the plug-ins that it names.

    Raises:
        UserError: naming the file and, for each mistake, the key, what was got and what is allowed.
    """
    values = inputs.read_yaml(path)
    for file in _plugins(values):
        if not inputs.is_file(Path(path).parent / file):
            raise UserError(
                f"{path}: plugins: expected a Python file, got no such file: {shortened(file)}; "
                "check its path, which is relative to the study's file"
            )
        plugin_files.load(Path(path).parent / file)
    return check(values, path)


def plugins(study: Study, path: str | Path) -> list[Path]:
    """The files of a study's plug-ins, which it names relative to its own."""
    return [Path(os.path.normpath(Path(path).parent / file)) for file in study.plugins]


def _plugins(values: Any) -> list[str]:
    """Files of plug-ins, before anything is checked: what they register decides what is allowed."""
    files = values.get("plugins") if isinstance(values, Mapping) else None
    return [file for file in files if isinstance(file, str)] if isinstance(files, list) else []


def check(values: Any, where: str | Path) -> Study:
    """The study of these ``values``; messages say that they come from ``where``.

    Raises:
        UserError: as ``load`` does.
    """
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(where, error)) from error


def explain(where: str | Path, error: ValidationError) -> str:
    """One line a mistake: the key's path, what is wrong, what was got."""
    found = mistakes(error)
    lines = [f"  {key or '(top level)'}: {message}" for key, message in found[:MOST_SHOWN]]
    if len(found) > MOST_SHOWN:
        lines.append(f"  … and {len(found) - MOST_SHOWN} more")
    return f"{where}: {len(found)} mistake(s) in the configuration\n" + "\n".join(lines)
