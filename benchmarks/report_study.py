"""What the page says of jobs and studies: memory, pipeline, many runs, designs of rates."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.markdown import median_and_range, table
from benchmarks.memory import TOLERANCE
from benchmarks.pipeline import LEAST_SHARE, MOST_START, split
from benchmarks.placement import RATES, outcome
from benchmarks.scale import goals

Records = Mapping[str, Any]


def memory(records: Records) -> list[str]:
    """Memory of jobs against its prediction."""
    rows, worst = [], 0.0
    for job in records["jobs"]:
        ratio = job["predicted"] / job["measured"]
        worst = max(worst, abs(ratio - 1))
        name, predicted, measured = job["job"], job["predicted"], job["measured"]
        rows.append([name, f"{predicted:.0f}", f"{measured:.0f}", f"{ratio:.2f}"])
    verdict = "met" if worst <= TOLERANCE else "missed"
    text = (
        f"Peak memory of a job's process in MB, of which the start of every process is "
        f"{records['start']:.0f}. Goal: predicted within {TOLERANCE:.0%}: **{verdict}**."
    )
    return [text, table(["job", "predicted", "measured", "ratio"], rows)]


def pipeline(records: Records) -> list[str]:
    """Where the time of a study goes."""
    cores, wall = records["cores"], records["wall"]
    rows = [
        [part, f"{seconds:.1f}", f"{seconds / (cores * wall):.1%}"]
        for part, seconds in split(records).items()
    ]
    total = ["all", f"{cores * wall:.1f}", "100.0%"]
    share = records["training"] / (cores * wall)
    goal = LEAST_SHARE
    verdict = "met" if share >= goal else "missed"
    start = median_and_range(records["help"])
    return [
        f"The study `{records['study']}` from nothing to its report: {wall:.0f} s on {cores} "
        f"cores. Training math has {share:.0%} of it, goal {goal:.0%}: **{verdict}**.",
        table(["what", "core-seconds", "share"], [*rows, total]),
        f"`nup --help` takes {start} s, goal at most {MOST_START:g} s: "
        f"**{'met' if median(records['help']) <= MOST_START else 'missed'}**.",
    ]


def scale(records: Records) -> list[str]:
    """Planning and collecting of many runs."""
    stages = list(records["sizes"][0]["stages"])
    rows = []
    for size in records["sizes"]:
        cells = [f"{size['runs']:,}", f"{size['jobs']:,}"]
        for stage in stages:
            seconds, megabytes = (size["stages"][stage][key] for key in ("seconds", "megabytes"))
            each = 1e3 * seconds / size["runs"]
            cells.append(f"{seconds:.1f} s, {megabytes:.0f} MB, {each:.2f} ms a run")
        rows.append(cells)
    rows_left = " and ".join(f"{count} of `{name}`" for name, count in records["rows"].items())
    return [
        "What Snakemake takes to plan a study of this many runs without training any, from nothing "
        "and from the files of the plan; and what collecting their tables takes, of synthetic runs "
        f"with {rows_left}. {goals(records['sizes'][-1])}",
        table(["runs", "jobs", *stages], rows),
    ]


def placement(records: Records) -> list[str]:
    """Designs of rates: widths of intervals against run-steps."""
    rows = []
    for net in dict.fromkeys(row["net"] for row in records["rows"]):
        own = [row for row in records["rows"] if row["net"] == net]
        for row in own:
            rows.append([f"`{net}`", row["design"], *outcome(row, own[0], own[-1])])
    head = ["net", "rates", "run-steps"]
    for rate in RATES:
        head += [f"{rate}: width (seeds)", "worth", "from the finest"]
    return [
        "The slope of log2 LR against log2 depth (3, 4, 6), for |s|, of the best and of the "
        f"largest stable LR, over {records['seeds']} seeds: half the width of its interval, for "
        "the run-steps of a design over those of the first. The worth is how many times fewer "
        "run-steps give the same width; then how far the slope is from that of the finest grid, "
        "paired by seed.",
        table(head, rows),
    ]
