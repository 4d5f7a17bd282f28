"""Grids of panels: one column per activation, rows per regime, a verdict over each column."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from nup.claims import verdicts
from nup.claims.catalogue import Claim
from nup.claims.nets import ordered
from nup.claims.regimes import Regime, regimes_of
from nup.claims.run_selection import NotRun, RunSelection, Undecided
from nup.figures.legends import one_legend, spread_end_labels
from nup.figures.nets import net_style
from nup.figures.style import VERDICTS, plain, theme


def activations(tables: Mapping[str, pd.DataFrame], table: str, experiment: str) -> list[str]:
    """The activations of an experiment in the table ``runs`` or ``init``, sorted."""
    if table not in tables or tables[table].empty:
        return []
    rows = tables[table]
    return sorted(rows.loc[rows["experiment"] == experiment, "activation"].unique())


def regime_selections(tables: Mapping[str, pd.DataFrame], claim: Claim) -> list[RunSelection]:
    """The runs of a claim's experiment, for each regime and in it for each activation."""
    return [
        RunSelection(tables, claim.experiment, name, claim.select, regime)
        for regime in regimes_of(tables, claim.experiment, claim.select)
        for name in activations(tables, "runs", claim.experiment)
    ]


#: Draws one panel from the runs selected for it.
Draw = Callable[[Axes, RunSelection], None]


def panels(
    tables: Mapping[str, pd.DataFrame],
    judged: pd.DataFrame,
    claim: Claim,
    rows: Mapping[str, Draw],
    table: str = "runs",
    size: tuple[float, float] = (5.2, 3.4),
    title: str = "",
    note: str = "",
) -> Figure:
    """A grid of panels: one column per activation, one row per function of ``rows``.

    The rows are repeated for each regime in which the experiment was run.

    Args:
        tables: the tidy tables.
        judged: the claims table, for the verdict over each column and regime.
        claim: gives experiment, selection and title.
        rows: title of the row → the function that draws its panels.
        table: the table that names the activations, ``runs`` or ``init``.
        size: width and height of a panel in inches.
        title: title of a figure without verdicts; if empty, the figure has the claim's title
            and verdicts.
        note: what marks and bars are, over the legend; ``{seeds}`` is their number, ``8 seeds``.
    """
    names = activations(tables, table, claim.experiment) or ["no runs"]
    found = regimes_of(tables, claim.experiment, claim.select) if table == "runs" else []
    regimes: list[Regime | None] = [*found] or [None]
    count = len(rows) * len(regimes)
    with theme():
        figure = Figure(figsize=(size[0] * len(names), size[1] * count + 0.5))
        axes = figure.subplots(count, len(names), squeeze=False)
        figure.suptitle(
            wrapped(title or titled(judged, claim), size[0] * len(names)), fontweight="bold"
        )
        selections = []
        for number, regime in enumerate(regimes):
            block = axes[number * len(rows) : (number + 1) * len(rows)]
            found_runs = [
                RunSelection(tables, claim.experiment, name, claim.select, regime) for name in names
            ]
            selections += found_runs
            _draw_rows(block, rows, found_runs)
            where = f", {regime.label}" if regime and len(regimes) > 1 else ""
            for axis, name in zip(block[0], names, strict=True):
                verdict = "" if title else _verdict(judged, claim.id, name, regime)
                axis.set_title(f"{name}{where}{verdict}\n{axis.get_title()}", fontsize="medium")
        seeds = _seeds(selections, table)
        one_legend(figure, (note or "{seeds}.").replace("{seeds}", seeds) if seeds else "")
        spread_end_labels(figure)
    return figure


def titled(judged: pd.DataFrame, claim: Claim) -> str:
    """Title of a claim with its verdict over all activations and settings."""
    overall = judged[(judged["claim"] == claim.id) & (judged["criterion"] == "overall")]
    if overall.empty:
        return plain(claim.title)
    verdict = verdicts.all_of(overall["verdict"])
    return f"{plain(claim.title)}\n{VERDICTS[verdict].symbol} {verdict}"


def wrapped(title: str, width: float) -> str:
    """The title in lines that fit a figure of this width in inches."""
    letters = max(24, int(8.5 * width))
    return "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))


def _seeds(selections: Sequence[RunSelection], table: str) -> str:
    """How many seeds the panels show: ``8 seeds``; empty if there are no runs."""
    rows = [each.runs if table == "runs" else each.init for each in selections]
    counts = sorted({int(each["seed"].nunique()) for each in rows if not each.empty})
    if not counts:
        return ""
    few = "1 seed" if counts[-1] == 1 else f"{counts[-1]} seeds"
    return few if len(counts) == 1 else f"{counts[0]} to {few}"


def _draw_rows(axes: np.ndarray, rows: Mapping[str, Draw], found: Sequence[RunSelection]) -> None:
    """Draw ``axes [row, activation]``; the panels of a row have the same vertical limits."""
    for line, (subtitle, draw) in zip(axes, rows.items(), strict=True):
        drawn = [draws(axis, one, draw) for axis, one in zip(line, found, strict=True)]
        share_vertical([axis for axis, good in zip(line, drawn, strict=True) if good])
        for axis in line:
            axis.set_title(subtitle, fontsize="medium")


def draws(axis: Axes, selection: RunSelection, draw: Draw) -> bool:
    """Draw the panel, or write into it what is absent; return whether it was drawn."""
    try:
        draw(axis, selection)
    except (NotRun, Undecided) as outcome:
        why = "not run" if isinstance(outcome, NotRun) else "nothing to draw"
        say_absent(axis, f"{why}: {outcome}")
        return False
    return True


def say_absent(axis: Axes, text: str) -> None:
    """Write into an empty panel why there is nothing in it."""
    axis.clear()
    axis.set_axis_off()
    axis.text(0.5, 0.5, textwrap.fill(text, 34), ha="center", va="center", transform=axis.transAxes)


def share_vertical(line: Sequence[Axes]) -> None:
    """Give the panels of a row common limits with ticks, and labels at the leftmost panel only.

    This comes after drawing, because axes shared from the start keep limits that one panel fixed.
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
    """Put ticks at 1, 2, 5 of every decade where powers of ten alone are too few."""
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
    return f": {VERDICTS[label].symbol} {label}"


def drawn_rates(runs: pd.DataFrame) -> pd.Series[float]:
    """The learning rate at which each run is drawn.

    It is the run's own rate, unless rates are given in units of the edge. Then every seed has its
    own η for the same c, and the rate is the geometric mean over the seeds of a net, so that a line
    joins means and not single runs.

    Args:
        runs: rows of ``runs``.

    Returns:
        Rates aligned with ``runs``.
    """
    keys = ["net", "depth", "base_width", "gradient_scaling", "edge"]
    finite = runs["learning_rate"].where(np.isfinite(runs["learning_rate"]))
    logs = finite.astype("float64").transform(np.log)
    means = logs.groupby([runs[key] for key in keys]).transform("mean").transform(np.exp)
    return means.where(runs["edge"].notna(), runs["learning_rate"]).astype("float64")


def one_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the first net, in the order of ``nup.claims.nets``, at its lowest seed."""
    runs = runs[runs["net"].isin(ordered(runs)[:1])]
    first: pd.DataFrame = runs[runs["seed"] == runs["seed"].min()]
    return first


def run_name(selection: RunSelection, runs: pd.DataFrame) -> str:
    """Net and seed of ``one_seed``'s runs, for the label of an axis."""
    return f"{net_style(selection, runs['net'].iloc[0]).label}, seed {runs['seed'].iloc[0]}"
