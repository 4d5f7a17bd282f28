"""Figures of the page, drawn from the raw records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benchmarks import growth
from benchmarks.goals import fastest
from nup.plots import style

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
    """Cost of a step of one run against each size, with the fitted power."""
    points = pd.DataFrame(records["points"]).explode("seconds").astype({"seconds": float})
    axes_names = list(dict.fromkeys(points["axis"]))
    with style.theme():
        figure = Figure(figsize=(3.3 * len(axes_names), 3.2))
        axes = figure.subplots(1, len(axes_names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, axes_names, strict=True):
            chosen = points[points["axis"] == name].assign(
                microseconds=lambda t: 1e6 * t["seconds"]
            )
            medians = chosen.groupby("value")["microseconds"].agg(median)
            power = growth.fit(list(medians.index), list(medians))
            sns.lineplot(
                chosen,
                x="value",
                y="microseconds",
                estimator="median",
                errorbar=("pi", 100),
                marker="o",
                color=style.BLUE,
                ax=axis,
            )
            axis.set_xscale("log", base=2)
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_yscale("log")
            axis.xaxis.set_major_formatter("{x:g}")
            axis.set(
                title=f"exponent {power.exponent:.2f} ± {power.error:.2f}",
                xlabel=LABELS[name],
                ylabel="µs per step of one run",
            )
    return figure


FIGURES: dict[str, Callable[[Records], Figure]] = {"training": training, "growth": growth_figure}


def draw(sections: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Path]:
    """Draw what there are records for; section → path."""
    return {
        section: style.save(figure(sections[section]["records"]), folder / f"bench-{section}.png")
        for section, figure in FIGURES.items()
        if section in sections
    }
