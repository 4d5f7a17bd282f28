"""What a reader would stumble over in a figure: text that is cut off or covered, axes without data.

The figure is rendered, so extents are those of the picture and not of an estimate.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any
from unittest import mock

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

#: Pixels by which texts may touch: extents of letters without descenders are generous.
_SLACK = 2.0
_RESOLUTION = 100


def faults(figure: Figure) -> list[str]:
    """Every fault of a figure, in words; none for a figure that is fit to print."""
    figure.set_dpi(_RESOLUTION)
    texts = _drawn_texts(figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    page = Bbox.from_bounds(0, 0, *figure.canvas.get_width_height())
    boxes = [(_short(text), text.get_window_extent(renderer)) for text in texts]
    found = [f"cut off: {words}" for words, box in boxes if _outside(box, page)]
    found += [
        f"overlap: {first} | {second}"
        for (first, one), (second, other) in combinations(boxes, 2)
        if _covered(one, other)
    ]
    return found + _faults_of_axes(figure, renderer)


def _drawn_texts(figure: Figure) -> list[Text]:
    """The texts that reach the canvas; labels of ticks beyond the limits do not."""
    drawn: dict[int, Text] = {}
    draw = Text.draw

    def record(text: Text, *args: Any, **options: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn[id(text)] = text
        draw(text, *args, **options)

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout moves texts while it is drawn for the first time
    with mock.patch.object(Text, "draw", record):
        canvas.draw()
    return list(drawn.values())


def _outside(box: Bbox, page: Bbox) -> bool:
    return bool(
        box.x0 < page.x0 - 1 or box.y0 < page.y0 - 1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1
    )


def _covered(one: Bbox, other: Bbox) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(width > _SLACK and height > _SLACK)


def _faults_of_axes(figure: Figure, renderer: Any) -> list[str]:
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
    legends = [legend for legend in legends if legend is not None]
    found = [f"{len(legends)} legends"] if len(legends) > 1 else []
    for axis in figure.axes:
        name = axis.get_title() or axis.get_ylabel() or "axes"
        if axis.axison and not _has_data(axis):
            found.append(f"empty: {' '.join(name.split())}")
        if axis.axison and not axis.get_xlabel() and not axis.get_ylabel() and not _named(axis):
            found.append(f"no label: {' '.join(name.split())}")
        frame = axis.get_window_extent(renderer)
        if axis.axison and any(
            _covered(legend.get_window_extent(renderer), frame) for legend in legends
        ):
            found.append(f"legend over data: {' '.join(name.split())}")
    return found


def _has_data(axis: Axes) -> bool:
    if axis.patches or axis.images:
        return True
    lines = any(len(line.get_xdata()) for line in axis.lines)  # type: ignore[arg-type]
    return lines or any(
        len(each.get_offsets()) and any(path.vertices.size for path in each.get_paths())
        for each in axis.collections
    )


def _named(axis: Axes) -> bool:
    """Whether the ticks have names, as the lines of a table have."""
    ticks = [*axis.get_xticklabels(), *axis.get_yticklabels()]
    return any(any(map(str.isalpha, tick.get_text())) for tick in ticks)


def _short(text: Text) -> str:
    return " ".join(text.get_text().split())[:50]
