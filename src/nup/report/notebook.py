"""Notebooks as the workflow sees them: the figures they leave, executed copies made tidy, pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nup.errors import UserError
from nup.tables import store
from nup.tables.schema import TABLES

if TYPE_CHECKING:
    from nup.claims import Catalogue

#: Id of the cell in which papermill records the parameters it was given.
PARAMETERS_ID = "injected-parameters"


def tidy(path: Path, out: Path) -> None:
    """Write the executed notebook ``path`` to ``out`` without times, durations and random ids.

    Executing the same notebook on the same tables so gives the same bytes.

    Raises:
        UserError: there is no such notebook.
    """
    if not path.is_file():
        raise UserError(f"{path}: expected an executed notebook, got no such file")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if PARAMETERS_ID in cell["metadata"].get("tags", []):
            cell["id"] = PARAMETERS_ID
    store.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", out)


def tables(source: Path) -> list[str]:
    """Names of the tables that a notebook reads: those written in its code."""
    return [name for name in TABLES if f'"{name}"' in _code(source)]


def _code(source: Path) -> str:
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def render(path: Path, page: Path) -> None:
    """Write the executed notebook ``path`` as the HTML page that ``jupyter nbconvert`` makes of it.

    In this process: starting another would cost more than the rendering.

    Raises:
        UserError: there is no such notebook.
    """
    from nbconvert import HTMLExporter

    if not path.is_file():
        raise UserError(f"{path}: expected an executed notebook, got no such file")
    exporter = HTMLExporter()  # type: ignore[no-untyped-call]
    text, _ = exporter.from_filename(str(path))
    store.write_text(text, page)


def figures(source: Path, catalogue: Catalogue) -> list[str]:
    """Names of the figures that a notebook saves, sorted.

    They are the figures of the claims that name this notebook, and the file names written in its
    code, where ``{claim.id}`` stands for every claim.
    """
    names = {claim.figure for claim in catalogue.claims if claim.notebook == source.name}
    for written in re.findall(r'"([\w{}.-]+\.(?:png|svg))"', _code(source)):
        names |= {written.replace("{claim.id}", claim.id) for claim in catalogue.claims}
    return sorted(names)
