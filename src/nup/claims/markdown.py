"""Markdown of frames whose cells are text."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

#: What begins a tag, an entity or the address of a link, where text is read as Markdown.
_MARKUP = ((r"&(?=#?\w+;)", "&amp;"), (r"<(?=[A-Za-z/!?])", "&lt;"), (r"\](?=[(\[:])", "&#93;"))


def text(value: Any) -> str:
    """What a user wrote, a title or a quotation, as text on one line: no HTML, no link.

    >>> text("a <b>title</b>")
    'a &lt;b>title&lt;/b>'
    """
    found = " ".join(str(value).split())
    for pattern, entity in _MARKUP:
        found = re.sub(pattern, entity, found)
    return found


def cell(value: Any) -> str:
    """The content of a cell of a table: a bar and an end of a line would end it."""
    return "" if pd.isna(value) else " ".join(str(value).splitlines()).replace("|", "\\|")


def table(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table without its index, and without the padding of its columns.

    Args:
        frame: cells and column names are text or whole numbers; a missing value is an empty cell.
    """
    shown = frame.map(cell).rename(columns=cell)
    padded = shown.to_markdown(index=False, disable_numparse=True)
    return re.sub(" {2,}", " ", padded)


def number(value: Any) -> str:
    """Three significant digits, or a dash for a missing value."""
    return f"{value:.3g}" if pd.notna(value) else "–"


def signed(value: Any) -> str:
    """``number`` with its sign, a true minus included."""
    return f"{value:+.3g}".replace("-", "−") if pd.notna(value) else "–"
