"""``nup.train``: a study's training on a program's own arrays, with the final weights.

The settings are the keys of an experiment, checked as those of a study and of ``nup train`` are,
and trained by the same code; nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nup.data import own
from nup.data.datasets import Dataset
from nup.errors import UserError
from nup.jobs import training
from nup.jobs.devices import device as chosen_device
from nup.jobs.execute import Session
from nup.networks.mlp import layer_views
from nup.networks.parameterization import net_of
from nup.registry import plain
from nup.specs import RunSpec
from nup.study import quick_run
from nup.torch import MLP, mlp, set_weights
from nup.training import loop, snapshots
from nup.training.recorder import Records
from nup.training.snapshots import Snapshot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

#: Columns that say nothing where a split is not given.
_OF_SPLITS = {
    "validation": ("validation_accuracy", "validation_loss"),
    "test": ("test_accuracy",),
}


@dataclass(frozen=True)
class Trained:
    """Runs that have been trained on one's own arrays.

    Attributes:
        runs: a row a run, in the order in which settings were given; columns as in docs/tables.md.
        steps: rows by ``run_id`` and ``step``.
        layers: rows by ``run_id``, ``step`` and ``layer``.
        weights: final W_1 … W_l of each row of ``runs``, each [m_k, m_{k-1}] on the CPU; None where
            the run diverged.
        data: what the runs were trained on, standardized: arrays by split.
        specs: the specification of each row of ``runs``.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    weights: list[list[Tensor] | None]
    data: Dataset
    specs: list[RunSpec]

    def model(self, row: int = 0) -> MLP:
        """The net of a row of ``runs`` as a module, with its final weights and in its dtype.

        Raises:
            UserError: the run diverged and left no weights.
        """
        weights, spec = self.weights[row], self.specs[row]
        if weights is None:
            raise UserError(
                f"run {row}: expected final weights, got none, for it diverged: "
                f"{self.runs['reason'].iloc[row]}"
            )
        found = mlp(
            spec.parameterization,
            depth=spec.depth,
            width=spec.width,
            d_in=self.data.d_in,
            d_out=self.data.d_out,
            activation=spec.activation,
            base_width=spec.base_width or None,
            seed=spec.seed,
            **spec.options,
        ).to(weights[0].dtype)
        set_weights(found, weights)
        return found


def train(
    x: Any,
    y: Any,
    *,
    validation: own.Pair | None = None,
    test: own.Pair | None = None,
    probe: own.Pair | None = None,
    standardize: bool = True,
    device: str = "auto",
    compiled: bool = True,
    progress: Callable[[int, int, int], None] | None = None,
    **settings: Any,
) -> Trained:
    """Train every run that the settings ask for; see ``nup.train``."""
    pairs = {"train": (x, y), "validation": validation, "test": test, "probe": probe}
    given = {split: pair for split, pair in pairs.items() if pair is not None}
    if "data" in settings:
        raise UserError("nup.train: data: expected x and y in its place, got both")
    data = own.dataset(given, standardize)
    keys = [("data", own.settings(data)), *((key, _value(key, settings[key])) for key in settings)]
    specs = quick_run.runs(keys, "nup.train")
    final: dict[str, list[Tensor]] = {}

    def with_weights(
        block: Sequence[RunSpec],
        sets: Mapping[int, Dataset],
        device: str,
        show: Callable[[int, int, int], None],
        **options: Any,
    ) -> Records:
        last = _Last(block, data, final, progress or show)
        return loop.train(block, sets, device, last.progress, **{**options, "keeper": last})

    with chosen_device(device) as name:
        session = Session(
            device=name, compiled=compiled, train=with_weights, loader=own.Given(data)
        )
        tables = training.execute(specs, session)
    order = [spec.id for spec in specs]
    frames = {name: _frame(table, given) for name, table in tables.items()}
    frames["runs"] = frames["runs"].set_index("run_id").loc[order].reset_index()
    return Trained(**frames, weights=[final.get(each) for each in order], data=data, specs=specs)


def _frame(table: pyarrow.Table, given: Collection[str]) -> pd.DataFrame:
    """A table as a frame, without numbers in the columns of splits that are not given."""
    found: pd.DataFrame = table.to_pandas()
    for split, columns in _OF_SPLITS.items():
        if split not in given:
            for column in set(columns) & set(found):
                found[column] = float("nan")
    return found


class _Last:
    """Takes down the weights after the last step, and goes on from nothing."""

    def __init__(
        self,
        specs: Sequence[RunSpec],
        data: Dataset,
        found: MutableMapping[str, list[Tensor]],
        show: Callable[[int, int, int], None],
    ) -> None:
        self._specs, self._found, self._show = specs, found, show
        self._widths = net_of(specs[0], data.d_in, data.d_out).widths
        self._ended = False

    def progress(self, done: int, steps: int, alive: int) -> None:
        """Called before ``offer``."""
        self._ended = done == steps
        self._show(done, steps, alive)

    def load(self) -> Snapshot | None:
        return None

    def offer(self, take: Callable[[], Snapshot]) -> None:
        if not self._ended:
            return
        state = snapshots.restored(take())["state"]
        layers = layer_views(state["parameters"], self._widths)
        for place, member in enumerate(state["members"].tolist()):
            self._found[self._specs[member].id] = [each[place].clone() for each in layers]


def _value(key: str, value: Any) -> Any:
    """A setting as a study's file would have it: tuples, arrays and ranges as lists.

    A pair of numbers (a, b) is an activation.
    """
    if isinstance(value, torch.Tensor) or hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _value(str(name), each) for name, each in value.items()}
    if isinstance(value, (list, tuple, range)):
        inner = [_value(key, each) for each in value]
        pair = key == "activation" and isinstance(value, tuple) and len(value) == 2
        numbers = all(isinstance(each, (int, float)) for each in inner)
        return f"({inner[0]},{inner[1]})" if pair and numbers else inner
    return plain(value)
