"""What was to be reached, per shape, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: Goal → shape → least ratio of run-steps per second, or of operations per second to the peak.
GOALS: Mapping[str, Mapping[str, float]] = {
    "naive loop": {"A": 6, "B": 3.2, "C": 2.9, "D": 2.4},
    "best JAX": {"A": 1.5, "B": 1.3, "C": 1.2, "D": 1.3},
    "peak": {"A": 0.9, "B": 0.9, "C": 0.9, "D": 0.9},
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
        for goal, name_of_peer in (("naive loop", "naive"), ("best JAX", "JAX")):
            other = fastest(timings, name_of_peer)
            ratios = _ratios(ours, other["rates"] if other else [])
            found.append(_outcome(goal, name, ratios, described(other)))
        way, most = peak(records, name)
        rates = [shape["flops"] * rate / 1e9 for rate in ours["rates"]] if ours else []
        ratios = [rate / limit for rate, limit in zip(rates, most, strict=True)] if rates else []
        found.append(_outcome("peak", name, ratios, f"{way}, {median(most):.0f} GFLOP/s"))
    return found


def fastest(timings: Sequence[Timing], peer: str) -> Timing | None:
    """The fastest of the timings of the peers whose name begins so; None if none was timed."""
    timed = [row for row in timings if row["peer"].startswith(peer) and row["rates"]]
    return max(timed, key=lambda row: median(row["rates"]), default=None)


def peaks(records: Mapping[str, Any], shape: str) -> dict[str, list[float]]:
    """Way to multiply → GFLOP/s on all cores, one for each round.

    Records that do not name a way are of the time when there was one.
    """
    rows = [row for row in records["peaks"] if row["shape"] == shape]
    most = max(row["threads"] for row in rows)
    return {row.get("way", "torch.mm"): row["gflops"] for row in rows if row["threads"] == most}


def peak(records: Mapping[str, Any], shape: str) -> tuple[str, list[float]]:
    """The best way, and its GFLOP/s on all cores, one for each round."""
    return max(peaks(records, shape).items(), key=lambda item: median(item[1]))


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
