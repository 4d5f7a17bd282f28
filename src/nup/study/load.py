"""Reading a study's file: found by name or path, checked key by key before anything runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nup.errors import UserError
from nup.registry import plugin_files
from nup.study.models import Study


def find(study: str, folder: str | Path = "config") -> Path:
    """The file of a study given by name (``laptop``) or by path (``my/own.yaml``).

    Raises:
        UserError: there is no such file.
    """
    path = Path(study)
    if path.suffix not in (".yaml", ".yml"):
        path = Path(folder) / f"{study}.yaml"
    if not path.is_file():
        files = sorted(file.stem for file in Path(folder).glob("*.yaml"))
        known = [stem for stem in files if stem not in ("claims", "readings")]
        raise UserError(
            f"study {study!r}: no file {path}; expected one of {', '.join(known) or '(none)'} "
            "or the path of a .yaml file"
        )
    return path


def load(path: str | Path) -> Study:
    """Read and check a study configuration, and load the plug-ins that it names.

    Raises:
        UserError: naming the file and, for each mistake, the key, what was got and what is allowed.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    study = check(values, path)
    for file in plugins(study, path):
        plugin_files.load(file)
    return study


def plugins(study: Study, path: str | Path) -> list[Path]:
    """The files of a study's plug-ins, which it names relative to its own."""
    return [Path(os.path.normpath(Path(path).parent / file)) for file in study.plugins]


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
    lines = []
    for mistake in error.errors():
        key = ".".join(str(part) for part in mistake["loc"]) or "(top level)"
        message = mistake["msg"].removeprefix("Value error, ")
        got = "" if "got" in message else f" (got {_shortened(mistake['input'])})"
        lines.append(f"  {key}: {message}{got}")
    return f"{where}: {len(lines)} mistake(s) in the configuration\n" + "\n".join(lines)


def _shortened(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
