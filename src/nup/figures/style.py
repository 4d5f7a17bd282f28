"""The look that all figures share: theme, colors, symbols of verdicts, files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from nup.claims import verdicts
from nup.claims.catalogue import Claim
from nup.errors import UserError
from nup.figures.description import describe, described, information

COLORS = sns.color_palette("colorblind")
BLUE, ORANGE, GREEN, VERMILION, PURPLE, BROWN, PINK, GRAY, YELLOW, SKY = COLORS
#: Colors of what is no net: phase lines, schedules, gradient scalings, parts of a motion. Nets have
#: the colors above and shades of them, so a color never stands for a net and for something else.
INDIGO, WINE, OLIVE, FOREST, ROSE, TEAL = (
    "#332288", "#882255", "#857a1f", "#117733", "#cc6677", "#44aa99"
)  # fmt: skip
INK = "0.25"
SHADE = "0.88"
RESOLUTION = 150
#: Colors of a saved figure, and of one that is shipped.
_PALETTE, _SHIPPED = 128, 64
#: Letters with a subscript of one letter or digit: m_k, Δ_φ, η_tλ_t, but not soft_rank.
_SYMBOLS = re.compile(r"(?<![\w\\])(?:[^\W\d_]_[^\W_])+(?![\w(])")


class VerdictStyle(NamedTuple):
    """Verdicts differ by symbol and word, not by color alone."""

    color: Any
    symbol: str


VERDICTS = {
    verdicts.SUPPORTED: VerdictStyle(GREEN, verdicts.MARKS[verdicts.SUPPORTED]),
    verdicts.CONTRADICTED: VerdictStyle(VERMILION, verdicts.MARKS[verdicts.CONTRADICTED]),
    verdicts.INCONCLUSIVE: VerdictStyle("#c79a00", verdicts.MARKS[verdicts.INCONCLUSIVE]),
    verdicts.NOT_RUN: VerdictStyle(GRAY, verdicts.MARKS[verdicts.NOT_RUN]),
}


def theme() -> Any:
    """Context with the look of every figure."""
    return mpl.rc_context(
        {
            **sns.axes_style("ticks"),
            **sns.plotting_context("notebook", font_scale=0.9),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.family": ["DejaVu Sans"],
            "figure.constrained_layout.use": True,
            "legend.frameon": False,
            "legend.fontsize": "small",
        }
    )


def colored(runs: pd.DataFrame, column: str) -> list[tuple[Any, tuple[Any, pd.Series]]]:
    """Rows in the order of ``column``, each with a color that tells where in it they stand."""
    runs = runs.sort_values(column)
    palette = sns.color_palette("viridis", len(runs))
    return list(zip(palette, runs.iterrows(), strict=True))


def plain(text: str) -> str:
    """What a file of claims says, as text: what is between dollars is no mathematics.

    Symbols with a subscript, as m_k and η_tλ_t, are set as such.
    """
    return _SYMBOLS.sub(lambda found: f"${found[0]}$", text.replace("$", r"\$"))


def threshold_of(claim: Claim, estimator: str) -> tuple[float | None, float | None]:
    """Ends of the threshold of the claim's first criterion with this estimator."""
    for criterion in claim.criteria:
        if criterion.estimator == estimator:
            return criterion.threshold.low, criterion.threshold.high
    raise KeyError(f"claim {claim.id} has no criterion with the estimator {estimator}")


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG, and as PDF for print beside it; return the path of the PNG.

    The PNG has a palette, which makes it about three times smaller: clones carry figures for ever.
    It carries a description of the figure in words (``nup.figures.description``). Neither file has
    a time stamp.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lay_out(figure)
    canvas: Any = FigureCanvasAgg(figure)  # without types
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    colors = drawn.quantize(_PALETTE, dither=Image.Dither.NONE)
    colors.save(path, optimize=True, pnginfo=information(describe(figure)))
    # Letters of Type 42 stay text, which journals ask for.
    with mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    return path


def lay_out(figure: Figure) -> None:
    """Fix the places of the figure's panels, at the resolution of its PNG.

    To find them again for each file takes as long as to draw it.
    """
    figure.set_dpi(RESOLUTION)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        # With an engine of any kind, also one that does nothing, matplotlib draws a figure twice.
        with mpl.rc_context({"figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)


def save_small(figure: Path, target: Path) -> None:
    """Copy a saved figure with fewer colors and its description.

    Raises:
        UserError: the file holds no picture.
    """
    try:
        with Image.open(figure) as image:
            colors = image.convert("RGB").quantize(_SHIPPED, dither=Image.Dither.NONE)
    except UnidentifiedImageError as error:
        raise UserError(f"{figure}: expected a picture, got none; draw it again") from error
    colors.save(target, optimize=True, pnginfo=information(described(figure)))


def draw_by_depth(axis: Axes, table: pd.DataFrame, x: str, y: str, depths: Sequence[int]) -> None:
    """Mean and range over seeds of column ``y`` against ``x``, one line for each depth.

    ``depths`` are all that the figure has, so that a depth has the same color on every axis.
    """
    for depth, (color, marker) in depth_looks(depths).items():
        found = table[table["depth"] == depth].groupby(x)[y]
        mean = found.mean()
        if mean.empty:
            continue
        axis.fill_between(
            mean.index, found.min(), found.max(), color=color, alpha=0.15, linewidth=0
        )
        axis.plot(
            mean.index, mean, color=color, marker=marker, markersize=5, label=f"depth {depth}"
        )


def depth_looks(depths: Sequence[int]) -> dict[int, tuple[Any, str]]:
    """Color and marker of each depth, from dark to light."""
    palette = sns.color_palette("viridis", len(depths) + 1)  # the last one is too light
    marks = ("o", "s", "^", "D", "v", "P", "X", "p", "h")
    return {
        depth: (palette[place], marks[place % len(marks)]) for place, depth in enumerate(depths)
    }
