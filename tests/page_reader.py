"""What a page of HTML holds, as a browser without scripts would see it; a figure to put on one."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from matplotlib.figure import Figure

#: Attributes whose addresses a browser loads by itself; of links to follow, only these tags'.
_LOADED = {"src", "srcset", "poster", "data", "background"}
_LOADING_TAGS = {"link", "base"}


class Page(HTMLParser):
    """A page that was read.

    Attributes:
        loaded: addresses that a browser asks for by itself.
        links: addresses of links.
        alts: alternative text of each image, None without one.
        ids: all places.
        tags: names of all elements.
        text: all words.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.alts: list[str | None] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._style = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.tags.append(tag)
        self._style = tag == "style"
        self.loaded += [values[name] for name in _LOADED & set(values)]
        self._styles(values.get("style", ""))
        if "href" in values:
            (self.loaded if tag in _LOADING_TAGS else self.links).append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "img":
            self.alts.append(values.get("alt"))

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self._styles(data)
        else:
            self.text += data

    def _styles(self, css: str) -> None:
        self.loaded += re.findall(r"url\(\s*['\"]?([^'\")]*)", css)
        self.loaded += re.findall(r"@import\s+['\"]([^'\"]*)", css)

    def broken(self) -> list[str]:
        """Links that lead to no file, or to no place in it."""
        return [link for link in self.links if not self._leads_somewhere(link)]

    def _leads_somewhere(self, link: str) -> bool:
        file, _, place = link.partition("#")
        path = self.path.parent / unquote(file) if file else self.path
        if not path.exists():
            return False
        return not place or place in (self.ids if path == self.path else Page(path).ids)


def faults(path: Path) -> list[str]:
    """Why a page is not one that opens whole, from disk, for everybody; empty if it is."""
    page = Page(path)
    found = [
        f"asks for {address[:80]}"
        for address in page.loaded
        if not address.startswith("data:") and re.match(r"\w+:|//", address)
    ]
    found += [
        f"image without a description: {alt!r}"
        for alt in page.alts
        if not alt or len(alt) < 10 or "No description" in alt
    ]
    if "<meta charset=" not in page.source[:1000]:
        found.append("no encoding is declared within what browsers look at")
    if len(page.ids) != len(set(page.ids)):
        found.append("two places have the same name")
    if "script" in page.tags:
        found.append("has a script")
    return found + [f"broken link {link}" for link in page.broken()]


def figure() -> Figure:
    """A figure with all that is described."""
    drawn = Figure(figsize=(6, 4))
    drawn.suptitle("Rates against depth")
    for axis, name in zip(drawn.subplots(1, 2), ("abs", "relu"), strict=True):
        axis.set_title(name)
        axis.set_xlabel("depth")
        axis.set_ylabel(r"$\eta$ best")
        axis.plot([1, 2], [1, 2], label="νP")
        axis.legend()
    return drawn
