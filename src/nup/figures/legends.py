"""One legend for a whole figure, below its panels, and labels at the ends of lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Annotation

from nup.figures.style import lay_out

#: Inches that a letter of a legend takes, and a sample with its margins.
_LETTER, _SAMPLE = 0.078, 0.65
#: Inches of a line of a legend.
_LINE = 0.2
#: Marks the annotations that ``spread_end_labels`` moves.
_END = "end of a line"
#: Points between the middles of neighbouring labels at the ends of lines.
_APART = 10.0


def one_legend(figure: Figure, note: str = "") -> None:
    """Replace the legends of all panels by one below them, an entry for each label and look.

    Args:
        figure: whose panels have legends.
        note: what marks and bars are, over the entries.
    """
    found: dict[tuple[str, str], Any] = {}
    for axis in figure.axes:
        legend = axis.get_legend()
        if legend is None:
            continue
        for handle, label in _entries(axis, legend):
            found.setdefault((label, _look(handle)), handle)
        legend.remove()
    if found or note:
        labels = [label for label, _ in found]
        place_legend(figure, list(found.values()), labels, note)


def place_legend(figure: Figure, handles: list[Any], labels: list[str], note: str = "") -> None:
    """Put a legend below the panels, in as many columns as fit, and make room for it."""
    width = figure.get_figwidth()
    longest = max((len(label) for label in labels), default=1)
    columns = max(1, min(len(labels), int(width / (_LETTER * longest + _SAMPLE))))
    note = textwrap.fill(note, max(20, int(width / _LETTER)))
    lines = -(-len(labels) // columns) + (note.count("\n") + 1 if note else 0)
    figure.set_figheight(figure.get_figheight() + _LINE * lines + 0.1)
    figure.legend(
        handles=handles,
        labels=labels or None,  # no entries at all: the note alone
        loc="outside lower center",
        ncols=columns,
        title=note,
        title_fontsize="small",
        fontsize="small",
        numpoints=1,
    )


def end_label(axis: Axes, x: float, y: float, text: str, color: Any) -> None:
    """Write a label to the right of the end of a line; ``spread_end_labels`` keeps them apart."""
    axis.annotate(
        text,
        (x, y),
        (10, 0),
        textcoords="offset points",
        color=color,
        fontsize="small",
        fontweight="bold",
        va="center",
        annotation_clip=False,
        gid=_END,
    )


def spread_end_labels(figure: Figure) -> None:
    """Move the labels at the ends of lines up or down until none covers another.

    This needs the final limits and places of the panels, so it comes last and fixes them.
    """
    ends = {axis: _ends(axis) for axis in figure.axes}
    if not any(ends.values()):
        return
    lay_out(figure)
    points = 72 / figure.dpi
    for axis, labels in ends.items():
        heights = [axis.transData.transform(label.xy)[1] * points for label in labels]
        order = np.argsort(heights)
        for place, height in zip(order, _spread([heights[i] for i in order]), strict=True):
            labels[place].set_position((10, height - heights[place]))


def _ends(axis: Axes) -> list[Annotation]:
    texts: Iterable[Any] = axis.texts
    return [text for text in texts if isinstance(text, Annotation) and text.get_gid() == _END]


def _spread(heights: list[float]) -> list[float]:
    """Heights in increasing order, moved as little as keeps neighbours ``_APART``."""
    groups = [[height] for height in heights]
    merged = True
    while merged:
        merged = False
        for i in range(len(groups) - 1):
            if _places(groups[i + 1])[0] - _places(groups[i])[-1] < _APART - 1e-9:
                groups[i : i + 2] = [groups[i] + groups[i + 1]]
                merged = True
                break
    return [place for group in groups for place in _places(group)]


def _places(group: list[float]) -> list[float]:
    middle = sum(group) / len(group)
    return [middle + _APART * (i - (len(group) - 1) / 2) for i in range(len(group))]


def _entries(axis: Axes, legend: Legend) -> Iterable[tuple[Any, str]]:
    """What a legend shows: artists of the panel, or those that were made for the legend."""
    shown = [text.get_text() for text in legend.get_texts()]
    handles, labels = axis.get_legend_handles_labels()
    return zip(handles if labels == shown else legend.legend_handles, shown, strict=True)


def _look(handle: Any) -> str:
    """What tells handles with the same label apart: color and marker."""
    first = handle[0] if isinstance(handle, tuple) else handle
    for method in ("get_color", "get_facecolor"):
        if hasattr(first, method):
            color = np.asarray(getattr(first, method)(), dtype=object)
            return str(color.tolist()) + str(getattr(first, "get_marker", str)())
    return ""
