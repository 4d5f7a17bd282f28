"""Critical lines of nets, measured: every round of the search trains all seeds of a net together.

c = η λ_0 and the sharpness line belong to the Hessian, as in the literature, or to the Gauss–Newton
matrix. That λ ends lower after a catapult is told from the Gauss–Newton matrix: for mse its
eigenvalues are those of the NTK, in which the catapult is stated. [lit]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch

from nup.phases import runs
from nup.phases.runs import SHARPNESS, Kind
from nup.phases.threshold_search import LINES, LOSS_MARGIN, SHARPNESS_MARGIN, Outcome, Search, rises
from nup.specs import PhaseSpec, RunSpec, digest
from nup.training import costs, snapshots
from nup.training.batches import Data
from nup.training.loop import train
from nup.training.recorder import Columns
from nup.training.snapshots import Keeper

#: A value of c to try: the place of the seed among the specifications, and the ladder's index.
Trial = tuple[int, int]
#: A row of ``runs`` and the rows of ``steps`` that belong to it.
Record = tuple[Mapping[str, Any], Columns]

#: Lines that the whole run tells; the sharpness line has runs of its own.
_OF_WHOLE_RUNS = tuple(line for line in LINES if line != "sharpness")


def measure(
    specs: Sequence[PhaseSpec],
    data: Data,
    device: str = "cpu",
    compiled: bool = True,
    keeper: Keeper | None = None,
) -> dict[str, list[Any]]:
    """Columns of the table ``phases`` but those of the net, one row per specification and line.

    Specifications may come in any order, and share their ``data`` but for its seed. A net's
    numbers do not depend on the others beyond the rounding of batched products. With a ``keeper``
    every round of a search is kept, and a search goes on from the last one.

    Raises:
        Interrupted: the keeper was told to stop.
    """
    columns: dict[str, list[Any]] = {}
    ordered = sorted(specs, key=lambda spec: (spec.cell_key, spec.seed))
    for _, group in groupby(ordered, key=lambda spec: spec.cell_key):
        cell = list(group)
        kept = None if keeper is None else keeper.part(digest([spec.id for spec in cell]))
        for row in _Cell(cell, data, device, compiled, kept).rows():
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    return columns


class _Cell:
    """The seeds of one net, searched together."""

    def __init__(
        self,
        specs: list[PhaseSpec],
        data: Data,
        device: str,
        compiled: bool,
        keeper: Keeper | None,
    ) -> None:
        self.specs, self.early = specs, specs[0].early
        self.data, self.device, self.compiled, self.keeper = data, device, compiled, keeper
        self.ladder = runs.ladder(specs[0])
        self.column = SHARPNESS[specs[0].sharpness][1]
        self.sharpness: list[float] = []
        self.searches = [{line: Search() for line in LINES} for _ in specs]
        #: Trials that diverged within the first steps: the sharpness counts as risen.
        self.exploded: set[Trial] = set()

    def rows(self) -> list[dict[str, Any]]:
        """Search, then one row a seed and line."""
        self._search()
        found = zip(self.specs, self.searches, self.sharpness, strict=True)
        return [
            _factors(spec) | {"line": line} | self._place(search, sharpness)
            for spec, searches, sharpness in found
            for line, search in searches.items()
        ]

    def _place(self, search: Search, sharpness: float) -> dict[str, Any]:
        """Where a line lies."""
        crossing = search.crossing()
        c = None if crossing.index is None else self.ladder.c(crossing.index)
        return {
            "c": c,
            "learning_rate": None if c is None else c / sharpness,
            "initial_sharpness": sharpness,
            "censored": crossing.censored if sharpness > 0 else "dead",
            "exceptions": crossing.exceptions,
            "n_tried": crossing.tried,
        }

    # -- search ------------------------------------------------------------------------------------

    def _search(self) -> None:
        """Scan, then bisect all lines of all seeds, a round of trials at a time."""
        if not self._resumed():
            self.sharpness = self._initial_sharpness()
            alive = [place for place, value in enumerate(self.sharpness) if value > 0]
            scan = [(place, index) for place in alive for index in self.ladder.scanned()]
            self._try(scan, scan)
        while True:
            whole, early = self._wanted(_OF_WHOLE_RUNS), self._wanted(("sharpness",))
            if not (whole or early):
                break
            self._try(whole, early)

    def _try(self, whole: Sequence[Trial], early: Sequence[Trial]) -> None:
        """One round, which is kept."""
        self._try_whole(whole)
        self._try_early([trial for trial in early if trial not in self.exploded])
        if self.keeper is not None:
            self.keeper.put(snapshots.take(self._found()))

    def _found(self) -> dict[str, Any]:
        """All that rounds find."""
        return {
            "sharpness": list(self.sharpness),
            "searches": [
                {line: dict(search.found) for line, search in searches.items()}
                for searches in self.searches
            ],
            "exploded": [list(trial) for trial in sorted(self.exploded)],
        }

    def _resumed(self) -> bool:
        """Whether there are rounds to go on from: then what they found is taken over."""
        snapshot = None if self.keeper is None else self.keeper.load()
        if snapshot is None:
            return False
        kept = snapshots.restored(snapshot)
        self.sharpness = kept["sharpness"]
        self.exploded = {(place, index) for place, index in kept["exploded"]}
        for own, searches in zip(self.searches, kept["searches"], strict=True):
            for line, found in searches.items():
                own[line].found.update(found)
        return True

    def _wanted(self, lines: Iterable[str]) -> list[Trial]:
        """The next trials of these lines, each once."""
        wanted = {
            (place, index)
            for line in lines
            for place, searches in enumerate(self.searches)
            if (index := searches[line].next()) is not None
        }
        return sorted(wanted)

    def _try_whole(self, trials: Sequence[Trial]) -> None:
        for (place, index), (run, steps) in self._records("whole", trials).items():
            ratio = run["final_sharpness"] / run["initial_sharpness"]
            outcome = Outcome(steps["loss"], bool(run["status"] == "ok"), float(ratio))
            searches = self.searches[place]
            searches["loss"].add(index, rises(outcome.losses, self.early, LOSS_MARGIN))
            searches["catapult"].add(index, outcome.catapulted)
            searches["divergence"].add(index, outcome.lost)
            if len(outcome.losses) <= self.early:
                self.exploded.add((place, index))
                searches["sharpness"].add(index, True)

    def _try_early(self, trials: Sequence[Trial]) -> None:
        for (place, index), (_, steps) in self._records("early", trials).items():
            risen = rises(steps[self.column], self.early, SHARPNESS_MARGIN)
            self.searches[place]["sharpness"].add(index, risen)

    # -- runs --------------------------------------------------------------------------------------

    def _initial_sharpness(self) -> list[float]:
        """λ_0 of every seed; 0 for a net that no update can move."""
        specs = [runs.run(spec, "initial") for spec in self.specs]
        records = self._train(specs)
        values = [float(records[spec.id][1][self.column][0]) for spec in specs]
        return [value if np.isfinite(value) and value > 0 else 0.0 for value in values]

    def _records(self, kind: Kind, trials: Sequence[Trial]) -> dict[Trial, Record]:
        """What the run of each trial left."""
        specs = {
            (place, index): runs.run(
                self.specs[place], kind, self.ladder.c(index) / self.sharpness[place]
            )
            for place, index in trials
        }
        records = self._train(list(specs.values()))
        return {trial: records[spec.id] for trial, spec in specs.items()}

    def _train(self, specs: Sequence[RunSpec]) -> dict[str, Record]:
        size = costs.GPU_BLOCK_BYTES if self.device.startswith("cuda") else costs.BLOCK_BYTES
        found: dict[str, Record] = {}
        for block in costs.blocks(specs, size, torch.get_num_threads()):
            keeper = self.keeper and self.keeper.part(digest([spec.id for spec in block]))
            records = train(block, self.data, self.device, compiled=self.compiled, keeper=keeper)
            for row, run_id in enumerate(records.runs["run_id"]):
                mine = records.steps["run_id"] == run_id
                found[str(run_id)] = (
                    {name: values[row] for name, values in records.runs.items()},
                    {name: values[mine] for name, values in records.steps.items()},
                )
        return found


def _factors(spec: PhaseSpec) -> dict[str, Any]:
    """The columns that say whose lines they are and how they were looked for."""
    return {
        "cell_id": spec.id,
        "sharpness": spec.sharpness,
        "steps": spec.steps,
        "early": spec.early,
        "lowest_c": runs.ladder(spec).lowest,
        "highest_c": runs.ladder(spec).highest,
        "resolution": spec.resolution,
    }
