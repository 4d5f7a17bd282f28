"""Sixteen layers in one's own PyTorch loop: νP against μP and residuals of as many weights.

    python examples/fashion_mnist.py [--quick] [--data digits] [--depth 32] [--train 4096]

Each net takes the same steps of SGD, and of AdamW, at several learning rates; printed and drawn is
what it reaches. Fashion-MNIST is downloaded unless it is there (docs/data.md); handwritten digits
need no download. ``--quick`` takes small nets and few steps, to see that all works. What comes out
is of one seed and a few steps: no verdict (docs/claims.md).
"""

import argparse
import math
import time

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from nup import parameterization
from nup import torch as nt
from nup.data import datasets
from nup.networks.parameterization import matched_width
from nup.specs import DataSpec

RATES = {"sgd": [0.01, 0.03, 0.1, 0.3, 1.0], "adamw": [0.03, 0.1, 0.3, 1.0, 3.0]}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
MARKERS = {"nup": "o", "mup": "s", "mup_residual": "D"}
#: What ``--quick`` takes in place of the options' defaults.
QUICK = {"depth": 4, "width": 4, "steps": 5, "batch": 32, "train": 128}

Data = tuple[Tensor, Tensor, Tensor, Tensor]


def load(name: str, train: int) -> Data:
    """Inputs of unit mean square and labels, to train and to test on."""
    held_out = {"n_validation": 1, "n_test": max(64, min(train // 2, 8192)), "n_probe": 1}
    data = datasets.load(DataSpec(name, train, **held_out))
    assert data.labels is not None
    x, x_test = (torch.from_numpy(data.inputs[split]).float() for split in ("train", "test"))
    y, y_test = (torch.from_numpy(data.labels[split]) for split in ("train", "test"))
    return x, y, x_test, y_test


def models(depth: int, width: int, d_in: int) -> dict[str, int]:
    """Name of the parameterization → width, so that all have as many weights as νP."""
    target = parameterization("nup", depth=depth, width=width, d_in=d_in, d_out=10, r=2)
    return {
        "nup": width,
        **{name: matched_width(target, name) for name in MARKERS if name != "nup"},
    }


def train(
    name: str, width: int, optimizer: str, lr: float, data: Data, options: argparse.Namespace
) -> tuple[float, float]:
    """Final training loss and test accuracy; not finite where the net diverges."""
    x, y, x_test, y_test = data
    torch.manual_seed(0)
    sizes = {"depth": options.depth, "width": width, "d_in": x.shape[1], "d_out": 10}
    model = nt.mlp(name, **sizes, activation="relu")
    step = OPTIMIZERS[optimizer](nt.param_groups(model, lr, optimizer), lr=lr)
    nt.check_groups(step, model=model)
    for _ in range(options.steps):
        batch = torch.randint(len(x), (options.batch,))
        step.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        if not torch.isfinite(loss):
            return math.nan, math.nan
        loss.backward()
        step.step()
    with torch.no_grad():
        parts = zip(x.split(1024), y.split(1024), strict=True)
        total = sum(float(F.cross_entropy(model(a), b, reduction="sum")) for a, b in parts)
        parts = zip(x_test.split(1024), y_test.split(1024), strict=True)
        hits = sum(int((model(a).argmax(1) == b).sum()) for a, b in parts)
    return total / len(x), hits / len(x_test)


def draw(found: dict[tuple[str, str], list[float]], path: str, steps: int) -> None:
    """Loss against the learning rate: a panel for each optimizer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, optimizer in zip(figure.subplots(1, len(RATES)), RATES, strict=True):
        for (name, own), losses in found.items():
            if own == optimizer:
                axis.plot(RATES[optimizer], losses, marker=MARKERS[name], label=name)
        axis.set(xscale="log", yscale="log", xlabel="learning rate", title=optimizer)
        axis.set_ylabel(f"training loss after {steps} steps")
        axis.legend()
    figure.savefig(path, dpi=120)


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="fashion-mnist", help="data set (default: fashion-mnist)")
    add("--quick", action="store_true", help="small nets and few steps")
    add("--depth", type=int, help="weight matrices (default: 16)")
    add("--width", type=int, help="base width of νP (default: 4)")
    add("--steps", type=int, help="of training (default: 60)")
    add("--batch", type=int, help="samples a step (default: 128)")
    add("--train", type=int, help="training samples (default: 1024)")
    add("--figure", default="sixteen-layers.png", help="where the figure goes; '' for none")
    options = parser.parse_args()
    usual = {"depth": 16, "width": 4, "steps": 60, "batch": 128, "train": 1024}
    for name, value in (QUICK if options.quick else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main() -> None:
    """Train all nets at all rates, and print the best of each."""
    options, start = parsed(), time.monotonic()
    data = load(options.data, options.train)
    found: dict[tuple[str, str], list[float]] = {}
    print("net           width  optimizer  best rate    loss  test accuracy")
    for name, width in models(options.depth, options.width, data[0].shape[1]).items():
        for optimizer, rates in RATES.items():
            runs = [train(name, width, optimizer, lr, data, options) for lr in rates]
            found[name, optimizer] = [loss for loss, _ in runs]
            best = min(range(len(runs)), key=lambda i: (math.isnan(runs[i][0]), runs[i][0]))
            row = f"{rates[best]:9g}  {runs[best][0]:6.3f}  {runs[best][1]:13.3f}"
            print(f"{name:12}  {width:5}  {optimizer:9}  {row}", flush=True)
    if options.figure:
        draw(found, options.figure, options.steps)
    print(f"{time.monotonic() - start:.0f} seconds; {options.figure or 'no figure'}")


if __name__ == "__main__":
    main()
