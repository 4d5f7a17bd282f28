"""All verdicts at a glance, and every estimate with its interval against its threshold."""

from __future__ import annotations

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from nup.claims.catalogue import Catalogue, Claim, Threshold
from nup.claims.ranges import readable
from nup.claims.regimes import claim_regimes, judged_names
from nup.figures import style
from nup.figures.legends import place_legend
from nup.figures.panels import titled, wrapped


def verdict_table(judged: pd.DataFrame, catalogue: Catalogue) -> Figure:
    """One cell per claim and activation: symbol, word and color of the overall verdict.

    A claim that was judged in several regimes has one line of cells per regime.
    """
    overall = judged[judged["criterion"] == "overall"]
    activations = list(dict.fromkeys(overall["activation"])) or ["no runs"]
    lines = [
        (claim, regime) for claim in catalogue.claims for regime in claim_regimes(overall, claim.id)
    ]
    with style.theme():
        figure = Figure(figsize=(6.2 + 2.6 * len(activations), 0.8 + 0.72 * len(lines)))
        figure.suptitle("Verdicts", fontweight="bold")
        axis = figure.subplots()
        for line, (claim, regime) in enumerate(lines):
            for column, activation in enumerate(activations):
                row = overall[
                    (overall["claim"] == claim.id)
                    & (overall["activation"] == activation)
                    & (overall["setting"] == regime)
                ]
                # The claim's experiment may lack an activation, which then is not judged.
                if not row.empty or claim.id not in set(overall["claim"]):
                    _draw_cell(axis, column, line, row)
        axis.set_xlim(0, len(activations))
        axis.set_ylim(len(lines), 0)
        axis.set_xticks(np.arange(len(activations)) + 0.5, activations, fontweight="bold")
        titles = [_line_title(claim, regime, overall) for claim, regime in lines]
        axis.set_yticks(np.arange(len(lines)) + 0.5, titles, fontsize="small")
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _line_title(claim: Claim, regime: str, overall: pd.DataFrame) -> str:
    """Id and title of the claim, with the regime if it was judged in several."""
    several = len(claim_regimes(overall, claim.id)) > 1
    head = f"{claim.id}: {regime}" if several else claim.id
    return f"{head}\n{style.plain(textwrap.fill(claim.title, 46))}"


def _draw_cell(axis: Axes, column: int, line: int, row: pd.DataFrame) -> None:
    label = "not run" if row.empty else str(row["verdict"].iloc[0])
    look = style.VERDICTS[label]
    corner = (column + 0.02, line + 0.06)
    axis.add_patch(Rectangle(corner, 0.96, 0.88, facecolor=look.color, alpha=0.35))
    axis.text(
        column + 0.5,
        line + 0.38,
        f"{look.symbol} {label}",
        ha="center",
        va="center",
        fontweight="bold",
    )
    if not row.empty and math.isfinite(row["estimate"].iloc[0]):
        numbers = row.iloc[0]
        reading = numbers.get("reading")
        count = str(numbers["reason"]).partition(":")[0]
        head = f"reading: {reading}" if isinstance(reading, str) and reading else count
        text = f"{head}; {numbers['estimate']:.3g}, range {readable(numbers['threshold'])}"
        axis.text(column + 0.5, line + 0.7, text, ha="center", va="center", fontsize="xx-small")


def forest(judged: pd.DataFrame, claim: Claim) -> Figure:
    """Estimate and interval of every criterion of a claim, one axis per kind of estimate.

    If the claim has several readings, the reading that decides is shown. Where all activations
    have the same numbers, as in a comparison of two of them, they share one mark.
    """
    rows = judged[(judged["claim"] == claim.id) & (judged["criterion"] != "overall")]
    rows = rows.assign(name=judged_names(rows))
    names = list(dict.fromkeys(rows["name"]))
    groups = _groups(rows, claim) or {("nothing was judged", ""): (Threshold(low=0), [])}
    heights = [
        0.05 + sum(_ROW + _MARK * _marks(rows, criterion, names) for criterion in group or [""])
        for _, group in groups.values()
    ]
    with style.theme():
        figure = Figure(figsize=(10, 0.9 + sum(height + 0.6 for height in heights)))
        axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)
        figure.suptitle(wrapped(titled(judged, claim), 10), fontweight="bold")
        for axis, ((estimator, threshold), (ends, group)) in zip(
            axes[:, 0], groups.items(), strict=True
        ):
            if estimator == "largest_loss":
                axis.set_xscale("log")
            _draw_group(axis, rows, ends, group, names)
            if estimator == "diverged_runs":
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_xlabel(f"{estimator.replace('_', ' ')}; shaded: {readable(threshold)}")
        _legend(figure, rows, names)
    return figure


#: Inches of a criterion, and of each mark in it.
_ROW, _MARK = 0.1, 0.17
_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Mark of what is the same for all activations.
_ALL = "*"


