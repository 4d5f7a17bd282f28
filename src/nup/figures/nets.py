"""Styles of nets in figures: fixed for known nets, assigned to others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from nup.claims.nets import nets_of_study
from nup.claims.run_selection import RunSelection, remembered
from nup.figures.style import (
    BLUE,
    BROWN,
    COLORS,
    GRAY,
    GREEN,
    ORANGE,
    PINK,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
)
from nup.specs import canonical_json

if TYPE_CHECKING:
    from pandas.core.groupby import SeriesGroupBy


class NetStyle(NamedTuple):
    """Style of a net: color and marker by its parameterization, dashes by the net it matches."""

    label: str
    color: Any
    marker: Any
    dashes: Any
    face: Any


def draw_band(
    axis: Axes,
    mean: pd.Series[float],
    over: SeriesGroupBy[Any, Any],
    look: NetStyle,
    alpha: float = 0.1,
    **changes: Any,
) -> None:
    """Draw means as a line in the style of a net, and the range of what they are over as a band.

    Args:
        axis: the panel.
        mean: over seeds, by what is on the horizontal axis.
        over: the values of the seeds, grouped by the same.
        look: of the net.
        alpha: of the band.
        changes: of the line, as its label or the size of its markers.
    """
    axis.fill_between(
        mean.index, over.min(), over.max(), color=look.color, alpha=alpha, linewidth=0
    )
    line = {
        "color": look.color,
        "marker": look.marker,
        "markerfacecolor": look.face,
        "linestyle": look.dashes,
        "label": look.label,
    }
    axis.plot(mean.index, mean, **{**line, **changes})


#: A net's parameterization, its options and the optimizer. Options that a table leaves out have the
#: values of ``_DEFAULTS``.
_Key = tuple[str, str, str]
_DEFAULTS = {"nup": {"normalize": "input", "scale": "base"}}


def _nup(r: int, scale: str = "base", normalize: str = "input") -> _Key:
    options = {"normalize": normalize, "r": float(r), "scale": scale}
    return ("nup", canonical_json(options), "sgd")


#: Nets that a panel compares differ in color, whatever the reading: blue for r = 2, green for
#: r = 1, purple for constant widths of νP. A reading has its shade, and its marker for r = 2.
_KNOWN: dict[_Key, tuple[str, Any, str]] = {
    _nup(2): ("νP (r = 2)", BLUE, "o"),
    _nup(2, "kernel"): ("νP (r = 2), kernel scale", "#12306b", ">"),
    _nup(2, normalize="both"): ("νP (r = 2), both norms", SKY, "D"),
    _nup(2, "kernel", "both"): ("νP (r = 2), both norms, kernel scale", "#7a86e8", "<"),
    _nup(2, "last"): ("νP (r = 2), last width", "#0097a7", "h"),
    _nup(1): ("νP (r = 1)", GREEN, "P"),
    _nup(1, "kernel"): ("νP (r = 1), kernel scale", "#0b5d3b", "X"),
    _nup(1, normalize="both"): ("νP (r = 1), both norms", "#66c2a5", "P"),
    _nup(1, "kernel", "both"): ("νP (r = 1), both norms, kernel scale", "#8fb36a", "X"),
    _nup(1, "last"): ("νP (r = 1), last width", "#3f8f5f", "v"),
    _nup(0): ("constant width, base scale", PURPLE, "p"),
    _nup(0, "kernel"): ("constant width, kernel scale", "#7a2f6c", "p"),
    _nup(0, "last"): ("constant width, last width's scale", "#e59ad6", "p"),
    _nup(3): ("νP (r = 3)", "0.15", "o"),
    ("mup", "{}", "sgd"): ("μP", VERMILION, "s"),
    ("mup_residual", "{}", "sgd"): ("μP, residual", ORANGE, "^"),
    ("mup_inverse_depth", "{}", "sgd"): ("μP, LR/depth", BROWN, "<"),
    ("sp", "{}", "sgd"): ("standard", "#6b4a1e", "v"),
    ("sp", "{}", "adamw"): ("standard, AdamW", "0.2", "X"),
    ("ntp", "{}", "sgd"): ("neural tangent", "#8a7d00", ">"),
}


def _key(parameterization: str, options: str, optimizer: str) -> _Key:
    """The key of a net, with default values of the options that its table leaves out."""
    defaults = _DEFAULTS.get(parameterization, {})
    complete = canonical_json({**defaults, **json.loads(options)}) if defaults else options
    return parameterization, complete, optimizer


#: Colors and markers of other nets; no known net has one of these markers.
_COLORS = (GRAY, SKY, PINK, YELLOW, "0.3", *COLORS[:5])
_MARKERS: tuple[Any, ...] = ("*", "d", "8", "H", (4, 1, 0))  # the last has four points
#: Dashes by the net whose size a net matches; solid for a net that matches none.
_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def net_styles(nets: pd.DataFrame) -> dict[str, NetStyle]:
    """The style of every net.

    An unknown net gets its color and marker by its place among the unknown nets of the study, so
    that all figures of a study agree and no two nets look alike.

    Args:
        nets: rows of ``nup.claims.nets.nets_of_study``.

    Returns:
        Label of the net → its style.
    """
    matches = ["", *sorted(set(nets["matched_to"]) - {""})]
    columns = nets[["parameterization", "net_options", "optimizer"]]
    keys = [_key(*row) for row in columns.itertuples(index=False)]
    others = list(dict.fromkeys(key for key in keys if key not in _KNOWN))
    found = {}
    for net, key, match in zip(nets["net"], keys, nets["matched_to"], strict=True):
        label, color, marker = _KNOWN.get(key) or (net, *_other(others.index(key)))
        if match and key in _KNOWN:
            label += ", equal parameters" if len(matches) == 2 else f", as large as {match}"
        dashes = _DASHES[matches.index(match) % len(_DASHES)]
        found[net] = NetStyle(label, color, marker, dashes, "white" if match else color)
    return found


def styles_of(tables: Mapping[str, pd.DataFrame]) -> Mapping[str, NetStyle]:
    """``net_styles`` of the nets of a study."""
    return net_styles(nets_of_study(tables))


def net_style(selection: RunSelection, net: str) -> NetStyle:
    """Style of a net in the figures of the study; a gray cross for a net that was not run."""
    return _styles(selection).get(net, NetStyle(net, GRAY, "x", "-", GRAY))


@remembered
def _styles(selection: RunSelection) -> dict[str, NetStyle]:
    return net_styles(selection.study_nets)


def _other(place: int) -> tuple[Any, str]:
    """Color and marker of the net at this place among the unknown ones: 50 pairs."""
    turn = place // len(_COLORS)
    return _COLORS[place % len(_COLORS)], _MARKERS[(place + turn) % len(_MARKERS)]
