"""Descriptions of figures in words, for readers who do not see them; a PNG carries its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from PIL.PngImagePlugin import PngInfo

#: The key under which a PNG holds its description.
KEY = "Description"
#: Panels, axes or lines that are named.
_NAMED = 8
#: A dollar that is not escaped, as ``style.plain`` escapes those of texts.
_MATHEMATICS = re.compile(r"(?<!\\)\$")


def describe(figure: Figure) -> str:
    """Title, panels, axes, named rows and columns, and legend of a figure that was drawn."""
    axes = [axis for axis in figure.axes if axis.axison]
    quantities = [
        f"{y} against {x}" if y else x
        for x, y in ((_plain(axis.get_xlabel()), _plain(axis.get_ylabel())) for axis in axes)
        if x
    ]
    parts = {
        "": [_plain(figure.get_suptitle())],
        "Panels: ": [_plain(axis.get_title()) for axis in axes],
        "Axes: ": quantities,
        "Columns: ": [name for axis in axes for name in _names(axis.get_xticklabels())],
        "Rows: ": [name for axis in axes for name in _names(axis.get_yticklabels())],
        "Legend: ": _legend_texts(figure, axes),
    }
    named = [f"{head}{listed}." for head, texts in parts.items() if (listed := _listed(texts))]
    return " ".join(named) or "Figure without a title."


def information(description: str) -> PngInfo:
    """What a PNG has to be saved with for ``described`` to find the description."""
    held = PngInfo()
    held.add_itxt(KEY, description)
    return held


def described(path: str | Path) -> str:
    """The description that a PNG carries; empty if it has none."""
    with Image.open(path) as image:
        return str(image.info.get(KEY, ""))


def _legend_texts(figure: Figure, axes: Iterable[Axes]) -> list[str]:
    legends = [*figure.legends, *(axis.get_legend() for axis in axes)]
    return [_plain(text.get_text()) for each in legends if each for text in each.get_texts()]


def _names(ticks: Iterable[Text]) -> list[str]:
    """The labels of ticks that are words or pairs; numbers and formulas are none."""
    texts = [tick.get_text() for tick in ticks]
    words = [text for text in texts if not _MATHEMATICS.search(text)]
    return [_plain(text) for text in words if "(" in text or any(map(str.isalpha, text))]


def _plain(text: str) -> str:
    """The text in one line, without the dollars that begin and end mathematics."""
    return " ".join(_MATHEMATICS.sub("", text).replace(r"\$", "$").split())


def _listed(texts: Iterable[str]) -> str:
    distinct = [text for text in dict.fromkeys(texts) if text]
    more = f"; and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return "; ".join(distinct[:_NAMED]) + more
