"""What was to be reached, per shape, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: Goal → shape → least ratio of run-steps per second, or of operations per second to the peak.
GOALS: Mapping[str, Mapping[str, float]] = {
    "naive loop": {"A": 8, "B": 4, "C": 2.6, "D": 1.6},
    "best JAX": {"A": 1.1, "B": 1.2, "C": 1.6, "D": 1.25},
    "peak": {"A": 0.55, "B": 0.70, "C": 0.70, "D": 0.75},
}


@dataclass(frozen=True)
class Outcome:
    """Ratios of our fastest way to a goal's peer, one for each round."""

    goal: str
    shape: str
    ratios: Sequence[float]
    least: float | None
    peer: str

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or why there is none."""
        if not self.ratios:
            return "not measured"
        if self.least is None:
            return "no goal"
        return "met" if median(self.ratios) >= self.least else "missed"


Timing = Mapping[str, Any]


def outcomes(records: Mapping[str, Any]) -> list[Outcome]:
    """All goals on all shapes measured."""
    found = []
    for shape in records["shapes"]:
        name = shape["name"]
        timings = [row for row in records["timings"] if row["shape"] == name]
        ours = fastest(timings, "ours")
        naive = fastest([row for row in timings if row["processes"] == 1], "naive")
        for goal, other in (("naive loop", naive), ("best JAX", fastest(timings, "JAX"))):
            ratios = _ratios(ours, other["rates"] if other else [])
            found.append(_outcome(goal, name, ratios, described(other)))
        peak = peak_rates(records, name)
        rates = [shape["flops"] * rate / 1e9 for rate in ours["rates"]] if ours else []
        ratios = [rate / most for rate, most in zip(rates, peak, strict=True)] if rates else []
        found.append(_outcome("peak", name, ratios, f"{median(peak):.0f} GFLOP/s"))
    return found


def fastest(timings: Sequence[Timing], peer: str) -> Timing | None:
    """The fastest of the timings of the peers whose name begins so; None if none was timed."""
    timed = [row for row in timings if row["peer"].startswith(peer) and row["rates"]]
    return max(timed, key=lambda row: median(row["rates"]), default=None)


def peak_rates(records: Mapping[str, Any], shape: str) -> list[float]:
    """GFLOP/s of a large matrix product on all cores, one for each round."""
    rows = [row for row in records["peaks"] if row["shape"] == shape]
    rates: list[float] = max(rows, key=lambda row: row["threads"])["gflops"]
    return rates


def described(timing: Timing | None) -> str:
    """``JAX lax.map, 2 processes``."""
    if timing is None:
        return "none"
    threads, processes = timing["threads"], timing["processes"]
    if processes > 1:
        return f"{timing['peer']}, {processes} processes"
    return f"{timing['peer']}, {threads} thread{'s' if threads > 1 else ''}"


def _ratios(ours: Timing | None, other: Sequence[float]) -> list[float]:
    if ours is None or not other:
        return []
    return [mine / theirs for mine, theirs in zip(ours["rates"], other, strict=True)]


def _outcome(goal: str, shape: str, ratios: Sequence[float], peer: str) -> Outcome:
    return Outcome(goal, shape, ratios, GOALS[goal].get(shape), peer)
