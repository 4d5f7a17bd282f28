"""Records of a stack in training: rows on their cadences, one summary per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nup.specs.specification import STABLE_RATIO, RunSpec
from nup.tables.schema import LAYERS, STEPS

if TYPE_CHECKING:
    from nup.training.backends.segments import Measured

Array = npt.NDArray[Any]
Columns = dict[str, Array]


@dataclass(frozen=True)
class Records:
    """Columns of the tables ``runs`` (status and summary), ``steps`` and ``layers``."""

    runs: Columns
    steps: Columns
    layers: Columns


def due(cadence: int, step: int, steps: int) -> bool:
    """Whether a group with this cadence is recorded at ``step``; the final state always is."""
    return cadence > 0 and (step % cadence == 0 or step == steps)


class Recorder:
    """Collects what is measured of a stack; members are named by their index at the start."""

    def __init__(self, specs: Sequence[RunSpec], depth: int) -> None:
        self._specs = specs
        record, self._steps = specs[0].record, specs[0].steps
        members = len(specs)
        self.losses = np.full((self._steps + 1, members), np.nan)  # [steps + 1, E]
        self.diverged: dict[int, tuple[int, str]] = {}  # member: (step, reason)
        self.final: dict[str, npt.NDArray[np.float64]] = {}
        self.initial_sharpness = np.full(members, np.nan)
        self.fallbacks = np.zeros(members, dtype=np.int64)
        self.flops = np.zeros(members)
        step_groups = (
            record.steps,
            record.curvature,
            record.taylor,
            record.features,
            record.hessian,
            record.accuracy,
        )
        self._step_rows = _row_of_step(step_groups, self._steps)
        layer_groups = (record.layers, record.probe, record.features)
        self._layer_rows = _row_of_step(layer_groups, self._steps)
        self._step_values = _empty(STEPS, (len(self._step_rows), members))
        self._layer_values = _empty(LAYERS, (len(self._layer_rows), members, depth))

    def put(self, step: int, members: Array, values: Mapping[str, Tensor]) -> None:
        """Record [E] values in ``steps`` and [E, l] values in ``layers`` for these members."""
        for name, tensor in values.items():
            rows = self._step_rows if tensor.ndim == 1 else self._layer_rows
            store = self._step_values if tensor.ndim == 1 else self._layer_values
            if step in rows:
                store[name][rows[step], members] = tensor.to("cpu", torch.float32).numpy()

    def put_stretch(self, first: int, members: Array, measured: Measured, flops: Array) -> None:
        """Record consecutive steps from ``first`` on that compiled kernels have done.

        ``flops`` [E, T] are the operations before each step.
        """
        columns = measured.columns
        loss = np.where(measured.known, columns.loss, np.nan)
        self.losses[first : first + loss.shape[1], members] = loss.T
        self.fallbacks[members] += columns.fallback.sum(1)
        last = np.maximum(measured.done - 1, 0)
        begun = measured.done > 0
        self.flops[members[begun]] = flops[begun, last[begun]]
        record, rate = self._specs[0].record, columns.rate
        height, update, moved, product, xi = np.moveaxis(columns.layers, -1, 0)
        with np.errstate(all="ignore"):
            by_layer = {
                "update_norm": rate[..., None] * np.sqrt(update),
                "cosine": -product / np.sqrt(update * moved),
                "gradient_scale": xi,
                "preactivation_rms": np.sqrt(height / measured.sizes),
            }
            of_all = {
                "update_norm": rate * np.sqrt(update.sum(-1)),
                "displacement": np.sqrt(moved.sum(-1)),
                "cosine": -product.sum(-1) / np.sqrt(update.sum(-1) * moved.sum(-1)),
            }
            edge = rate * columns.sharpness[..., 0]
        always = {
            "loss": loss,
            "flops": flops,
            "learning_rate": rate,
            "sharpness": columns.sharpness[..., 0],
            "sharpness_residual": columns.sharpness[..., 1],
            "sharpness_products": columns.sharpness[..., 2],
            "edge": edge,
            **{f"taylor_{j + 1}": columns.taylor[..., j] for j in range(3)},
        }
        # What a run that is about to diverge records may exceed float32: it is infinite there.
        with np.errstate(over="ignore"):
            for t in range(rate.shape[1]):
                step = first + t
                if (row := self._step_rows.get(step)) is not None:
                    chosen = always | (of_all if due(record.steps, step, self._steps) else {})
                    for name, values in chosen.items():
                        self._step_values[name][row, members] = values[:, t]
                if due(record.layers, step, self._steps):
                    row = self._layer_rows[step]
                    for name, values in by_layer.items():
                        self._layer_values[name][row, members] = values[:, t]

    def put_final(self, members: Array, values: Mapping[str, Tensor]) -> None:
        """Record summary values [E] of the final state for the runs that reached it."""
        for name, tensor in values.items():
            column = self.final.setdefault(name, np.full(len(self._specs), np.nan))
            column[members] = tensor.to("cpu", torch.float64).numpy()

    def records(self, null_loss: float) -> Records:
        """The three tables' columns."""
        ids = np.array([spec.id for spec in self._specs])
        last = np.array(
            [self.diverged.get(member, (self._steps + 1, ""))[0] - 1 for member in range(len(ids))]
        )
        return Records(
            runs={"run_id": ids, **self._summary(null_loss, last)},
            steps=_flatten(ids, last, self._step_rows, self._step_values),
            layers=_flatten(ids, last, self._layer_rows, self._layer_values),
        )

    def _summary(self, null_loss: float, last: Array) -> Columns:
        members = range(len(self._specs))
        finished = np.array([member not in self.diverged for member in members])
        late = self.losses[self._steps - self._steps // 10 :]
        nan = np.full(len(members), np.nan)
        late_loss = np.where(finished, late.mean(0), nan)
        final = {
            name: np.where(finished, self.final.get(name, nan), nan)
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
            "reason": np.array([self.diverged.get(member, (0, ""))[1] for member in members]),
            "null_loss": np.full(len(members), null_loss),
            "initial_loss": self.losses[0],
            "max_loss": np.fmax.reduce(self.losses, axis=0),
            "min_loss": np.fmin.reduce(self.losses, axis=0),
            "late_loss": late_loss,
            "final_loss": np.where(finished, self.losses[-1], nan),
            "stable": finished & (np.nan_to_num(late_loss, nan=np.inf) < STABLE_RATIO * null_loss),
            "initial_sharpness": self.initial_sharpness,
            **final,
            "curvature_fallbacks": self.fallbacks,
            "flops": self.flops,
        }


def _row_of_step(cadences: Sequence[int], steps: int) -> dict[int, int]:
    """Row number of every step at which any of these cadences is due."""
    kept = (step for step in range(steps + 1) if any(due(c, step, steps) for c in cadences))
    return {step: row for row, step in enumerate(kept)}


def _empty(schema: Mapping[str, object], shape: tuple[int, ...]) -> dict[str, Array]:
    keys = {"run_id", "step", "layer"}
    return {name: np.full(shape, np.nan, np.float32) for name in schema if name not in keys}


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
