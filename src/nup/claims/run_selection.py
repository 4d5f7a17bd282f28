"""A run selection: the rows of the tables on which one claim is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import pandas as pd

from nup.claims.nets import nets_of_study
from nup.claims.regimes import INITIALIZATION, Regime, matching, regimes_of
from nup.tables import schema

P = ParamSpec("P")
T = TypeVar("T")

#: The sizes of a net that an experiment may vary.
Axis = Literal["depth", "base_width"]

#: Columns in which the runs of one net within an experiment must agree, or else be pinned; the axis
#: of the comparison apart.
_SINGLE_VALUED = (
    "dataset",
    "data_options",
    "loss_name",
    "batch_size",
    "base_width",
    "depth",
    "dtype",
)


class NotRun(Exception):  # noqa: N818 (an outcome, not an error)
    """The runs that a criterion needs are absent; the message names them."""


class Undecided(Exception):  # noqa: N818
    """The runs are there and yield no estimate; the message says why."""


@dataclass(frozen=True)
class Measurement:
    """Result of an estimator: one number per seed, indexed by seed.

    ``undecided`` says why the numbers, though shown, decide nothing (an optimum at the edge of the
    grid). ``note`` is a remark that leaves the verdict alone.
    """

    by_seed: pd.Series[float]
    undecided: str = ""
    note: str = ""


def remembered(
    function: Callable[Concatenate[RunSelection, P], T],
) -> Callable[Concatenate[RunSelection, P], T]:
    """Make a function of a selection compute each result once for a selection and its arguments."""

    @wraps(function)
    def found(selection: RunSelection, /, *arguments: P.args, **names: P.kwargs) -> T:
        key = (function, arguments, tuple(sorted(names.items())))
        if key not in selection.found:
            selection.found[key] = function(selection, *arguments, **names)
        found: T = selection.found[key]
        return found

    return found


class RunSelection:
    """The rows of the tables of one experiment, one activation and one regime.

    Args:
        tables: ``runs``, ``steps``, ``layers``, ``init`` of ``nup.tables.schema``; an absent one
            counts as empty.
        experiment: value of the column ``experiment``.
        activation: value of the column ``activation``.
        select: further columns of ``runs`` or ``init`` with the value they must have, None for a
            missing one.
        regime: loss and batch size of the runs; all if absent.
    """

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        experiment: str,
        activation: str,
        select: Mapping[str, Any] | None = None,
        regime: Regime | None = None,
    ) -> None:
        self.experiment = experiment
        self.activation = activation
        self._tables = tables
        self._select = select
        self.regime = regime
        #: Results of functions of this selection, see ``remembered``.
        self.found: dict[Any, Any] = {}
        self._where = {"experiment": experiment, "activation": activation, **(select or {})}

    def within(self, experiment: str | None = None, activation: str | None = None) -> RunSelection:
        """The same tables, filtered to another experiment or another activation."""
        return RunSelection(
            self._tables,
            experiment or self.experiment,
            activation or self.activation,
            self._select,
            self.regime,
        )

    @property
    def dataset(self) -> str | None:
        """The data set of the runs; None without runs, or where several are mixed."""
        found = set(self.runs["dataset"]) if "dataset" in self.runs else set()
        return str(found.pop()) if len(found) == 1 else None

    @property
    def regime_label(self) -> str:
        """Label of the regime; ``initialization`` for an experiment of untrained nets."""
        if self.regime is not None:
            return self.regime.label
        untrained = "init" in self._tables and self.experiment in set(
            self._tables["init"]["experiment"]
        )
        return INITIALIZATION if untrained else ""

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Rows of ``runs`` whose rates are those of the grid."""
        return of_grid(self._all_runs)

    @cached_property
    def _all_runs(self) -> pd.DataFrame:
        """Rows of ``runs``, with those of trials."""
        return self._filtered("runs")

    @cached_property
    def init(self) -> pd.DataFrame:
        """Rows of ``init``."""
        return self._filtered("init")

    @cached_property
    def study_nets(self) -> pd.DataFrame:
        """All nets of the study, in the selection or not, with the columns of ``nets.COLUMNS``."""
        return nets_of_study(self._tables)

    def runs_of(
        self, net: str | None = None, axis: Axis = "depth", trials: bool = False
    ) -> pd.DataFrame:
        """The runs of one net, or of all, that may differ in ``axis``.

        With ``trials`` also those whose rates were looked for, seed by seed: they say more about
        where the boundary of stability is, and nothing about any rate that seeds share.

        Raises:
            NotRun: if there are none, or if they mix what no criterion should mix.
        """
        return self._of(self._all_runs if trials else self.runs, net, (axis,))

    def init_of(self, net: str | None = None, varying: Collection[str] = ()) -> pd.DataFrame:
        """The initializations of one net, or of all, which may differ in the columns ``varying``.

        Raises ``NotRun`` as ``runs_of`` does.
        """
        return self._of(self.init, net, ("depth", *varying))

    def steps_of(self, run_id: str) -> pd.DataFrame:
        """The steps of one run in order; empty if none were recorded."""
        return self._history("steps", self._steps_by_run, run_id)

    def layers_of(self, run_id: str) -> pd.DataFrame:
        """The layer records of one run in order; empty if none were recorded."""
        return self._history("layers", self._layers_by_run, run_id)

    @cached_property
    def steps(self) -> pd.DataFrame:
        """The steps of all runs, in order."""
        return self._records("steps", ["step"])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The layer records of all runs, in order."""
        return self._records("layers", ["step", "layer"])

    @cached_property
    def _steps_by_run(self) -> dict[str, pd.DataFrame]:
        return {str(run_id): group for run_id, group in self.steps.groupby("run_id")}

    @cached_property
    def _layers_by_run(self) -> dict[str, pd.DataFrame]:
        return {str(run_id): group for run_id, group in self.layers.groupby("run_id")}

    def _records(self, name: str, order: list[str]) -> pd.DataFrame:
        if name not in self._tables or self._all_runs.empty:
            return pd.DataFrame({label: [] for label in schema.TABLES[name]})
        table = self._tables[name]
        return table[table["run_id"].isin(self._all_runs["run_id"])].sort_values(order)

    def _history(self, name: str, groups: dict[str, pd.DataFrame], run_id: str) -> pd.DataFrame:
        if run_id not in groups:
            raise NotRun(f"table `{name}` has no rows of run {run_id}")
        return groups[run_id]

    def _filtered(self, name: str) -> pd.DataFrame:
        if name not in self._tables or self._tables[name].empty:
            return pd.DataFrame({"net": pd.Series([], dtype="str")})
        regime = self.regime._asdict() if self.regime and name == "runs" else {}
        return matching(self._tables[name], {**self._where, **regime})

    def _of(
        self, table: pd.DataFrame, net: str | None, varying: Collection[str] = ()
    ) -> pd.DataFrame:
        rows = table if net is None else table[table["net"] == net]
        if rows.empty:
            name = "" if net is None else f" of {net}"
            pinned = ", ".join(
                f"{column} {'null' if value is None else value}"
                for column, value in (self._select or {}).items()
            )
            where = f" with {pinned}" if pinned else ""
            raise NotRun(
                f"experiment `{self.experiment}` has no {self.activation} runs{name}{where}"
            )
        for column in _SINGLE_VALUED:
            values = sorted(map(str, rows[column].unique())) if column in rows else []
            if len(values) > 1 and column not in varying:
                raise NotRun(
                    f"experiment `{self.experiment}` mixes several values of {column} "
                    f"({', '.join(values)}): pin one under `select` in the claims file"
                )
        return rows


def of_grid(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``runs`` that are no trials; all of tables of versions without them."""
    if "trial" not in runs:
        return runs
    return runs[runs["trial"].fillna(0) == 0]


def by_regime(
    tables: Mapping[str, pd.DataFrame],
    experiment: str,
    activation: str,
    select: Mapping[str, Any] | None = None,
) -> list[RunSelection]:
    """A selection for each regime in which an activation was run; one without regime if in none."""
    found = regimes_of(tables, experiment, {**(select or {}), "activation": activation})
    where = (tables, experiment, activation, select)
    return [RunSelection(*where, regime) for regime in found] or [RunSelection(*where)]
