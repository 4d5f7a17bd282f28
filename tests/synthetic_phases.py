"""A table of critical learning rates made from known laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from synthetic_base import MATCHED, NUP, complete, net_columns

#: log2 c of each line at depth 2, or width 8.
LEVELS = {"loss": 1.25, "sharpness": 2.0, "catapult": 1.5, "divergence": 2.5}
LOWEST, HIGHEST = 0.5, 64.0


def phase_table(
    activations: Sequence[str] = ("abs",),
    nets: Sequence[str] = (NUP, "mup", MATCHED),
    seeds: Sequence[int] = (0, 1),
    slopes: Mapping[str, float] | None = None,
    noise: float = 0.02,
) -> pd.DataFrame:
    """Lines log2 c = level + slope·log2(size/smallest), censored beyond the range; λ_0 ∝ size.

    ``slopes`` are by net (default: 0 for νP, 1 for the others). No net of constant width catapults.
    """
    rng = np.random.default_rng(5)
    slopes = slopes or {net: 0.0 if net == NUP else 1.0 for net in nets}
    cells = [("depth", depth, 8) for depth in (2, 4, 8)]
    cells += [("width", 3, width) for width in (8, 16, 32)]
    rows = []
    for (experiment, depth, width), activation, net, seed, line in product(
        cells, activations, nets, seeds, LEVELS
    ):
        octaves = float(np.log2(depth / 2 if experiment == "depth" else width / 8))
        log2_c = LEVELS[line] + slopes[net] * octaves + noise * rng.normal()
        rows.append(
            {
                **net_columns(net),
                "cell_id": f"{experiment}-{depth}-{width}-{activation}-{net}-{seed}",
                "experiment": experiment,
                "depth": depth,
                "base_width": width,
                "activation": activation,
                "seed": seed,
                "line": line,
                **_place(2**log2_c, 2**octaves, line == "catapult" and net != NUP),
            }
        )
    return complete("phases", rows)


def _place(c: float, sharpness: float, absent: bool) -> dict[str, Any]:
    censored = "above" if absent or c > HIGHEST else "below" if c < LOWEST else ""
    found = None if censored == "above" else max(c, LOWEST)
    return {
        "c": found,
        "learning_rate": None if found is None else found / sharpness,
        "initial_sharpness": sharpness,
        "censored": censored,
        "exceptions": 0,
        "n_tried": 17,
        "sharpness": "hessian",
        "lowest_c": LOWEST,
        "highest_c": HIGHEST,
        "resolution": 8,
    }
