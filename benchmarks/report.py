"""The page: everything between its markers is written from the raw records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import goals, growth, measurements, report_study
from benchmarks.markdown import median_and_range, table
from benchmarks.peers import DESCRIPTIONS, PEERS

BEGIN = "<!-- Written by `make bench`: begin -->"
END = "<!-- Written by `make bench`: end -->"

Records = Mapping[str, Any]
Sections = Mapping[str, Mapping[str, Any]]


def write(template: Path, page: Path, sections: Sections, images: Mapping[str, str]) -> None:
    """The template with what lies between its markers replaced; images by section."""
    text = template.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{template} must hold the lines {BEGIN!r} and {END!r}")
    page.parent.mkdir(parents=True, exist_ok=True)
    text = body(sections, images)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def body(sections: Sections, images: Mapping[str, str]) -> str:
    """What the page says of these sections, in Markdown."""
    if not sections:
        return "Not measured yet."
    parts: list[str] = []
    last = None
    for section, (title, describe) in BODIES.items():
        if section in sections:
            environment, records = (sections[section][key] for key in ("environment", "records"))
            described = [] if environment == last else [_environment(environment)]
            parts += [f"## {title}", *described, *describe(records)]
            last = environment
            if section in images:
                parts.append(f"![{title}]({images[section]})")
    return "\n\n".join(parts)


def _environment(values: Records) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in values["versions"].items())
    commit = values["commit"][:12] or "unknown"
    changed = " with changes" if values["dirty"] else ""
    return (
        f"{values['processor']}, {values['cores']} cores, load {values['load']} at the start; "
        f"{versions}; commit {commit}{changed}; {values['date']}."
    )


def _training(records: Records) -> list[str]:
    names = [shape["name"] for shape in records["shapes"]]
    return [
        "Steps of runs per second, and in parentheses the share of the machine's peak: the "
        "best of these ways to multiply in float32, in GFLOP/s on all cores:",
        table(["", *names], _peak_rows(records)),
        table(["", *names], [[_row_name(*key), *cells] for key, cells in _rates(records).items()]),
        "Ours in its fastest way, against:",
        table(["against", *names], _goal_rows(records)),
        "\n".join(f"- *{peer}*: {DESCRIPTIONS[peer]}" for peer in PEERS),
    ]


def _row_name(peer: str, processes: int) -> str:
    return f"{peer}, 1 process" if processes == 1 else f"{peer}, {processes} processes"


def _rates(records: Records) -> dict[tuple[str, int], list[str]]:
    """Rows of the table of rates: peer and processes → a cell for each shape."""
    flops = {shape["name"]: shape["flops"] for shape in records["shapes"]}
    rows: dict[tuple[str, int], list[str]] = {}
    for timing in records["timings"]:
        if timing["rates"]:
            rate = median(timing["rates"])
            peak = median(goals.peak(records, timing["shape"])[1])
            cell = f"{rate:.0f} ({flops[timing['shape']] * rate / 1e9 / peak:.2f})"
        elif timing["status"] == "absent":
            cell = f"absent: {timing['remark']}"
        else:
            cell = f"{timing['status']} by {timing['deviation']:.1g}"
        rows.setdefault((timing["peer"], timing["processes"]), []).append(cell)
    return rows


def _peak_rows(records: Records) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for shape in records["shapes"]:
        for way, rates in goals.peaks(records, shape["name"]).items():
            rows.setdefault(way, []).append(f"{median(rates):.0f}")
    return [[way, *cells] for way, cells in rows.items()]


def _goal_rows(records: Records) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for outcome in goals.outcomes(records):
        rows.setdefault(outcome.goal, []).append(_goal_cell(outcome))
    return [[goal, *cells] for goal, cells in rows.items()]


def _goal_cell(outcome: goals.Outcome) -> str:
    if not outcome.ratios:
        return outcome.verdict
    goal = "" if outcome.least is None else f", goal {outcome.least:g}"
    spread = median_and_range(outcome.ratios)
    return f"{spread}{goal}: **{outcome.verdict}** ({outcome.peer})"


def _measurements(records: Records) -> list[str]:
    rows = []
    for shape in records["shapes"]:
        plain = shape["seconds"]["plain"]
        added = {
            name: [slow / fast - 1 for slow, fast in zip(rounds, plain, strict=True)]
            for name, rounds in shape["seconds"].items()
        }
        products = shape["products"]
        cells = [shape["shape"], f"{products:.1f}", f"{median(added['curvature']) / products:.2f}"]
        cells += [_added(added.get(name), most) for name, most in measurements.GOALS.items()]
        beside = [
            (slow - fast) / (all_slow - all_fast) - 1
            for slow, fast, all_slow, all_fast in zip(
                *(shape["seconds"][name] for name in _BESIDE), strict=True
            )
        ]
        rows.append([*cells, _added(beside, measurements.MINIBATCH_GOAL)])
    head = [
        "shape",
        "products per λ_t",
        "steps per product",
        "λ_t at every step",
        f"λ_t every {records['cadence']} steps",
        "jets at every step",
        "AdamW",
        "λ_t beside minibatches",
    ]
    text = (
        "What is added to a step of full-batch SGD, in steps, measured in the same rounds; last, "
        "by what share λ_t of all samples costs more where a step takes "
        f"1/{measurements.SHARE} of them:"
    )
    return [text, table(head, rows)]


#: λ_t beside minibatches, these alone, and the same of all samples.
_BESIDE = ("minibatch curvature", "minibatch", "curvature", "plain")


def _added(values: Sequence[float] | None, most: float) -> str:
    if values is None:
        return "–"
    outcome = "met" if median(values) <= most else "missed"
    return f"{median_and_range(values)}, goal {most:g}: **{outcome}**"


_MATRICES = {"gauss_newton": "Gauss–Newton", "hessian": "Hessian"}


def _sharpness(records: Records) -> list[str]:
    rows = []
    for shape in records["shapes"]:
        mine = {row["matrix"]: row["seconds"] for row in shape["rows"] if row["method"] == "ours"}
        for row in shape["rows"]:
            cells = [shape["shape"], _MATRICES[row["matrix"]], row["method"]]
            if row["remark"]:
                rows.append([*cells, f"absent: {row['remark']}", "", ""])
                continue
            ratios = [
                own / base for own, base in zip(row["seconds"], mine[row["matrix"]], strict=True)
            ]
            milliseconds = f"{1e3 * median(row['seconds']):.0f}"
            error = f"{max(row['errors']):.1g}"
            rows.append([*cells, milliseconds, median_and_range(ratios), error])
    head = ["shape", "matrix", "method", "ms", "times ours", "largest error"]
    text = (
        "One λ at initialization, from nothing, of one net with mean squared error on all training "
        f"samples, on one thread; a relative accuracy of {records['tolerance']:g} is asked of "
        "every method, and the error is relative to λ in float64. curvlinops is with SciPy's "
        "`eigsh`, whose space has 20 vectors at least. Ratios are of the same rounds:"
    )
    return [text, table(head, rows)]


def _subnormals(records: Records) -> list[str]:
    rows = []
    for name, label in (("flushed", "flushed to zero, as in a job"), ("kept", "kept")):
        rounds = records["seconds"][name]
        pairs = zip(rounds["one subnormal"], rounds["ordinary"], strict=True)
        rows.append([label, f"{median_and_range([slow / fast for slow, fast in pairs])} ×"])
    members = records["members"]
    text = (
        f"Time of a step of shape {records['shape']} when one of {members} members has decayed to "
        "about 1e-40, relative to the stack without it:"
    )
    return [text, table(["subnormal numbers", "time"], rows)]


def _growth(records: Records) -> list[str]:
    rows = []
    for axis in dict.fromkeys(point["axis"] for point in records["points"]):
        points = [point for point in records["points"] if point["axis"] == axis]
        values = [point["value"] for point in points]
        seconds = [median(point["seconds"]) for point in points]
        chosen = growth.upper(axis, values, records["full_block"])
        ends = [
            growth.fit([values[index] for index in chosen], [costs[index] for index in chosen])
            for costs in (seconds, [point["flops"] for point in points])
        ]
        whole = growth.fit(values, seconds)
        rows.append(
            [
                axis,
                f"{values[0]} … {values[-1]}",
                f"{whole.exponent:.2f} ± {whole.error:.2f}",
                f"{values[chosen[0]]} … {values[chosen[-1]]}",
                f"{ends[0].exponent:.2f} ± {ends[0].error:.2f}",
                f"{ends[1].exponent:.2f}",
                f"{growth.EXPECTED[axis]:g}",
            ]
        )
    head = [
        "axis",
        "values",
        "exponent",
        "upper end",
        "exponent there",
        "of the operations",
        "limit",
    ]
    text = (
        "Time of a step of one run on one core, as a power of one size with the others fixed. A "
        f"block is full with {records['full_block']} members; the input and output layers make "
        "operations grow faster than in proportion to the depth, and slower than with the square "
        "of the width:"
    )
    return [text, table(head, rows)]


BODIES: dict[str, tuple[str, Callable[[Records], list[str]]]] = {
    "training": ("Training", _training),
    "measurements": ("Curvature and Taylor jets", _measurements),
    "sharpness": ("One λ against other packages", _sharpness),
    "subnormals": ("Subnormal numbers", _subnormals),
    "growth": ("Growth", _growth),
    "memory": ("Memory", report_study.memory),
    "pipeline": ("Around the training", report_study.pipeline),
    "scale": ("Many runs", report_study.scale),
    "placement": ("Verdict per core-hour", report_study.placement),
}
