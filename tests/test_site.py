"""The site of the documentation: its pages, their links, and the environment that builds it."""

import ast
import pkgutil
import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


class Loader(yaml.SafeLoader):
    """Reads tags of Python as nothing."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *unused: None)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)


def constant(name):
    """A constant of the site's hooks, which are not imported: mkdocs is not installed here."""
    tree = ast.parse((ROOT / "docs" / "_site.py").read_text())
    (found,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    ]
    return ast.literal_eval(found)


ELSEWHERE, API = constant("ELSEWHERE"), constant("API")


def pages(entries):
    for entry in entries:
        ((_, value),) = entry.items()
        yield from [value] if isinstance(value, str) else pages(value)


def test_every_page_has_its_place():
    own = {path.name for path in (ROOT / "docs").glob("*.md")}
    found = list(pages(SITE["nav"]))
    assert set(found) == own | set(ELSEWHERE) | set(API)
    assert len(found) == len(set(found))
    assert SITE["strict"] is True


SOURCES = [
    *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md")),
    *map(Path, ELSEWHERE.values()),
]


@pytest.mark.parametrize("page", SOURCES, ids=str)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if "://" in link or link.startswith("#"):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target
        assert path.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, link


def test_what_the_site_documents_exists():
    names = [name for _, names in API.values() for name in names]
    assert all(pkgutil.resolve_name(name.removesuffix(".*")) is not None for name in names)


def test_the_environment_is_pinned_and_whole():
    """What its packages need is pinned with them, as far as they are installed here to say so."""
    lines = (ROOT / "docs" / "requirements.txt").read_text().splitlines()
    pins = {
        each.name.lower().replace("_", "-"): each
        for each in map(Requirement, (line for line in lines if not line.startswith("#")))
    }
    assert {"mkdocs", "mkdocs-material", "mkdocstrings", "mkdocstrings-python"} <= set(pins)
    for name, pin in pins.items():
        (only,) = pin.specifier
        assert only.operator == "==" and "*" not in only.version, name
    for name in pins:
        try:
            needed = map(Requirement, requires(name) or [])
        except PackageNotFoundError:
            continue
        for each in needed:
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                assert each.name.lower().replace("_", "-") in pins, f"{name} needs {each.name}"