def _groups(rows: pd.DataFrame, claim: Claim) -> dict[tuple[str, str], tuple[Threshold, list[str]]]:
    """Estimator and range → threshold, and names of the judged criteria or of their parts.

    Criteria of another version of the claim are left out.
    """
    judged = list(dict.fromkeys(rows["criterion"]))
    groups: dict[tuple[str, str], tuple[Threshold, list[str]]] = {}
    for each in claim.criteria:
        own = [name for name in judged if name == each.name or name.startswith(f"{each.name}, ")]
        taken = {name for _, names in groups.values() for name in names}
        fresh = [name for name in own if name not in taken]
        if fresh:
            key = (each.estimator, str(each.threshold))
            groups.setdefault(key, (each.threshold, []))[1].extend(fresh)
    return groups


def _alike(rows: pd.DataFrame, criterion: str, names: list[str]) -> bool:
    """Whether a criterion has the same numbers for all of several names."""
    found = rows.loc[rows["criterion"] == criterion, ["estimate", "low", "high", "verdict"]]
    return len(names) > 1 and len(found) == len(names) and len(found.drop_duplicates()) == 1


def _marks(rows: pd.DataFrame, criterion: str, names: list[str]) -> int:
    return 1 if _alike(rows, criterion, names) else max(1, len(names))


def _draw_group(
    axis: Axes, rows: pd.DataFrame, threshold: Threshold, criteria: list[str], names: list[str]
) -> None:
    """Draw a line for each criterion, as high as its marks need."""
    low, high = threshold.low, threshold.high
    top, middles = 0.0, []
    for criterion in criteria:
        count = _marks(rows, criterion, names)
        height = _ROW + _MARK * count
        middles.append(top + height / 2)
        for index, name in enumerate(names[:1] if _alike(rows, criterion, names) else names):
            found = rows[(rows["criterion"] == criterion) & (rows["name"] == name)]
            place = top + _ROW / 2 + _MARK * (index + 0.5)
            if not found.empty:
                alike = _alike(rows, criterion, names)
                marker = _ALL if alike else _MARKERS[index % len(_MARKERS)]
                _draw_estimate(axis, place, found.iloc[0], marker)
        top += height
    ends = [end for end in (low, high) if end is not None]
    left, right = _widened(axis, ends)
    axis.axvspan(
        left if low is None else low, right if high is None else high, color=style.SHADE, zorder=0
    )
    axis.set_xlim(left, right)
    axis.set_ylim(top or 1, 0)
    axis.set_yticks(middles, [textwrap.fill(style.plain(name), 44) for name in criteria])


def _widened(axis: Axes, ends: list[float]) -> tuple[float, float]:
    """Limits of the axis that leave room around the data and the ends of the threshold."""
    transform = axis.xaxis.get_transform()
    drawn = transform.transform(np.array([*axis.get_xlim(), *ends], dtype=float))
    margin = 0.08 * (drawn.max() - drawn.min() or 1.0)
    left, right = transform.inverted().transform(
        np.array([drawn.min() - margin, drawn.max() + margin])
    )
    return float(left), float(right)


def _draw_estimate(axis: Axes, height: float, row: pd.Series, marker: str) -> None:
    look = style.VERDICTS[row["verdict"]]
    if not math.isfinite(row["estimate"]):
        axis.text(
            0.01,
            height,
            f"{look.symbol} {row['verdict']}",
            va="center",
            fontsize="small",
            transform=axis.get_yaxis_transform(),
        )
        return
    if math.isfinite(row["low"]):
        axis.plot([row["low"], row["high"]], [height, height], color=look.color, linewidth=2.5)
    axis.plot(
        row["estimate"],
        height,
        marker=marker,
        color=look.color,
        markeredgecolor="black",
        markersize=11 if marker == _ALL else 6,
    )
    axis.annotate(
        look.symbol,
        (1.01, height),
        xycoords=axis.get_yaxis_transform(),
        va="center",
        fontsize="small",
        annotation_clip=False,
    )


def _legend(figure: Figure, rows: pd.DataFrame, names: list[str]) -> None:
    looks = {name: _MARKERS[i % len(_MARKERS)] for i, name in enumerate(names)}
    if any(_alike(rows, criterion, names) for criterion in set(rows["criterion"])):
        looks["same for all"] = _ALL
    handles = [
        Line2D([], [], marker=marker, color="0.4", linestyle="none", label=name)
        for name, marker in looks.items()
    ]
    handles += [
        Line2D([], [], color=look.color, linewidth=4, label=f"{look.symbol} {label}")
        for label, look in style.VERDICTS.items()
    ]
    counts = [int(count) for count in rows["n_seeds"].dropna() if count > 0]
    seeds = "" if not counts else f" over {min(counts)}"
    seeds += f" to {max(counts)}" if counts and max(counts) > min(counts) else ""
    note = (
        f"Marks: mean{seeds} seeds; bars: 95 % interval; without a bar: the worst seed."
        if counts
        else ""
    )
    place_legend(figure, handles, [str(handle.get_label()) for handle in handles], note)
