"""Tables in which it is known which readings reproduce which claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from synthetic_base import MATCHED, NUP, SEEDS, together

CUBIC = "nup(r=3)"
LAST_WIDTH = "nup(r=2,scale=last)"
#: −slope of log2 LR in log2 depth of the nets that only readings need.
FURTHER_SLOPES = {
    CUBIC: 0.0,
    f"nup(r=1) matched to {NUP}": 0.5,
    f"{CUBIC} matched to {NUP}": 1.0,
    LAST_WIDTH: 1.0,
    "nup(r=2,scale=kernel)": 0.0,
}


def further(tables: Mapping[str, pd.DataFrame], **columns: object) -> dict[str, pd.DataFrame]:
    """The tables as those of ``<experiment>-readings``, with these values in ``runs``."""
    renamed = {
        name: table.assign(run_id="further-" + table["run_id"]) for name, table in tables.items()
    }
    runs = renamed["runs"]
    return {**renamed, "runs": runs.assign(experiment=runs["experiment"] + "-readings", **columns)}


def depth_tables(
    depths: Sequence[int] = (2, 4, 8),
    further_depths: Sequence[int] = (2, 4, 8),
    seeds: Sequence[int] = SEEDS,
) -> dict[str, pd.DataFrame]:
    """The grids over ``depths`` of the claims, and those that only readings need."""
    rates = [rate for rate in synthetic.RATES if 2**-7 <= rate <= 1]
    growth = {net: 0.6 if slope else 0.0 for net, slope in FURTHER_SLOPES.items()}
    own = synthetic.depth_tables(depths=depths, seeds=seeds, rates=rates)
    more = synthetic.depth_tables(
        slopes=FURTHER_SLOPES, depths=further_depths, growth=growth, seeds=seeds, rates=rates
    )
    return together(own, further(more))


def catapult_tables(
    fading: Mapping[str, float], seeds: Sequence[int] = SEEDS, steps: int = 800
) -> dict[str, pd.DataFrame]:
    """Spikes that last without gradient scaling; with it they fade as ``fading`` says."""
    plain = synthetic.catapult_tables(seeds=seeds, steps=steps)
    scaled = synthetic.catapult_tables(seeds=seeds, steps=steps, fading=fading)
    return together(plain, further(scaled, gradient_scaling="depthwise"))


def scaling_tables(
    ratios: Mapping[str, float] | None = None, seeds: Sequence[int] = SEEDS
) -> dict[str, pd.DataFrame]:
    """Soft rank that rises with the LR and stable rank that falls; r = 3 as a further net."""
    made = comparisons.scaling_tables(seeds=seeds)
    layers = made["layers"]
    own = {**made, "layers": layers.assign(stable_rank=40 - layers["soft_rank"])}
    ratios = ratios or {CUBIC: 1.0}
    more = comparisons.scaling_tables(
        ratios=ratios, losses=dict.fromkeys(ratios, 0.01), seeds=seeds
    )
    new = more["runs"]["width_exponent"] == 3
    return together(own, further({**more, "runs": more["runs"][new]}))


__all__ = ["CUBIC", "LAST_WIDTH", "MATCHED", "catapult_tables", "depth_tables", "scaling_tables"]
