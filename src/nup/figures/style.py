"""What all figures share: theme, colors, names of nets and verdicts, the grid of panels."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from nup.claims import verdicts
from nup.claims.catalogue import Claim
from nup.claims.regimes import Regime, regimes_of
from nup.claims.run_selection import RunSelection, NotRun, Undecided

COLORS = sns.color_palette("colorblind")
BLUE, ORANGE, GREEN, VERMILION, PURPLE, BROWN, PINK, GRAY, YELLOW, SKY = COLORS
SHADE = "0.88"
RESOLUTION = 150


class VerdictStyle(NamedTuple):
    """Verdicts differ by symbol and word, not by color alone."""

    color: Any
    symbol: str


VERDICTS = {
    verdicts.SUPPORTED: VerdictStyle(GREEN, "✓"),
    verdicts.CONTRADICTED: VerdictStyle(VERMILION, "✗"),
    verdicts.INCONCLUSIVE: VerdictStyle(YELLOW, "?"),
    verdicts.NOT_RUN: VerdictStyle(GRAY, "–"),
}

_NETS = {
    "nup(r=2)": ("νP (r = 2)", BLUE, "o"),
    "nup(r=1)": ("νP (r = 1)", SKY, "P"),
    "nup(r=3)": ("νP (r = 3)", "0.15", "h"),
    "nup_last_width(r=2)": ("νP (r = 2), last width", ORANGE, "<"),
    "nup_kernel_scale(r=2)": ("νP (r = 2), kernel scale", BROWN, ">"),
    "mup": ("μP", VERMILION, "s"),
    "mup_inverse_depth": ("μP, LR/depth", GREEN, "^"),
    "mup_residual": ("μP, residual", PURPLE, "D"),
    "sp": ("standard", BROWN, "v"),
    "sp+adamw": ("standard, AdamW", "0.2", "<"),
    "ntp": ("neural tangent", ORANGE, "X"),
}


class NetStyle(NamedTuple):
    """How a net is named and drawn: color and marker by parameterization, dashes by matching."""

    label: str
    color: Any
    marker: str
    dashes: str
    face: Any


def net_style(net: str) -> NetStyle:
    """Style of a net as named by ``nup.claims.run_selection.net_labels``."""
    name, _, matched_to = net.partition(" matched to ")
    label, color, marker = _NETS.get(name, (name, GRAY, "*"))
    if matched_to:
        return NetStyle(f"{label}, equal parameters", color, marker, "--", "white")
    return NetStyle(label, color, marker, "-", color)


def net_order(net: str) -> tuple[int, str, bool]:
    """Sorts nets as they are listed here, each before those that match another's size."""
    name, _, matched_to = net.partition(" matched to ")
    known = list(_NETS)
    return (known.index(name) if name in known else len(known)), name, bool(matched_to)


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


def activations(tables: Mapping[str, pd.DataFrame], table: str, experiment: str) -> list[str]:
    """The activations of an experiment in ``runs`` or ``init``."""
    if table not in tables or tables[table].empty:
        return []
    rows = tables[table]
    return sorted(rows.loc[rows["experiment"] == experiment, "activation"].unique())


Draw = Callable[[Axes, RunSelection], None]


def panels(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
    rows: Mapping[str, Draw],
    table: str = "runs",
    size: tuple[float, float] = (5.2, 3.4),
    title: str = "",
) -> Figure:
    """A grid of panels: one column an activation, one row a function of ``rows``.

    An experiment that was run in several regimes has these rows once for each.

    Args:
        tables: the tidy tables.
        judged: the claims table, for the verdict over each column (of each regime).
        claim: gives experiment, selection and title.
        rows: title of the row → what draws its panel.
        table: ``runs`` or ``init``, where the activations are looked up.
        size: width and height of a panel in inches.
        title: title of a figure that shows no verdict; if empty, it has the claim's title
            and verdicts.
    """
    names = activations(tables, table, claim.experiment) or ["no runs"]
    found = regimes_of(tables, claim.experiment, claim.select) if table == "runs" else []
    regimes: list[Regime | None] = [*found] or [None]
    count = len(rows) * len(regimes)
    with theme():
        figure = Figure(figsize=(size[0] * len(names), size[1] * count + 0.5))
        axes = figure.subplots(count, len(names), squeeze=False)
        figure.suptitle(title or claim.title, fontweight="bold")
        for number, regime in enumerate(regimes):
            block = axes[number * len(rows) : (number + 1) * len(rows)]
            _draw_rows(
                block,
                rows,
                [RunSelection(tables, claim.experiment, name, claim.select, regime) for name in names],
            )
            where = f", {regime.label}" if regime and len(regimes) > 1 else ""
            for axis, name in zip(block[0], names, strict=True):
                verdict = "" if title else _verdict(judged, claim.id, name, regime)
                axis.set_title(f"{name}{where}{verdict}\n{axis.get_title()}", fontsize="medium")
    return figure


