"""Figures of the page, drawn from the raw records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks import growth
from benchmarks.goals import fastest
from nup.figures import style

Records = Mapping[str, Any]

LABELS = {
    "depth": "depth (weight layers)",
    "width": "width",
    "members": "runs of a stack",
    "samples": "samples",
}


def training(records: Records) -> Figure:
    """Rates of peers relative to the naive loop in one process, one point a round."""
    rows = []
    for shape in records["shapes"]:
        timings = [row for row in records["timings"] if row["shape"] == shape["name"]]
        naive = fastest([row for row in timings if row["processes"] == 1], "naive")
        base = naive["rates"] if naive is not None else []
        for timing in timings:
            rows += [
                {
                    "shape": shape["name"],
                    "peer": timing["peer"],
                    "processes": timing["processes"],
                    "ratio": rate / slow,
                }
                for rate, slow in zip(timing["rates"], base, strict=False)
            ]
    frame = pd.DataFrame(rows, columns=["shape", "peer", "processes", "ratio"])
    counts = sorted(frame["processes"].unique())
    with style.theme():
        figure = Figure(figsize=(5.4 * max(1, len(counts)), 3.8))
        axes = figure.subplots(1, max(1, len(counts)), sharey=True, squeeze=False)[0]
        for axis, count in zip(axes, counts, strict=False):
            chosen = frame[frame["processes"] == count]
            sns.pointplot(
                chosen,
                x="shape",
                y="ratio",
                hue="peer",
                estimator="median",
                errorbar=("pi", 100),
                linestyle="none",
                dodge=0.5,
                palette="colorblind",
                legend=axis is axes[-1],
                ax=axis,
            )
            title = "1 process" if count == 1 else f"{count} processes of 1 thread"
            axis.set(title=title, ylabel="rate ÷ naive loop", xlabel="shape")
            axis.set_yscale("log", base=2)
            axis.yaxis.set_major_formatter("{x:g}")
            axis.axhline(1, color=style.GRAY, linewidth=0.8)
        if (legend := axes[-1].get_legend()) is not None:
            legend.set(title=None)
            sns.move_legend(axes[-1], "center left", bbox_to_anchor=(1, 0.5))
    return figure


def growth_figure(records: Records) -> Figure:
    """Cost of a step of one run against each size, with the power fitted at the upper end.

    Dashed the power that is expected there, dotted the operations, both through the last point.
    """
    points = pd.DataFrame(records["points"]).explode("seconds").astype({"seconds": float})
    points["microseconds"] = 1e6 * points["seconds"]
    axes_names = list(dict.fromkeys(points["axis"]))
    with style.theme():
        figure = Figure(figsize=(3.3 * len(axes_names), 3.4))
        axes = figure.subplots(1, len(axes_names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, axes_names, strict=True):
            _draw_growth(axis, points[points["axis"] == name], name, records["full_block"])
        axes[0].legend(loc="upper left")
    return figure


def _draw_growth(axis: Axes, points: pd.DataFrame, name: str, full_block: int) -> None:
    medians = points.groupby("value")["microseconds"].agg(median)
    values = list(medians.index)
    chosen = growth.upper(name, values, full_block)
    power = growth.fit([values[i] for i in chosen], [medians.iloc[i] for i in chosen])
    sns.lineplot(
        points,
        x="value",
        y="microseconds",
        estimator="median",
        errorbar=("pi", 100),
        marker="o",
        color=style.BLUE,
        label="measured",
        legend=False,
        ax=axis,
    )
    operations = points.groupby("value")["flops"].first().astype(float)
    scaled = operations * medians.iloc[-1] / operations.iloc[-1]
    axis.plot(values, scaled, ":", color=style.GRAY, linewidth=1.8, label="operations")
    expected = growth.EXPECTED[name]
    ends = [values[chosen[0]], values[-1]]
    reference = [medians.iloc[-1] * (value / values[-1]) ** expected for value in ends]
    axis.plot(ends, reference, "--", color=style.VERMILION, linewidth=1.8, label="expected power")
    if name == "members":
        axis.axvline(full_block, color=style.GRAY, linewidth=0.8)
        note = axis.get_xaxis_transform()
        axis.text(full_block, 0.04, " block full", transform=note, fontsize="small")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_yscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    ends_named = f"{values[chosen[0]]} … {values[chosen[-1]]}"
    title = f"exponent {power.exponent:.2f} ± {power.error:.2f} at {ends_named}"
    axis.set_title(f"{title}\n({expected:g} expected)", fontsize="small")
    axis.set(xlabel=LABELS[name], ylabel="µs per step of one run")


FIGURES: dict[str, Callable[[Records], Figure]] = {"training": training, "growth": growth_figure}


def draw(sections: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Path]:
    """Draw what there are records for; section → path."""
    return {
        section: style.save(figure(sections[section]["records"]), folder / f"bench-{section}.png")
        for section, figure in FIGURES.items()
        if section in sections
    }
