"""Sixteen layers in one's own PyTorch loop: νP against μP and residuals of as many weights.

    python examples/fashion_mnist.py [--data digits]

Each net takes the same steps of SGD, and of AdamW, at several learning rates; printed and drawn is
what it reaches. Fashion-MNIST is downloaded unless it is there (docs/data.md); handwritten digits
need no download. What comes out is of one seed and a few steps: no verdict (docs/claims.md).
"""

import argparse
import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from nup import parameterization
from nup import torch as nt
from nup.data import datasets
from nup.networks.parameterization import matched_width
from nup.specs import DataSpec

DEPTH, WIDTH, STEPS, BATCH = 16, 4, 60, 128
RATES = {"sgd": [0.03, 0.1, 0.3, 1.0, 3.0], "adamw": [0.001, 0.003, 0.01, 0.03, 0.1]}


def load(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs of unit mean square and labels, to train and to test on."""
    sizes = {"n_train": 1024, "n_validation": 128, "n_test": 512, "n_probe": 32}
    data = datasets.load(DataSpec(name, **sizes))
    x, y = (
        [torch.as_tensor(each[split], dtype=torch.float32) for split in ("train", "test")]
        for each in (data.inputs, data.targets)
    )
    return x[0], y[0].argmax(1), x[1], y[1].argmax(1)


def models(d_in: int) -> dict[str, dict[str, int]]:
    """Name of the parameterization → width, so that all have as many weights as νP."""
    target = parameterization("nup", depth=DEPTH, width=WIDTH, d_in=d_in, d_out=10, r=2)
    names = ("mup", "mup_residual")
    return {"nup": WIDTH, **{name: matched_width(target, name) for name in names}}


def train(
    name: str, width: int, optimizer: str, lr: float, data: tuple[Tensor, ...]
) -> tuple[float, float]:
    """Final training loss and test accuracy; nan and chance where the net diverges."""
    x, y, x_test, y_test = data
    torch.manual_seed(0)
    model = nt.mlp(name, depth=DEPTH, width=width, d_in=x.shape[1], d_out=10, activation="relu")
    groups = nt.param_groups(model, lr, optimizer)
    opt = (torch.optim.SGD if optimizer == "sgd" else torch.optim.AdamW)(groups, lr=lr)
    for _ in range(STEPS):
        batch = torch.randint(len(x), (BATCH,))
        opt.zero_grad()
        F.cross_entropy(model(x[batch]), y[batch]).backward()
        opt.step()
    with torch.no_grad():
        loss = float(F.cross_entropy(model(x), y))
        accuracy = float((model(x_test).argmax(1) == y_test).float().mean())
    return loss, accuracy


def draw(found: dict[tuple[str, str], list[float]], path: str) -> None:
    """Loss against the learning rate: a panel for each optimizer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, (optimizer, rates) in zip(figure.subplots(1, 2), RATES.items(), strict=True):
        for (name, own), losses in found.items():
            if own == optimizer:
                marker = {"nup": "o", "mup": "s", "mup_residual": "D"}[name]
                axis.plot(rates, losses, marker=marker, label=name)
        axis.set(xscale="log", yscale="log", xlabel="learning rate", title=optimizer)
        axis.set_ylabel(f"training loss after {STEPS} steps")
        axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="fashion_mnist", help="data set (default: fashion_mnist)")
    parser.add_argument("--figure", default="sixteen-layers.png", help="where the figure goes")
    options = parser.parse_args()
    data, start = load(options.data), time.monotonic()
    found: dict[tuple[str, str], list[float]] = {}
    print("net           width  optimizer  best rate    loss  test accuracy")
    for name, width in models(data[0].shape[1]).items():
        for optimizer, rates in RATES.items():
            runs = [train(name, width, optimizer, lr, data) for lr in rates]
            found[name, optimizer] = [loss for loss, _ in runs]
            best = min(range(len(runs)), key=lambda i: (runs[i][0] != runs[i][0], runs[i][0]))
            row = f"{rates[best]:9g}  {runs[best][0]:6.3f}  {runs[best][1]:13.3f}"
            print(f"{name:12}  {width:5}  {optimizer:9}  {row}")
    draw(found, options.figure)
    print(f"{time.monotonic() - start:.0f} seconds; {options.figure}")
