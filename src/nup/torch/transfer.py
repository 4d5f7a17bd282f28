"""Transfer of learning rates over width and depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nup.torch.brief import Make, optimizer_of, progress_bar, slope_within, squares
from nup.torch.curvature import Batch, LossFunction
from nup.torch.optional import optional

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Transfer:
    """Final losses over learning rates, widths and depths.

    Attributes:
        records: rows with ``depth``, ``width``, ``seed``, ``lr`` and ``loss`` (nan if it diverged).
    """

    records: list[dict[str, float]]

    def frame(self) -> pd.DataFrame:
        """``records`` as a table. Needs pandas."""
        found: pd.DataFrame = optional("pandas").DataFrame(self.records)
        return found

    def best(self) -> dict[tuple[float, float], float]:
        """The learning rate with the least mean loss, by (depth, width)."""
        losses: dict[tuple[float, float], dict[float, list[float]]] = {}
        for row in self.records:
            by_rate = losses.setdefault((row["depth"], row["width"]), {})
            by_rate.setdefault(row["lr"], []).append(row["loss"])
        means = {
            cell: {rate: sum(each) / len(each) for rate, each in by_rate.items()}
            for cell, by_rate in losses.items()
        }
        return {
            cell: min(by_rate, key=lambda rate: (math.isnan(by_rate[rate]), by_rate[rate]))
            for cell, by_rate in means.items()
        }

    def drift(self, axis: str) -> float:
        """Octaves by which the best rate moves when width or depth doubles; 0: it transfers."""
        place = 1 if axis == "width" else 0
        best = self.best()
        groups: dict[float, list[tuple[float, float]]] = {}
        for cell, rate in best.items():
            groups.setdefault(cell[1 - place], []).append((math.log2(cell[place]), math.log2(rate)))
        return slope_within(groups.values())

    def plot(self, axis: str = "depth") -> Figure:
        """Loss against the learning rate, a line for each width or depth. Needs seaborn."""
        sns, Figure = optional("seaborn"), optional("matplotlib.figure").Figure
        figure = Figure(figsize=(5.4, 3.8), layout="constrained")
        panel = figure.subplots()
        sns.lineplot(
            data=self.frame(),
            x="lr",
            y="loss",
            hue=axis,
            style=axis,
            palette="viridis",
            markers=True,
            dashes=False,
            errorbar=("pi", 100),
            legend="full",
            ax=panel,
        )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        drift = f"{self.drift(axis):+.2f}".replace("-", "−")
        panel.set_title(f"best rate moves by {drift} octaves a doubling of {axis}")
        return figure


def lr_transfer(
    make: Make,
    rates: Sequence[float],
    batch: Batch,
    *,
    widths: Sequence[int] = (16,),
    depths: Sequence[int] = (3, 6),
    loss: LossFunction = squares,
    steps: int = 50,
    optimizer: str = "sgd",
    seeds: int = 2,
    progress: bool = False,
) -> Transfer:
    """Sweep learning rates over widths and depths by full-batch training.

    Args:
        make: as in ``coord_check``.
        rates: η.
        batch: inputs and targets.
        widths: of the modules.
        depths: of the modules.
        loss: of outputs and targets.
        steps: of training.
        optimizer: ``sgd``, ``adam`` or ``adamw``.
        seeds: modules for each cell and rate.
        progress: show a bar.
    """
    cells = [(d, w, lr, s) for d in depths for w in widths for lr in rates for s in range(seeds)]
    records: list[dict[str, float]] = []
    for depth, width, lr, seed in progress_bar(cells, progress):
        model = make(depth=depth, width=width)
        stepper = optimizer_of(model, optimizer, lr)
        value = torch.tensor(float("nan"))
        for _ in range(steps):
            stepper.zero_grad()
            value = loss(model(batch[0]), batch[1])
            value.backward()
            stepper.step()
        with torch.no_grad():
            final = float(loss(model(batch[0]), batch[1]))
        found = final if math.isfinite(final) else float("nan")
        records.append({"depth": depth, "width": width, "seed": seed, "lr": lr, "loss": found})
    return Transfer(records)
