"""HTML from the templates of this package: self-contained pages in which text is never markup."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nup.claims.verdicts import MARKS

_STYLE = "style.css"


def render(template: str, **values: Any) -> str:
    """The page that a template makes of values.

    Every value is escaped unless it is ``markupsafe.Markup``: titles and remarks are text.

    Args:
        template: the file's name in ``nup/report/templates``.
        values: what the template names.
    """
    return _environment().get_template(template).render(values)


def digest() -> str:
    """Digest of all templates, for the workflow: they are no code that is imported."""
    sha = hashlib.sha256()
    folder = resources.files("nup.report") / "templates"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        sha.update(f"{file.name}\n".encode() + file.read_bytes())
    return sha.hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nup.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (resources.files("nup.report") / "templates" / _STYLE).read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)
    environment.globals["marks"] = MARKS
    return environment
