"""Coordinate checks over width and depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from nup.torch.brief import Make, optimizer_of, progress_bar, slope_within, squares
from nup.torch.curvature import Batch, LossFunction
from nup.torch.layout import layout_of, signals
from nup.torch.optional import optional

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CoordCheck:
    """How far each layer's preactivations move, by width and depth.

    Attributes:
        records: rows with ``depth``, ``width``, ``seed``, ``step``, ``layer``, and relative to
            ‖h_k(0)‖: ``change`` ‖h_k(t) − h_k(0)‖, ``own`` ‖(W_k(t) − W_k(0)) x_{k−1}(t)‖ and
            ``passed_on`` ‖W_k(0)(x_{k−1}(t) − x_{k−1}(0))‖.
    """

    records: list[dict[str, float]]

    def frame(self) -> pd.DataFrame:
        """``records`` as a table. Needs pandas."""
        found: pd.DataFrame = optional("pandas").DataFrame(self.records)
        return found

    def slope(self, axis: str, quantity: str = "change", hidden: bool = True) -> float:
        """Slope of log2 of the largest change over layers in log2 width or depth, at the last step.

        Over all cells by least squares, each with its mean over seeds; the other axis is held
        fixed. 0 is flat.

        Args:
            axis: ``width`` or ``depth``.
            quantity: ``change``, ``own`` or ``passed_on``.
            hidden: leave out the last layer, which moves as far as the targets ask.
        """
        other = "depth" if axis == "width" else "width"
        last = max(row["step"] for row in self.records)
        cells: dict[tuple[float, float], dict[float, float]] = {}
        for row in self.records:
            if row["step"] == last and not (hidden and row["layer"] == row["depth"]):
                by_seed = cells.setdefault((row[other], row[axis]), {})
                by_seed[row["seed"]] = max(by_seed.get(row["seed"], 0.0), row[quantity])
        groups: dict[float, list[tuple[float, float]]] = {}
        for (group, x), values in cells.items():
            mean = sum(map(math.log2, values.values())) / len(values)
            groups.setdefault(group, []).append((math.log2(x), mean))
        return slope_within(groups.values())

    def plot(self) -> Figure:
        """The largest change over hidden layers against width and against depth. Needs seaborn."""
        sns, Figure = optional("seaborn"), optional("matplotlib.figure").Figure
        table = self.frame()
        table = table[(table["step"] == table["step"].max()) & (table["layer"] < table["depth"])]
        keys = ["depth", "width", "seed"]
        largest = table.groupby(keys)[["change", "own", "passed_on"]].max().reset_index()
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        for axis, (x, hue) in zip(
            figure.subplots(1, 2, sharey=True),
            (("width", "depth"), ("depth", "width")),
            strict=True,
        ):
            sns.lineplot(
                data=largest,
                x=x,
                y="change",
                hue=hue,
                style=hue,
                palette="viridis",
                markers=True,
                dashes=False,
                errorbar=("pi", 100),
                legend="full",
                ax=axis,
            )
            axis.set_xscale("log", base=2)
            axis.set_yscale("log", base=2)
            axis.set_title(f"slope in {x}: {self.slope(x):+.2f}".replace("-", "−"))
            axis.set_ylabel("largest relative change of a hidden layer")
        return figure


def coord_check(
    make: Make,
    widths: Sequence[int] = (8, 16, 32),
    depths: Sequence[int] = (2, 4, 8),
    *,
    batch: Batch | None = None,
    loss: LossFunction = squares,
    lr: float = 0.1,
    steps: int = 3,
    optimizer: str = "sgd",
    seeds: int = 3,
    progress: bool = False,
) -> CoordCheck:
    """Train briefly at one learning rate over widths and depths, and record how far layers move.

    In a good parameterization the curves are flat in both.

    Args:
        make: called with ``depth=…, width=…``; returns a parameterized module, new weights each
            time.
        widths: of the modules.
        depths: of the modules.
        batch: inputs [n, m_0] and targets; standard normal ones of the module's sizes if None.
        loss: of outputs and targets.
        lr: η.
        steps: of full-batch training.
        optimizer: ``sgd``, ``adam`` or ``adamw``, with the factors of ``param_groups``.
        seeds: modules for each width and depth.
        progress: show a bar.
    """
    cells = [(d, w, seed) for d in depths for w in widths for seed in range(seeds)]
    records: list[dict[str, float]] = []
    for depth, width, seed in progress_bar(cells, progress):
        model = make(depth=depth, width=width)
        records += _changes(model, batch, loss, lr, steps, optimizer, seed)
    return CoordCheck(records)


def _changes(
    model: nn.Module,
    batch: Batch | None,
    loss: LossFunction,
    lr: float,
    steps: int,
    optimizer: str,
    seed: int,
) -> list[dict[str, float]]:
    layout = layout_of(model)
    layers, widths = layout.modules(model), layout.shape.widths
    if batch is None:
        source = torch.Generator().manual_seed(seed)
        drawn = [torch.randn(32, m, generator=source) for m in (widths[0], widths[-1])]
        batch = (drawn[0] / drawn[0].square().mean(1, keepdim=True).sqrt(), drawn[1])
    stepper = optimizer_of(model, optimizer, lr)
    x0, h0 = signals(model, layers, batch[0])
    weights = [layer.weight.detach().clone() for layer in layers]
    records = []
    for step in range(1, steps + 1):
        stepper.zero_grad()
        loss(model(batch[0]), batch[1]).backward()
        stepper.step()
        x, h = signals(model, layers, batch[0])
        for k, layer in enumerate(layers):
            size = h0[k].norm()
            own = x[k] @ (layer.weight.detach() - weights[k]).T
            passed_on = (x[k] - x0[k]) @ weights[k].T
            records.append(
                {
                    "depth": len(layers),
                    "width": widths[1],
                    "seed": seed,
                    "step": step,
                    "layer": k + 1,
                    "change": float((h[k] - h0[k]).norm() / size),
                    "own": float(own.norm() / size),
                    "passed_on": float(passed_on.norm() / size),
                }
            )
    return records
