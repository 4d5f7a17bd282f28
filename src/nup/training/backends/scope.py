"""What the kernels can train; known without compiling, or importing, any of them."""

from __future__ import annotations

from nup.specs import RunSpec
from nup.training.schedules import SCHEDULES

#: What the kernels have rules for, by name: no plug-in can take these (registries refuse that).
LOSSES = {"mse": False, "cross_entropy": True}  # whether targets are classes
MEASURING = ("sharpness", "taylor", "polyak")
SCALINGS = ("none", "depthwise", "equal", "per_sample", "gram")
OPTIMIZERS = ("sgd", "adamw")


def can_compile(spec: RunSpec, device: str = "cpu") -> bool:
    """Whether compiled kernels know how to train this run.

    A schedule that measures nothing is given to them as rates, whatever it is. They do not know
    other devices than the CPU, nor losses, measuring schedules, gradient scalings and optimizers of
    plug-ins.
    """
    measures = bool(SCHEDULES[spec.schedule.name].requires)
    return (
        device == "cpu"
        and spec.loss in LOSSES
        and (not measures or spec.schedule.name in MEASURING)
        and spec.schedule.gradient_scaling in SCALINGS
        and spec.optimizer.name in OPTIMIZERS
    )
