"""How wide intervals of slopes against depth are, for the run-steps that a design spends on rates.

One fine grid of rates is trained. Each design is then read off those of its runs that the design
would have trained, so that all have the same nets, data and seeds. The first design of the studies
was a fixed grid of half-octaves, of which it took the best and the last stable rate; the present
one has octaves and interpolates. Two designs look before they place rates: two rounds look with
two seeds, and place the rates of all about what these found; bisection halves, for each seed, the
octave in which its runs cease to be stable.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import workers
from benchmarks.effort import Effort
from nup.claims.learning_rates import (
    CUTOFF,
    Floats,
    Found,
    Rate,
    best_rate,
    largest_stable_rate,
    relative_losses,
)
from nup.claims.statistics import mean_interval, slope
from nup.jobs import execute
from nup.jobs.kinds import TRAINING
from nup.jobs.plan import Limits, pack
from nup.study import grid
from nup.study.load import check
from nup.tables import store

log = logging.getLogger("benchmarks")

#: Rates per octave of the fine grid.
FINE = 4
#: Seeds that look first, where rates are placed in two rounds.
SCOUTS = 2
RATES: tuple[Rate, ...] = ("best", "largest stable")

#: One net's runs of one depth: the rows of ``runs`` of a seed, in the order of their rates.
Grids = Mapping[int, pd.DataFrame]
#: From the runs of a depth, the places in the fine grid that each seed is trained at.
Design = Callable[[Grids], Mapping[int, Sequence[int]]]


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: for each net, design and rate what was spent, and the slopes."""
    log.info("placement: %d seeds", effort.seeds)
    rows = []
    for net, runs in trained(effort.seeds).groupby("net"):
        by_depth = {
            depth: {
                seed: own[own["seed"] == seed].sort_values("edge").reset_index(drop=True)
                for seed in sorted(own["seed"].unique())
            }
            for depth in sorted(runs["depth"].unique())
            for own in [runs[runs["depth"] == depth]]
        }
        for name, (design, interpolated) in DESIGNS.items():
            places = {depth: design(grids) for depth, grids in by_depth.items()}
            spent = sum(
                int(grids[seed]["last_step"].iloc[list(places[depth][seed])].sum())
                for depth, grids in by_depth.items()
                for seed in grids
            )
            slopes = {rate: slopes_of(by_depth, places, rate, interpolated) for rate in RATES}
            rows.append({"net": net, "design": name, "run_steps": spent, "slopes": slopes})
    return {"seeds": effort.seeds, "rows": rows}


def study(seeds: int) -> dict[str, Any]:
    """The nets of the claims on depth, with rates four to the octave."""

    def octaves(low: int, high: int) -> dict[str, Any]:
        return {"edge": {"from": low, "to": high, "per_octave": FINE}}

    nup = {"name": "nup", "r": 2}
    experiment = {
        "data": {"name": "digits", "n_train": 128, "seed": "run"},
        "activation": "abs",
        "seeds": seeds,
        "width": 8,
        "depth": [3, 4, 6],
        "steps": 180,
        "record": dict.fromkeys(("steps", "curvature", "taylor", "layers", "probe", "features"), 0),
        "parameterization": [
            {**nup, "learning_rate": octaves(-2, 4)},
            {"name": "nup", "r": 0, "match": nup, "learning_rate": octaves(-1, 5)},
            {"name": "mup", "match": nup, "learning_rate": octaves(-3, 3)},
        ],
    }
    return {"study": "placement", "experiments": {"placement": experiment}}


def trained(seeds: int) -> pd.DataFrame:
    """The table ``runs`` of that study."""
    with tempfile.TemporaryDirectory() as name:
        workers.alone(train, seeds, name)
        paths = sorted(Path(name).glob("*/runs.parquet"))
        return pd.concat([store.read_table("runs", path) for path in paths], ignore_index=True)


def train(seeds: int, folder: str) -> None:
    """Compute the jobs of that study in this process."""
    planned = grid.runs(check(study(seeds), "placement.yaml"), Path(folder) / "placement.yaml")
    for job in pack(TRAINING, planned.values(), Limits(seconds=60)):
        execute.run(job, Path(folder) / job.id, execute.Session(job=job.id))


def every(stride: int) -> Design:
    """The same rates for all: every so many of the fine grid."""
    return lambda grids: {seed: range(0, len(runs), stride) for seed, runs in grids.items()}


