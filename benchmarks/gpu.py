"""``python -m benchmarks.gpu``: ours against peers on one GPU, to be run where there is one.

Every peer first trains in float64 on the device, and must agree with ours on the CPU; then all
are timed in float32, without TF32, round after round. Shares are of the peak of ``torch.mm`` on the
same card. With ``--device cpu`` the script tests itself.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import machine, raw
from benchmarks.effort import EFFORTS, Effort
from benchmarks.peers import PEERS, peer
from benchmarks.peers.peer import COLUMNS, Peer, now
from benchmarks.problem import Array, Problem, Shape
from benchmarks.training import ABSENT, AGREES, DISAGREES, TOLERANCE, deviation

log = logging.getLogger("benchmarks")

#: Goals: the least share of the peak where products dominate, and the least ratio to ``torch.func``
#: where launches do.
LEAST_SHARE = {"C": 0.5, "D": 0.5}
LEAST_RATIO = {"A": 5.0}
#: Nets of the study ``paper``, deeper and wider than the shapes that CPUs are compared on.
DEEP = Shape("paper, depth 16", "nup", depth=16, width=16, options={"r": 2.0}, rates=4)
#: Side of the matrices whose product is the peak.
SIDE = 8192


@dataclass
class Timed:
    """A peer that is to be timed, and its steps a round."""

    name: str
    peer: Peer
    steps: int
    rates: list[float]


def measure(effort: Effort, device: str, shapes: Sequence[Shape]) -> dict[str, Any]:
    """Raw records: agreement, and steps of runs per second, of every peer on every shape."""
    torch.backends.cuda.matmul.allow_tf32 = False
    peaks = [peak(device, SIDE if device != "cpu" else 512) for _ in range(effort.repetitions)]
    records = [_compared(shape, effort, device) for shape in shapes]
    return {"device": device, "card": card(device), "peaks": peaks, "shapes": records}


def card(device: str) -> str:
    """What the device is called."""
    return torch.cuda.get_device_name(device) if device != "cpu" else "cpu"


def peak(device: str, side: int) -> float:
    """GFLOP/s of a product of square float32 matrices; the best of five."""
    left, right = (torch.rand(side, side, device=device) for _ in range(2))
    seconds = []
    for _ in range(6):
        start = now(device)
        torch.mm(left, right)
        seconds.append(now(device) - start)
    return 2e-9 * side**3 / min(seconds[1:])


def _compared(shape: Shape, effort: Effort, device: str) -> dict[str, Any]:
    expected = peer("ours")(Problem(shape, dtype="float64")).run(effort.horizon).columns
    rows, timed = [], []
    for name in PEERS:
        row = {"peer": name, **_checked(name, shape, device, effort.horizon, expected)}
        log.info("%s  %s: %s", shape.name, name, row)
        rows.append(row)
        if row["status"] == AGREES:
            own = peer(name)(Problem(shape, device=device))
            own.run(effort.horizon)  # compiles and allocates
            seconds = own.run(effort.horizon).seconds
            steps = max(2, round(effort.seconds / seconds * effort.horizon))
            own.run(steps)
            timed.append(Timed(name, own, steps, []))
    for _ in range(effort.repetitions):
        for each in timed:
            seconds = each.peer.run(each.steps).seconds
            each.rates.append(shape.members * each.steps / seconds)
    rates = {each.name: each.rates for each in timed}
    return {
        "shape": shape.name,
        "flops": shape.flops,
        "rows": [{**row, "rates": rates.get(row["peer"], [])} for row in rows],
    }


def _checked(
    name: str, shape: Shape, device: str, horizon: int, expected: Mapping[str, Array]
) -> dict[str, Any]:
    """Whether a peer on the device computes in float64 what ours does on the CPU."""
    try:
        found = peer(name)(Problem(shape, dtype="float64", device=device)).run(horizon).columns
    except ImportError as error:
        return {"status": ABSENT, "remark": str(error)}
    off = max(deviation(found[each][:horizon], expected[each][:horizon]) for each in COLUMNS)
    return {"status": AGREES if off <= TOLERANCE else DISAGREES, "deviation": off}


def table(records: Mapping[str, Any]) -> str:
    """The records in Markdown: a row for each shape and peer, and whether goals are met."""
    most = median(records["peaks"])
    lines = [
        f"{records['card']}: {most:.0f} GFLOP/s in float32.",
        "",
        "| shape | peer | agrees to | run-steps/s | share of peak | ours against it |",
        "|---|---|---|---|---|---|",
    ]
    for shape in records["shapes"]:
        rates = {row["peer"]: median(row["rates"]) for row in shape["rows"] if row["rates"]}
        for row in shape["rows"]:
            name = row["peer"]
            cells = [shape["shape"], name]
            if name not in rates:
                said = row.get("remark") or f"disagrees by {row['deviation']:.0e}"
                lines.append(f"| {' | '.join([*cells, said, '', '', ''])} |")
                continue
            share = rates[name] * shape["flops"] / 1e9 / most
            ratio = rates["ours"] / rates[name]
            cells += [f"{row['deviation']:.0e}", f"{rates[name]:.0f}", f"{share:.2f}"]
            lines.append(f"| {' | '.join([*cells, f'{ratio:.2f}'])} |")
        lines += _goals(shape, rates, most)
    return "\n".join(lines)


def _goals(shape: Mapping[str, Any], rates: Mapping[str, float], most: float) -> list[str]:
    """A row for each goal of the shape."""
    name, found = shape["shape"], []
    if name in LEAST_SHARE and "ours" in rates:
        share = rates["ours"] * shape["flops"] / 1e9 / most
        met = "met" if share >= LEAST_SHARE[name] else "missed"
        found.append(f"| {name} | goal | | | ≥ {LEAST_SHARE[name]:g}: **{met}** | |")
    if name in LEAST_RATIO and {"ours", "torch.func"} <= set(rates):
        ratio = rates["ours"] / rates["torch.func"]
        met = "met" if ratio >= LEAST_RATIO[name] else "missed"
        found.append(f"| {name} | goal, torch.func | | | | ≥ {LEAST_RATIO[name]:g}: **{met}** |")
    return found


def main() -> None:
    """Measure, keep the raw records, print the table."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    options.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options.add_argument("--effort", choices=EFFORTS, default="full")
    options.add_argument("--out", type=Path, required=True, help="folder for the raw records")
    given = options.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        options.error("expected a GPU that torch sees, got none; use a CUDA build of torch there")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    effort = EFFORTS[given.effort]
    deep = [DEEP] if given.effort == "full" else []
    # A GPU is full only with many runs.
    members = [replace(shape, seeds=4 * shape.seeds) for shape in effort.shapes]
    records = measure(effort, given.device, [*members, *deep])
    environment = {"effort": given.effort, **machine.environment()}
    log.info("wrote %s", raw.write(given.out, "gpu", environment, records))
    sys.stdout.write(table(records) + "\n")


if __name__ == "__main__":
    main()
