"""A stand-in for ``nup.training.loop.train`` that is instant, and small specifications for it."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from nup.specs import DataSpec, RunSpec, ScheduleSpec
from nup.tables.schema import LAYERS, STEPS

#: What is recorded where a test says nothing.
RECORD = {"steps": 1, "curvature": 50, "layers": 10, "probe": 10, "features": 50}
DATA = DataSpec("teacher", n_train=16, n_validation=8, n_test=8, n_probe=4)


def run_spec(**changes) -> RunSpec:
    """A small run; ``changes`` override its fields."""
    values = {
        "experiment": "test",
        "data": DATA,
        "parameterization": "mup",
        "depth": 3,
        "width": 4,
        "activation": "abs",
        "schedule": ScheduleSpec(),
        "learning_rate": 0.1,
        "seed": 0,
        "steps": 10,
        "record": dict(RECORD),
    }
    return RunSpec(**{**values, **changes})


def runs_by_id(specs: Sequence[RunSpec]) -> dict[str, RunSpec]:
    return {spec.id: spec for spec in specs}


class FakeTraining:
    """Callable like ``train``; remembers the runs of every call, and fails where told to."""

    def __init__(self, fail_at_call: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self._fail_at_call = fail_at_call

    def __call__(self, specs, dataset, device="cpu", progress=None, **how):
        if len(self.calls) == self._fail_at_call:
            raise RuntimeError("interrupted")
        ids = [spec.id for spec in specs]
        self.calls.append(ids)
        progress(specs[0].steps, specs[0].steps, len(specs))
        summary = ("null_loss", "initial_loss", "max_loss", "min_loss", "late_loss", "final_loss")
        summary += ("initial_sharpness", "final_sharpness", "validation_loss", "flops")
        summary += ("train_accuracy", "validation_accuracy", "test_accuracy")
        runs = {
            "run_id": np.array(ids),
            "status": ["ok"] * len(ids),
            "last_step": [specs[0].steps] * len(ids),
            "reason": [""] * len(ids),
            "stable": np.ones(len(ids), dtype=bool),
            "learning_rate": [
                np.nan if spec.learning_rate is None else spec.learning_rate for spec in specs
            ],
            "curvature_fallbacks": np.zeros(len(ids), dtype=int),
            **{name: np.array([spec.seed for spec in specs], dtype=float) for name in summary},
        }
        rows = np.array(ids)
        steps = {name: np.ones(len(ids)) for name in STEPS}
        layers = {name: np.ones(len(ids)) for name in LAYERS}
        return SimpleNamespace(
            runs=runs, steps={**steps, "run_id": rows}, layers={**layers, "run_id": rows}
        )
