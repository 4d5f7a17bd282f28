"""Time of one λ: ours against curvlinops and PyHessian, on the same net, probe and loss.

Each method is written as its users would write it and asked for a relative accuracy of 1e-3. Beside
its time stands how far it is from a reference in float64, since a criterion for stopping is not
yet an error.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import workers
from benchmarks.effort import Effort
from benchmarks.problem import Problem, Shape
from nup import torch as nt

log = logging.getLogger("benchmarks")

#: Asked of every method; and of the reference.
TOLERANCE, EXACT = 1e-3, 1e-7

Batch = tuple[Tensor, Tensor]
Method = Callable[[nn.Module, Batch], float]


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error, of torch: the reduction that all of them know."""
    return nn.functional.mse_loss(outputs, targets)


def ours(kind: str) -> Method:
    """``nup.torch.sharpness`` with all factors 1, as the others have them."""

    def value(model: nn.Module, batch: Batch) -> float:
        return nt.sharpness(model, loss, batch, kind=kind, tolerance=TOLERANCE)

    return value


def curvlinops(operator: str) -> Method:
    """SciPy's ``eigsh`` on an operator of curvlinops."""

    def value(model: nn.Module, batch: Batch) -> float:
        from scipy.sparse.linalg import eigsh

        make = getattr(import_module("curvlinops"), operator)
        parameters = [each for each in model.parameters() if each.requires_grad]
        found = make(model, nn.MSELoss(), parameters, [batch], check_deterministic=False)
        top = eigsh(found.to_scipy(), k=1, which="LA", tol=TOLERANCE, return_eigenvectors=False)
        return float(np.asarray(top)[0])

    return value


def pyhessian(model: nn.Module, batch: Batch) -> float:
    """Power iterations of PyHessian."""
    found = import_module("pyhessian").hessian(model, nn.MSELoss(), data=batch, cuda=False)
    values, _ = found.eigenvalues(maxIter=100, tol=TOLERANCE, top_n=1)
    model.zero_grad(set_to_none=True)
    return float(values[0])


#: Matrix → method → how λ is found.
METHODS: Mapping[str, Mapping[str, Method]] = {
    "gauss_newton": {"ours": ours("gauss_newton"), "curvlinops": curvlinops("GGNLinearOperator")},
    "hessian": {
        "ours": ours("hessian"),
        "curvlinops": curvlinops("HessianLinearOperator"),
        "PyHessian": pyhessian,
    },
}


def measure(effort: Effort) -> dict[str, Any]:
    """Raw records of the section: seconds and values of every method, in rounds."""
    found = []
    for shape in effort.shapes:
        if shape.name in effort.measured:
            log.info("%s  time of λ", shape.name)
            found.append(workers.alone(compare, shape, effort.repetitions))
    return {"tolerance": TOLERANCE, "shapes": found}


def compare(shape: Shape, repetitions: int) -> dict[str, Any]:
    """Rounds of all methods on one net and probe, in this process, on one thread.

    With more, what is timed is how a machine shares out products of a few milliseconds.
    """
    torch.set_num_threads(1)
    model, batch = net(shape)
    references = {kind: exact(model, batch, kind) for kind in METHODS}
    rows = [_tried(kind, name, model, batch) for kind in METHODS for name in METHODS[kind]]
    for _ in range(repetitions):
        for row in rows:
            if row["remark"]:
                continue
            start = time.perf_counter()
            value = METHODS[row["matrix"]][row["method"]](model, batch)
            row["seconds"].append(time.perf_counter() - start)
            row["errors"].append(abs(value / references[row["matrix"]] - 1))
    return {"shape": shape.name, "rows": rows}


def _tried(kind: str, name: str, model: nn.Module, batch: Batch) -> dict[str, Any]:
    """An empty row of a method, with the reason where its library is absent."""
    remark = ""
    try:
        METHODS[kind][name](model, batch)  # what is imported is not timed
    except ImportError as error:
        remark = str(error)
    return {"matrix": kind, "method": name, "remark": remark, "seconds": [], "errors": []}


def net(shape: Shape) -> tuple[nn.Module, Batch]:
    """A net of the shape with the weights of its first run, and that run's training data."""
    problem, size = Problem(shape), shape.net
    model = nt.mlp(
        shape.parameterization,
        depth=shape.depth,
        width=shape.width,
        d_in=size.widths[0],
        d_out=size.widths[-1],
        activation="relu",
        seed=problem.runs[0].seed,
        **shape.options,
    )
    data = problem.dataset
    x, y = (torch.from_numpy(each["train"]).float() for each in (data.inputs, data.targets))
    return model, (x, y)


def exact(model: nn.Module, batch: Batch, kind: str) -> float:
    """λ in float64, to a residual far below what is asked of the methods."""
    twin, wide = copy.deepcopy(model).double(), (batch[0].double(), batch[1].double())
    return nt.sharpness(twin, loss, wide, kind=kind, tolerance=EXACT, products=1000)
