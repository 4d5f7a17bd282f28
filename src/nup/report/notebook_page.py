"""Executed notebooks as pages to read: self-contained, with contents and links to each other.

nbconvert's own pages ask other machines for scripts and fonts, carry no descriptions of images and
are 0.3 MB before their first word. Markdown is turned into HTML by nbconvert here too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from nup.errors import UserError
from nup.report import rendering
from nup.tables import atomic_files

#: The kinds of output that are shown, the best one of an output first.
_KINDS = ("image/png", "image/svg+xml", "text/markdown", "text/html", "text/plain")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ENTITY = re.compile(r"&amp;(#?\w+;)")
#: Depth to which headings are in the contents.
_LISTED = 3


class Heading(NamedTuple):
    """A heading of a page: its level, 1 to 6, its text and its place."""

    level: int
    text: str
    anchor: str


class Link(NamedTuple):
    """The title of a page and where it is, from the page at hand."""

    title: str
    address: str


def write_pages(notebooks: Sequence[Path]) -> None:
    """Write a page beside each of the executed notebooks of a study; they link to each other.

    Args:
        notebooks: in the order in which they are read.

    Raises:
        UserError: one is absent or no notebook.
    """
    contents = [read(path) for path in notebooks]
    links = [
        Link(title(cells, path), f"{path.stem}.html")
        for cells, path in zip(contents, notebooks, strict=True)
    ]
    for place, (cells, path) in enumerate(zip(contents, notebooks, strict=True)):
        atomic_files.write_text(_page(cells, links, place), path.with_suffix(".html"))


def read(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook.

    Raises:
        UserError: there is none, or the file is none.
    """
    expected = f"{path}: expected an executed notebook"
    if not path.is_file():
        raise UserError(f"{expected}, got no such file")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [dict(cell) for cell in cells]
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise UserError(f"{expected} (.ipynb), got another file") from error


def title(cells: Sequence[Mapping[str, Any]], path: Path) -> str:
    """The first heading of a notebook, or the name of its file."""
    for cell in cells:
        for line in _text(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    return path.stem


def _page(cells: Sequence[Mapping[str, Any]], links: Sequence[Link], place: int) -> str:
    headings: list[Heading] = []
    body = _body(cells, headings)
    return rendering.render(
        "notebook.html",
        title=links[place].title,
        body=body,
        headings=[each for each in headings[1:] if each.level <= _LISTED],
        links=links,
        place=place,
    )


def _body(cells: Sequence[Mapping[str, Any]], headings: list[Heading]) -> Markup:
    """Words and outputs; the code of cells that follow each other without output in one fold."""
    parts: list[Markup] = []
    code: list[str] = []
    for cell in cells:
        source = _text(cell["source"])
        outputs = cell.get("outputs", [])
        if cell["cell_type"] == "code":
            code.append(source)
        if code and (outputs or cell["cell_type"] != "code"):
            parts.append(_fold(code))
            code = []
        parts += [_output(output, headings) for output in outputs]
        if cell["cell_type"] == "markdown":
            # The author's own words may have tags; what cells print is text.
            parts.append(_block(_markdown(source, headings, tags=True)))
        elif cell["cell_type"] != "code":
            parts.append(Markup("<pre>{}</pre>").format(source))
    return Markup("\n").join([*parts, *([_fold(code)] if code else [])])


def _fold(code: Sequence[str]) -> Markup:
    fold = (
        "<details class=code><summary>Code</summary><pre tabindex=0><code>{}</code></pre></details>"
    )
    return Markup(fold).format("\n\n".join(code))


def _output(output: Mapping[str, Any], headings: list[Heading]) -> Markup:
    if output["output_type"] == "stream":
        return Markup("<pre>{}</pre>").format(_plain(_text(output["text"])))
    if output["output_type"] == "error":
        return Markup("<pre>{}</pre>").format(_plain("\n".join(output["traceback"])))
    data = output.get("data", {})
    kind = next((each for each in _KINDS if each in data), "")
    if not kind:
        return Markup()
    content = _text(data[kind])
    told = output.get("metadata", {}).get(kind, {})
    if kind == "text/markdown":
        return _block(_markdown(content, headings), str(told.get("anchor", "")))
    if kind == "text/html":
        return _block(Markup(content))
    if kind == "text/plain":
        return Markup("<pre>{}</pre>").format(_plain(content))
    return _image(kind, content, told)


def _image(kind: str, content: str, told: Mapping[str, Any]) -> Markup:
    """An image within the page, a link to the saved figure if it is one."""
    if kind == "image/svg+xml":
        import base64

        content = base64.b64encode(content.encode()).decode()
    image = Markup('<img src="data:{};base64,{}" alt="{}"{}>').format(
        kind,
        "".join(content.split()),
        told.get("alt") or "A figure that its notebook does not describe.",
        Markup(' width="{}"').format(told["width"]) if "width" in told else "",
    )
    if file := told.get("figure"):
        image = Markup('<a href="../figures/{}" title="the figure alone">{}</a>').format(
            file, image
        )
    return Markup("<figure>{}</figure>").format(image)


def _block(html: Markup, anchor: str = "") -> Markup:
    place = Markup(' id="{}"').format(anchor) if anchor else ""
    return Markup("<section{}>{}</section>").format(place, html)


def _markdown(source: str, headings: list[Heading], *, tags: bool = False) -> Markup:
    """Markdown as HTML; headings get places and are added to ``headings``."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(
        escape=not tags, allow_harmful_protocols=False, exclude_anchor_links=True
    )
    html = MarkdownWithMath(renderer=renderer).render(source)
    # An entity in Markdown is a character, also where tags are text.
    html = _ENTITY.sub(r"&\1", html)

    def placed(found: re.Match[str]) -> str:
        text = Markup(_TAG.sub("", found[2])).unescape()
        headings.append(Heading(int(found[1]), text, f"section-{len(headings) + 1}"))
        return f'<h{found[1]} id="{headings[-1].anchor}">{found[2]}</h{found[1]}>'

    html = _HEADING.sub(placed, html)
    # Tables are wider than a telephone: they scroll by themselves, the page does not.
    html = html.replace(
        "<table>", '<div class=scroll tabindex=0 role=region aria-label="table"><table>'
    )
    return Markup(html.replace("</table>", "</table></div>"))


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


def _text(lines: str | Sequence[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
