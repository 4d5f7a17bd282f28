"""Records of a stack in training: rows on their cadences, one summary per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.specs import STABLE_RATIO, RunSpec
from nup.training.backends import Segment, Sums
from nup.training.observables import OBSERVABLES, Observable, cadence, columns, due, rows

Array = npt.NDArray[Any]
Columns = dict[str, Array]


@dataclass(frozen=True)
class Records:
    """Columns of the tables ``runs`` (status and summary), ``steps`` and ``layers``."""

    runs: Columns
    steps: Columns
    layers: Columns


#: What a recorder is given, or follows from that; all else is what it has collected.
_GIVEN = frozenset({"_specs", "_backend", "_steps", "_cadences", "_rows"})


class Recorder:
    """Collects what is found of a stack; members are named by their index at the start."""

    def __init__(self, specs: Sequence[RunSpec], backend: str) -> None:
        self._specs, self._backend = specs, backend
        spec, members = specs[0], len(specs)
        self._rates = np.full(members, np.nan)  # η given to the schedule [E]
        self._steps = spec.steps
        self._cadences = {name: cadence(spec, name) for name in OBSERVABLES}
        self._losses = np.full((self._steps + 1, members), np.nan)  # [steps + 1, E]
        self._diverged: dict[int, tuple[int, str]] = {}  # member: (step, reason)
        self._remarks: dict[int, str] = {}
        self._final: dict[str, npt.NDArray[np.float64]] = {}
        self._initial_sharpness = np.full(members, np.nan)
        self._fallbacks = np.zeros(members, dtype=np.int64)
        self._flops = np.zeros(members)
        self._rows, self._values = {}, {}
        for table, shape in (("steps", (members,)), ("layers", (members, spec.depth))):
            self._rows[table] = {step: row for row, step in enumerate(rows(spec, table))}
            size = (len(self._rows[table]), *shape)
            self._values[table] = {
                name: np.full(size, np.nan, np.float32) for name in columns(table)
            }

    def collected(self) -> dict[str, Any]:
        """All that was recorded so far, for a snapshot."""
        return {name: value for name, value in vars(self).items() if name not in _GIVEN}

    def resume(self, collected: Mapping[str, Any]) -> None:
        """Go on from what another recorder of the same runs had ``collected``."""
        vars(self).update(collected)

    def put_rates(self, rates: Sequence[float]) -> None:
        """Record η of every run; NaN where the schedule finds it. [E]"""
        self._rates[:] = rates

    def put(
        self,
        segment: Segment,
        members: Tensor,
        sums: Sums,
        flops: Array,
        measured: Mapping[str, Mapping[str, Tensor]],
    ) -> None:
        """Record a segment of these members.

        Args:
            segment: its steps.
            members: indices at the start. [E]
            sums: what the backend returned.
            flops: operations before each step. [E, T]
            measured: what observables of a state found at its first step, by observable and column.
        """
        chosen, first = members.cpu().numpy(), segment.steps.start
        loss = np.where(sums.known, sums.loss, np.nan)
        self._losses[first : first + loss.shape[1], chosen] = loss.T
        self._fallbacks[chosen] += sums.fallback.sum(1).astype(np.int64)
        begun = sums.done > 0
        self._flops[chosen[begun]] = flops[begun, sums.done[begun] - 1]
        if first == 0:
            self._initial_sharpness[chosen[begun]] = sums.sharpness[begun, 0, 0]
        if segment.final:
            self.put_final(members, {"final_sharpness": torch.from_numpy(sums.sharpness[:, -1, 0])})
        else:
            self._remark(chosen, np.all(np.isfinite(sums.rate) | ~sums.known, axis=1))
        every = {"loss": loss, "learning_rate": sums.rate, "flops": flops}
        self._fill(chosen, list(segment.steps), every, sums.rate)
        for each in OBSERVABLES.values():
            self._put_observable(each, segment, chosen, sums, measured.get(each.name))

    def _put_observable(
        self,
        observable: Observable,
        segment: Segment,
        members: Array,
        sums: Sums,
        measured: Mapping[str, Tensor] | None,
    ) -> None:
        every, steps = self._cadences[observable.name], list(segment.steps)
        if measured is not None:
            found = {
                name: tensor.to("cpu", torch.float64).numpy()[:, None]
                for name, tensor in measured.items()
            }
            self._fill(members, steps[:1], found, sums.rate, observable.edges)
        if not observable.per_step or not (every or observable.always):
            return
        with np.errstate(all="ignore"):
            found = dict(observable.rule(sums))
        if not observable.always:
            kept = [t for t, step in enumerate(steps) if due(every, step, self._steps)]
            steps = [steps[t] for t in kept]
            found = {name: values[:, kept] for name, values in found.items()}
        self._fill(members, steps, found, sums.rate, observable.edges)

    def _fill(
        self,
        members: Array,
        steps: Sequence[int],
        found: dict[str, Array],
        rate: Array,
        edges: Mapping[str, str] | None = None,
    ) -> None:
        """Values [E, T] into ``steps``, [E, T, l] into ``layers``, in the rows that there are."""
        # What a run that is about to diverge records may exceed float32: it is infinite there.
        with np.errstate(all="ignore"):
            for edge, column in (edges or {}).items():
                found[edge] = rate[:, : len(steps)] * found[column]
            for name, values in found.items():
                table = "steps" if values.ndim == 2 else "layers"
                places = self._rows[table]
                known = [t for t, step in enumerate(steps) if step in places]
                if known:
                    into = np.ix_(np.array([places[steps[t]] for t in known]), members)
                    self._values[table][name][into] = values[:, known].swapaxes(0, 1)

    def _remark(self, members: Array, finite: Array) -> None:
        """Note the members whose rate was not ``finite``: why their loss will not be either."""
        name = self._specs[0].schedule.name
        for member in members[~finite].tolist():
            self._remarks[member] = f"schedule {name!r} found no finite rate"

    def put_diverged(self, segment: Segment, members: Tensor, sums: Sums, limit: Tensor) -> None:
        """Note which of these ``members`` diverged in the segment, at which step and why."""
        length = len(segment.steps)
        for index, member in enumerate(members.tolist()):
            done = int(sums.done[index])
            if done == length:
                continue
            loss = sums.loss[index, done]
            reason = self._remarks.get(member, "loss is not finite")
            if np.isfinite(loss):
                reason = f"loss {loss:.3g} exceeded {float(limit[index]):.3g}"
            self._diverged[member] = (segment.steps.start + done, reason)

    def put_final(self, members: Tensor, values: Mapping[str, Tensor]) -> None:
        """Record summary values [E] of the final state for the runs that reached it."""
        for name, tensor in values.items():
            column = self._final.setdefault(name, np.full(len(self._specs), np.nan))
            column[members.cpu().numpy()] = tensor.to("cpu", torch.float64).numpy()

    def records(self, null_loss: Array) -> Records:
        """The three tables' columns, given the loss of the constant predictor. [E]"""
        ids = np.array([spec.id for spec in self._specs])
        last = np.array(
            [self._diverged.get(member, (self._steps + 1, ""))[0] - 1 for member in range(len(ids))]
        )
        return Records(
            runs={"run_id": ids, **self._summary(null_loss, last)},
            steps=_flatten(ids, last, self._rows["steps"], self._values["steps"]),
            layers=_flatten(ids, last, self._rows["layers"], self._values["layers"]),
        )

    def _summary(self, null_loss: Array, last: Array) -> Columns:
        members = range(len(self._specs))
        finished = np.array([member not in self._diverged for member in members])
        # Run by run: along other axes the order of a sum, and with it its last bit, depends on how
        # many runs there are.
        late = self._losses[self._steps - self._steps // 10 :].T.copy()  # [E, steps/10 + 1]
        nan = np.full(len(members), np.nan)
        late_loss = np.where(finished, [losses.mean() for losses in late], nan)
        final = {
            name: np.where(finished, self._final.get(name, nan), nan)
            for name in (
                "final_sharpness",
                "train_accuracy",
                "validation_accuracy",
                "test_accuracy",
                "validation_loss",
            )
        }
        return {
            "status": np.where(finished, "ok", "diverged"),
            "last_step": last,
            "reason": np.array([self._diverged.get(member, (0, ""))[1] for member in members]),
            "learning_rate": self._rates,
            "null_loss": null_loss,
            "initial_loss": self._losses[0],
            "max_loss": np.fmax.reduce(self._losses, axis=0),
            "min_loss": np.fmin.reduce(self._losses, axis=0),
            "late_loss": late_loss,
            "final_loss": np.where(finished, self._losses[-1], nan),
            "stable": finished & (np.nan_to_num(late_loss, nan=np.inf) < STABLE_RATIO * null_loss),
            "initial_sharpness": self._initial_sharpness,
            **final,
            "curvature_fallbacks": self._fallbacks,
            "flops": self._flops,
            "backend": np.array([self._backend] * len(members)),
        }


def _flatten(
    ids: Array, last: Array, rows: Mapping[int, int], values: Mapping[str, Array]
) -> Columns:
    """[rows, E] or [rows, E, l] arrays as columns, run after run, without rows past a run's end."""
    steps = np.fromiter(rows, dtype=np.int32, count=len(rows))
    kept = (steps[None, :] <= last[:, None]).nonzero()  # run index, row
    run, row = kept
    columns: Columns = {name: array[row, run] for name, array in values.items()}
    shape = next(iter(columns.values())).shape
    columns = {"run_id": ids[run], "step": steps[row], **columns}
    if len(shape) == 1:
        return columns
    depth = shape[1]
    keys = {name: np.repeat(columns[name], depth) for name in ("run_id", "step")}
    layer = np.tile(np.arange(1, depth + 1, dtype=np.int16), shape[0])
    measured = {name: columns[name].reshape(-1) for name in values}
    return {**keys, "layer": layer, **measured}