def _draw_rows(axes: np.ndarray, rows: Mapping[str, Draw], found: Sequence[RunSelection]) -> None:
    """Draw ``axes [row, activation]``, the panels of each row with the same vertical limits."""
    for line, (subtitle, draw) in zip(axes, rows.items(), strict=True):
        drawn = [_draws(axis, one, draw) for axis, one in zip(line, found, strict=True)]
        _share_vertical([axis for axis, good in zip(line, drawn, strict=True) if good])
        for axis in line:
            axis.set_title(subtitle, fontsize="medium")


def _draws(axis: Axes, selection: RunSelection, draw: Draw) -> bool:
    """Draw the panel, or say in it what is absent; whether it was drawn."""
    try:
        draw(axis, selection)
    except (NotRun, Undecided) as outcome:
        axis.clear()
        axis.set_axis_off()
        text = textwrap.fill(f"not run: {outcome}", 40)
        axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
        return False
    return True


def _share_vertical(line: Sequence[Axes]) -> None:
    """Give the panels of a row the limits that hold them all, labels at the left one only.

    Done after drawing: axes that share from the start keep limits that one panel has fixed.
    """
    if not line:
        return
    limits = [axis.get_ylim() for axis in line]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    for axis in line:
        axis.set_ylim(low, high)
        if axis.get_yscale() == "log" and getattr(axis.yaxis.get_transform(), "base", 0) == 10:
            _readable_ticks(axis, low, high)
    for axis in line[1:]:
        axis.set_ylabel("")
        axis.tick_params(axis="y", which="both", labelleft=False)


def _readable_ticks(axis: Axes, low: float, high: float) -> None:
    """Ticks at 1, 2, 5 of every decade where powers of ten alone would be too few."""
    if high < 4 * low:
        middle = (low * high) ** 0.5
        low, high = middle / 2, middle * 2
        axis.set_ylim(low, high)
    if high < 100 * low:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.yaxis.set_minor_locator(NullLocator())


def _verdict(judged: pd.DataFrame, claim_id: str, activation: str, regime: Regime | None) -> str:
    row = judged[
        (judged["claim"] == claim_id)
        & (judged["activation"] == activation)
        & (judged["criterion"] == "overall")
    ]
    if regime is not None:
        row = row[row["setting"] == regime.label]
    if row.empty:
        return ": not judged"
    label = str(row["verdict"].iloc[0])
    return f": {claim_id} {VERDICTS[label].symbol} {label}"


def one_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of νP, or of the first net there is, at the lowest seed."""
    nets = sorted(runs["net"].unique(), key=lambda net: (not net.startswith("nup"), net))
    runs = runs[runs["net"].isin(nets[:1])]
    first: pd.DataFrame = runs[runs["seed"] == runs["seed"].min()]
    return first


def colored(runs: pd.DataFrame, column: str) -> list[tuple[Any, tuple[Any, pd.Series]]]:
    """Rows in the order of ``column``, each with a color that tells where in it they stand."""
    runs = runs.sort_values(column)
    palette = sns.color_palette("viridis", len(runs))
    return list(zip(palette, runs.iterrows(), strict=True))


def threshold_of(claim: Claim, estimator: str) -> tuple[float | None, float | None]:
    """Ends of the threshold of the claim's first criterion with this estimator."""
    for criterion in claim.criteria:
        if criterion.estimator == estimator:
            return criterion.threshold.low, criterion.threshold.high
    raise KeyError(f"claim {claim.id} has no criterion with the estimator {estimator}")


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as PNG, without a time stamp, and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=RESOLUTION, metadata={"Software": None})
    return path


def draw_by_depth(axis: Axes, table: pd.DataFrame, x: str, y: str, depths: Sequence[int]) -> None:
    """Mean and range over seeds of column ``y`` against ``x``, one line for each depth.

    ``depths`` are all that the figure has, so that a depth has the same color on every axis.
    """
    sns.lineplot(
        data=table,
        x=x,
        y=y,
        hue="depth",
        style="depth",
        palette=dict(zip(depths, sns.color_palette("viridis", len(depths)), strict=True)),
        markers=True,
        dashes=False,
        errorbar=("pi", 100),
        legend="full",
        ax=axis,
    )
