"""Notebooks in the workflow: the tables they read, the figures they save, tidy copies."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nup.tables import atomic_files
from nup.tables.schema import TABLES

if TYPE_CHECKING:
    from nup.claims import Catalogue
    from nup.report.contents import Contents

#: Id of the cell in which papermill records the parameters it was given.
PARAMETERS_ID = "injected-parameters"


def tidy(path: Path, out: Path) -> None:
    """Write the executed notebook ``path`` to ``out`` without times, durations and random ids.

    Executing the same notebook on the same tables so gives the same bytes.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    for cell in notebook["cells"]:
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        if PARAMETERS_ID in cell["metadata"].get("tags", []):
            cell["id"] = PARAMETERS_ID
    atomic_files.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", out)


def tables(source: Path) -> list[str]:
    """Names of the tables that a notebook reads: those written in its code."""
    words = {
        node.value
        for node in ast.walk(_code(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return [name for name in TABLES if name in words]


def _code(source: Path) -> ast.Module:
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return ast.parse("\n".join(code))


def figures(source: Path, catalogue: Catalogue, contents: Contents) -> list[str]:
    """Names of the figures that a notebook saves on a study, sorted.

    They are those of the claims that name the notebook, and those that its code draws by the
    methods of ``nup.report.page.Page``. Figures without runs are not drawn.

    Args:
        source: the notebook.
        catalogue: the claims.
        contents: what the study has.
    """
    present = contents.claims(catalogue)
    of_claim = {claim.id: claim.figure for claim in present}
    names = {claim.figure for claim in present if claim.notebook == source.name}
    for method, subject, file in _drawn(source):
        if method == "draw" and subject in of_claim:
            names.add(file or of_claim[subject])
        elif method == "diagram" and subject in contents.diagrams:
            names.add(file)
        elif method == "show":
            each = [file.replace("{claim.id}", claim_id) for claim_id in of_claim]
            names |= set(each) if "{claim.id}" in file else {file}
    return sorted(names - {""})


def absent(source: Path, catalogue: Catalogue, contents: Contents) -> str:
    """The reason why a notebook has nothing to draw on a study; empty if it has something.

    A notebook that draws no claim and no phase diagram is drawn always.
    """
    own = {claim.id for claim in catalogue.claims if claim.notebook == source.name}
    drawn = _drawn(source)
    ids = own | {subject for method, subject, _ in drawn if method == "draw"}
    diagrams = {subject for method, subject, _ in drawn if method == "diagram"}
    wanted = {claim.experiment for claim in catalogue.claims if claim.id in ids}
    if not (ids or diagrams) or wanted & contents.experiments or diagrams & contents.diagrams:
        return ""
    names = [f"experiment {name}" for name in sorted(wanted)]
    names += [f"phase diagram {name}" for name in sorted(diagrams)]
    return f"{source.name} is skipped: the study has no {', no '.join(names)}"


def _drawn(source: Path) -> list[tuple[str, str, str]]:
    """Method, subject and file of each call ``page.draw``, ``page.diagram`` or ``page.show``.

    The subject is a claim or a phase diagram, empty for ``show``; the file is empty where the claim
    names it. A ``{claim.id}`` in the file stands for every claim.
    """
    found = []
    for node in ast.walk(_code(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in ("draw", "diagram", "show"):
            continue
        texts = [_text(argument) for argument in node.args]
        file = next((text for text in texts if text.endswith((".png", ".svg"))), "")
        subject = texts[0] if node.func.attr != "show" and texts else ""
        found.append((node.func.attr, subject, file))
    return found


def _text(node: ast.expr) -> str:
    """A string in the code, an f-string with its names; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return ast.unparse(node)[2:-1]
    return ""