def two_rounds(grids: Grids) -> Mapping[int, Sequence[int]]:
    """Octaves for two seeds; then for all, half-octaves about the means of what those found."""
    scouts = dict.fromkeys(sorted(grids)[:SCOUTS], range(0, len(next(iter(grids.values()))), FINE))
    about = set()
    for rate in RATES:
        found = [
            _at(grids[seed].iloc[list(places)], rate).position * FINE
            for seed, places in scouts.items()
        ]
        middle = round(float(np.mean(found)))
        about |= {middle + step * FINE // 2 for step in (-2, -1, 0, 1, 2)}
    return {
        seed: sorted(
            {place for place in about if 0 <= place < len(runs)} | set(scouts.get(seed, ()))
        )
        for seed, runs in grids.items()
    }


def bisected(grids: Grids) -> Mapping[int, Sequence[int]]:
    """Octaves, and two bisections of the one in which a seed's runs cease to be stable."""
    found = {}
    for seed, runs in grids.items():
        places = set(range(0, len(runs), FINE))
        losses = relative_losses(runs)
        octaves = sorted(places)
        at = _at(runs.iloc[octaves], "largest stable")
        if not at.problem:
            low = octaves[int(at.position)]
            high = low + FINE
            while high - low > 1:
                middle = (low + high) // 2
                places.add(middle)
                low, high = (middle, high) if losses[middle] < CUTOFF else (low, middle)
        found[seed] = sorted(places)
    return found


#: Design → its places, and whether rates are interpolated between them.
DESIGNS: Mapping[str, tuple[Design, bool]] = {
    "half-octaves, no interpolation (the first design)": (every(FINE // 2), False),
    "half-octaves": (every(FINE // 2), True),
    "octaves": (every(FINE), True),
    "two rounds": (two_rounds, True),
    "octaves, and two trials of the boundary (the present design)": (bisected, True),
    "quarter-octaves": (every(1), True),
}


def slopes_of(
    by_depth: Mapping[int, Grids],
    places: Mapping[int, Mapping[int, Sequence[int]]],
    rate: Rate,
    interpolated: bool,
) -> dict[str, float]:
    """Slope of log2 rate against log2 depth of every seed that has such a rate at all depths."""
    found: dict[str, float] = {}
    for seed in next(iter(by_depth.values())):
        rates = [
            _log_rate(grids[seed], places[depth][seed], rate, interpolated)
            for depth, grids in by_depth.items()
        ]
        if not np.isnan(rates).any():
            found[str(seed)] = slope(np.log2(list(by_depth)), np.array(rates) / np.log(2))
    return found


def _log_rate(runs: pd.DataFrame, places: Sequence[int], rate: Rate, interpolated: bool) -> float:
    own = runs.iloc[list(places)]
    if interpolated:
        found = _at(own, rate)
        return np.nan if found.problem == "none" else found.log_rate
    losses = relative_losses(own).to_numpy()
    stable = np.flatnonzero(losses < CUTOFF)
    if not stable.size:
        return np.nan
    place = int(np.argmin(losses)) if rate == "best" else int(stable[-1])
    return float(np.log(own["learning_rate"].iloc[place]))


def _at(own: pd.DataFrame, rate: Rate) -> Found:
    log_rates = np.log(own["learning_rate"].to_numpy(dtype=np.float64))
    losses: Floats = np.asarray(relative_losses(own), dtype=np.float64)
    if rate == "best":
        return best_rate(log_rates, losses)
    return largest_stable_rate(log_rates, losses, (own["status"] != "ok").to_numpy())


def outcome(row: Mapping[str, Any], first: Mapping[str, Any], fine: Mapping[str, Any]) -> list[str]:
    """What the page says of a design: cost, and for each rate width, worth and distance.

    The worth is by how many times fewer run-steps than the first design's give the same width,
    which falls with the root of the seeds. The distance is from the finest grid, paired by seed.
    """
    cells = [f"{row['run_steps'] / first['run_steps']:.2f}"]
    for rate in RATES:
        mine, before, finest = (each["slopes"][rate] for each in (row, first, fine))
        width, least = _half(mine), _half(before)
        worth = first["run_steps"] * least**2 / (row["run_steps"] * width**2) if width else np.nan
        both = [seed for seed in mine if seed in finest]
        apart = mean_interval([mine[seed] - finest[seed] for seed in both])
        cells += [
            f"±{width:.2f} ({len(mine)})",
            f"{worth:.1f}",
            f"{apart.estimate:+.2f} ± {apart.high - apart.estimate:.2f}",
        ]
    return cells


def _half(slopes: Mapping[str, float]) -> float:
    """Half the width of the 95 % interval of the mean over seeds."""
    if len(slopes) < 2:
        return np.nan
    interval = mean_interval(list(slopes.values()))
    return interval.high - interval.estimate
