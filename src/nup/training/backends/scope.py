"""What the kernels can train; known without compiling, or importing, any of them."""

from __future__ import annotations

from nup.specs.specification import RunSpec
from nup.training.schedules import SCHEDULES

#: Numbers of the rules by which η_t is found.
GIVEN, BY_SHARPNESS, BY_TAYLOR = 0, 1, 2

#: The losses that the kernels have, and whether their targets are classes.
LOSSES = {"mse": False, "cross_entropy": True}
#: The schedules that measure, by name, of which the kernels have the rule.
MEASURING = {"sharpness": BY_SHARPNESS, "taylor": BY_TAYLOR}


def can_compile(spec: RunSpec, device: str = "cpu") -> bool:
    """Whether compiled kernels know how to train this run.

    They do not know other devices than the CPU, other optimizers than ``sgd``, losses and measuring
    schedules but their own, or ξ of a minibatch where it is asked for beside them.
    """
    measures = bool(SCHEDULES[spec.schedule.name].requires)
    known = spec.loss in LOSSES and (not measures or spec.schedule.name in MEASURING)
    scaled_by_batch = spec.batch_size is not None and spec.schedule.gradient_scaling != "none"
    xi_beside = scaled_by_batch and bool(spec.record.hessian or spec.record.features)
    return device == "cpu" and spec.optimizer.name == "sgd" and known and not xi_beside
