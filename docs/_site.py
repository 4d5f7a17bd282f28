"""Hooks of mkdocs: pages that lie elsewhere, the API, and links as the repository has them."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
#: Page of the site → file of the repository, of those that are not in docs/.
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "studies.md": "config/README.md",
}
#: Page of the API → title and what it documents; ``*`` stands for all public names of a module.
API = {
    "api/nup.md": ("nup", ["nup.train", "nup.study.own_data.Trained", "nup.parameterization"]),
    "api/torch.md": ("nup.torch", ["nup.torch.*"]),
    "api/plugin.md": ("nup.plugin", ["nup.plugin"]),
}
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for page, (title, objects) in API.items():
        names = [name for each in objects for name in _names(each)]
        blocks = "\n\n".join(f"::: {name}" for name in names)
        files.append(File.generated(config, page, content=f"# {title}\n\n{blocks}\n"))
    wanted = {name for file in files.documentation_pages() for name in _linked(file.src_uri)}
    for name in sorted(wanted):
        if files.get_file_from_path(name) is None:
            content = (ROOT / name).read_bytes()
            files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Make links relative to the page's place in the site; folders are no pages, and stay text."""
    here = page.file.src_uri
    without = re.sub(
        r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)",
        lambda found: found[1] if _is_folder(here, found[2]) else found[0],
        markdown,
    )
    return LINK.sub(lambda found: _relinked(here, found[1]), without)


def _names(name: str) -> list[str]:
    """What a name stands for: all names in ``__all__`` of a module, where they are defined."""
    module, star, _ = name.partition(".*")
    if not star:
        return [name]
    source = ROOT / "src" / Path(*module.split(".")) / "__init__.py"
    tree = ast.parse(source.read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [f"{node.module}.{alias.name}" for node in imports for alias in node.names]


def _source(page: str) -> PurePosixPath:
    """File of the repository that a page is made of."""
    return PurePosixPath(ELSEWHERE.get(page, f"docs/{page}"))


def _target(page: str, link: str) -> str | None:
    """File or folder of the repository that a link leads to; None if it leads elsewhere."""
    path = link.partition("#")[0]
    if not path or ":" in path or path.startswith("/"):
        return None
    return os.path.normpath(_source(page).parent / path)


def _is_folder(page: str, link: str) -> bool:
    target = _target(page, link)
    return target is not None and (ROOT / target).is_dir()


def _place(target: str) -> str:
    """Where a file of the repository is in the site."""
    pages = {source: page for page, source in ELSEWHERE.items()}
    return pages.get(target, target.removeprefix("docs/"))


def _linked(page: str) -> set[str]:
    """Files beside docs/ that a page links to and that are no pages, by their place."""
    if page in API:
        return set()
    text = (ROOT / _source(page)).read_text("utf-8")
    targets = {_target(page, link) for link in LINK.findall(text)} - {None}
    files = {target for target in targets if target and (ROOT / target).is_file()}
    return {_place(target) for target in files if _place(target) == target}


def _relinked(page: str, link: str) -> str:
    target = _target(page, link)
    if target is None:
        return link
    place = PurePosixPath(_place(target))
    start = PurePosixPath(page).parent
    _, mark, anchor = link.partition("#")
    return f"{os.path.relpath(place, start)}{mark}{anchor}"
