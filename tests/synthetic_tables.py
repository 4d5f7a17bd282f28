"""Tables made from known laws, with the columns of ``nup.tables.schema``: no training, no torch.

Every law is an argument, so that a test can make a claim true, false or undecidable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

import synthetic_comparisons as comparisons
from nup.analysis.cosine.nulls import compound
from synthetic_base import (
    CONTROL,
    MATCHED,
    MIDDLE,
    NUP,
    SEEDS,
    complete,
    net_columns,
    run_columns,
    schedule_columns,
    together,
)
from synthetic_cells import cells_tables
from synthetic_phases import phase_table

DEPTHS = (3, 4, 6, 8)
#: Half octaves, wide enough that no law of the defaults reaches an end.
RATES = tuple(2.0 ** (k / 2) for k in range(-16, 5))
#: −slope of log2 LR in log2 depth, of the best and of the largest stable learning rate.
SLOPES = {
    NUP: 0.0,
    MIDDLE: 0.5,
    CONTROL: 1.0,
    "mup": 1.0,
    MATCHED: 1.0,
    f"mup_residual matched to {NUP}": 0.25,
}
#: Slope of ln e_k in ln k where widths do not grow.
STEEPNESS = 0.5


def init_table(
    activations: Sequence[str] = ("abs",),
    nets: Sequence[str] = ("mup",),
    seeds: Sequence[int] = SEEDS,
    drift: float = 0.0,
    noise: float = 0.002,
    depth: int = 8,
) -> pd.DataFrame:
    """Norms that follow the theory, plus ``drift`` a layer and noise."""
    rng = np.random.default_rng(1)
    rows = []
    for activation in activations:
        for net in nets:
            for variance in (0.8, 1.0, 1.25):
                for seed in seeds:
                    for layer in range(1, depth + 1):
                        rate = 0.5 * np.log(variance)
                        forward, backward = layer * rate, (depth - layer) * rate
                        rows.append(
                            {
                                **net_columns(net),
                                "experiment": "eoc",
                                "depth": depth,
                                "activation": activation,
                                "weight_variance": variance,
                                "seed": seed,
                                "layer": layer,
                                "forward_log_norm": forward + drift * layer + noise * rng.normal(),
                                "forward_theory": forward,
                                "backward_log_norm": backward
                                - drift * layer
                                + noise * rng.normal(),
                                "backward_theory": backward,
                                "cosine": 1 - 0.9**layer + noise * rng.normal(),
                                "cosine_theory": 1 - 0.9**layer,
                            }
                        )
    return complete("init", rows)


#: Δ_φ of the activations of the kernel experiments.
KERNEL_ACTIVATIONS = {"abs": 1.0, "(1,2)": 0.8, "relu": 0.5}


def kernel_table(
    activations: Mapping[str, float] = KERNEL_ACTIVATIONS,
    seeds: Sequence[int] = SEEDS,
    width_slope: float = -0.5,
    growth: Mapping[float, float] | None = None,
    distance_slope: float = -1.0,
    gap_power: float = 0.5,
    noise: float = 0.02,
) -> pd.DataFrame:
    """Rows k = l of the kernel experiments, whose quantities are powers of width, depth and Δ_φ.

    ``growth`` is the slope of ln error in ln depth by width exponent r (default: 0.5 at 0, 0 at 2).
    """
    rng = np.random.default_rng(4)
    growth = growth or {0.0: 0.5, 2.0: 0.0}
    cells = [("ntk-width", r, 4, m) for r in growth for m in (8, 16, 32)]
    cells += [("ntk-depth", r, depth, 8) for r in growth for depth in (2, 4, 6, 8, 10)]
    cells += [("ntk-spectrum", None, depth, 8) for depth in (2, 4, 8, 16, 32)]
    rows = []
    for (experiment, r, depth, width), activation, seed in product(cells, activations, seeds):
        delta = activations[activation]
        error = width**width_slope * depth ** growth.get(r, 0.5) / delta
        gap = 3 / depth ** (1 + gap_power * delta)
        rows.append(
            {
                **net_columns(f"nup(r={r:g})" if r is not None else "mup"),
                "width_exponent": r or 0.0,
                "experiment": experiment,
                "depth": depth,
                "base_width": width,
                "activation": activation,
                "delta_phi": delta,
                "weight_variance": 1.0,
                "seed": seed,
                "layer": depth,
                "ntk_error": error * np.exp(noise * rng.normal()),
                "ntk_distance_error": depth**distance_slope * np.exp(noise * rng.normal()),
                "ntk_condition": 10 * (1 + gap * np.exp(noise * rng.normal())),
                "ntk_condition_limit": 10.0,
            }
        )
    for r, activation, depth, seed in product(growth, activations, (4, 8, 16), seeds):
        shared = {
            **net_columns(f"nup(r={r:g})"),
            "width_exponent": r,
            "depth": depth,
            "base_width": 4,
            "activation": activation,
            "delta_phi": activations[activation],
            "weight_variance": 1.0,
            "seed": seed,
            "layer": depth,
        }
        top = depth / 4 * np.exp(noise * rng.normal())
        rows.append({**shared, "experiment": "edge-nets", "ntk_top": top})
        rows.append({**shared, "experiment": "edge-limit", "ntk_top_limit": depth / 4})
    return complete("init", rows)


def depth_tables(
    activations: Sequence[str] = ("abs",),
    slopes: Mapping[str, float] = SLOPES,
    seeds: Sequence[int] = SEEDS,
    depths: Sequence[int] = DEPTHS,
    rates: Sequence[float] = RATES,
    layer_slope: float = 0.0,
    growth: Mapping[str, float] | None = None,
    loss_slope: float = 0.0,
) -> dict[str, pd.DataFrame]:
    """Learning-rate grids over depth with ``runs`` and ``layers``.

    ``layer_slope`` is the slope of ln e_k in ln k of νP, the others have ``STEEPNESS``; ``growth``
    that of log2 max e_k in log2 depth (default: 0 for νP, 0.3 for r = 1, 0.6 for the others);
    ``loss_slope`` that of νP's log2 late loss.
    """
    rng = np.random.default_rng(2)
    growth = growth or {net: {NUP: 0.0, MIDDLE: 0.3}.get(net, 0.6) for net in slopes}
    runs, layers = [], []
    for activation in activations:
        for net, slope in slopes.items():
            for depth in depths:
                for seed in seeds:
                    best = -2 - slope * np.log2(depth) + 0.1 * rng.normal()
                    for rate in rates:
                        run = _depth_run(activation, net, depth, seed, rate, best)
                        if run["status"] == "ok" and net == NUP:
                            run["late_loss"] *= depth**loss_slope
                        runs.append(run)
                        if run["status"] == "ok":
                            size = 0.5 * depth ** growth[net] * np.exp(0.05 * rng.normal())
                            steepness = layer_slope if net == NUP else STEEPNESS
                            layers += _layers(run["run_id"], depth, size, steepness)
    return {
        "runs": complete("runs", runs),
        "layers": complete("layers", layers),
    }


def _depth_run(
    activation: str, net: str, depth: int, seed: int, rate: float, best: float
) -> dict[str, Any]:
    """Late loss: a parabola in log2 LR around ``best``; stable up to 1.25 octaves beyond it."""
    offset = float(np.log2(rate)) - best
    ok = offset < 1.25
    late_loss = min(0.05 * 2 ** (0.5 * offset**2), 0.55)
    return {
        **run_columns("depth", activation, net, depth, seed, rate),
        "status": "ok" if ok else "diverged",
        "stable": ok,
        "late_loss": late_loss if ok else None,
        "final_loss": late_loss if ok else None,
        "final_sharpness": late_loss**0.5 / rate if ok else None,
        "test_accuracy": 1 - late_loss if ok else None,
    }


def _layers(run_id: str, depth: int, size: float, steepness: float) -> list[dict[str, Any]]:
    rows = []
    for layer in range(1, depth + 1):
        last = 10.0 if layer == depth else size * (layer / (depth - 1)) ** steepness
        for step, evolution in ((0, 0.0), (200, last)):
            rows.append({"run_id": run_id, "step": step, "layer": layer, "evolution": evolution})
    return rows


SCHEDULES = ("sharpness", "taylor", "polyak")


def catapult_tables(
    activations: Sequence[str] = ("abs",),
    nets: Sequence[str] = (NUP,),
    seeds: Sequence[int] = SEEDS,
    steps: int = 1000,
    fading: Mapping[str, float] | None = None,
    cosines: tuple[float, float, float] = (0.4, 0.0, -0.2),
    diverged_seed: int | None = None,
    highest: float = 1.5,
    hessian: float = 1.02,
) -> dict[str, pd.DataFrame]:
    """Loss curves with spikes: ``runs``, ``steps``, and ``layers`` with cosines.

    ``fading`` is the amplitude at the end over that at the start, by schedule (default: constant
    0.2, the others 1). ``cosines`` are the cosines below, at and beyond the edge. One seed may
    diverge under sharpness(2.5). ``highest`` is the largest loss over the initial one, ``hessian``
    the top eigenvalue of the Hessian over that of Gauss–Newton.
    """
    fading = {"constant": 0.2, **dict.fromkeys(SCHEDULES, 1.0), **(fading or {})}
    rng = np.random.default_rng(3)
    schedules = [("constant", edge) for edge in (1.0, 1.6, 2.5, 3.0)]
    schedules += [("sharpness", 1.5)]
    schedules += [(name, c) for name in SCHEDULES for c in (2.25, 2.5, 2.75)]
    runs, curves, layers = [], [], []
    for activation in activations:
        for net in nets:
            for schedule, c in schedules:
                for seed in seeds:
                    fails = (schedule, c, seed) == ("sharpness", 2.5, diverged_seed)
                    run = _catapult_run(activation, net, schedule, c, seed, steps, highest, fails)
                    runs.append(run)
                    curve = _curve(run, schedule, c, fading[schedule], cosines, rng)
                    measured = (curve["step"] % 15 == 0) & (curve["step"] < steps)
                    curve["hessian_edge"] = (hessian * curve["edge"]).where(measured)
                    curves.append(curve)
                    layers += _layer_cosines(curve, int(run["depth"]))
    empty = complete("steps", [])
    return {
        "runs": complete("runs", runs),
        "steps": pd.concat(curves).reindex(columns=empty.columns).astype(empty.dtypes),
        "layers": complete("layers", layers),
    }


def _layer_cosines(curve: pd.DataFrame, depth: int) -> list[dict[str, Any]]:
    """Every layer has the cosine of all weights, every 25 steps."""
    sparse = curve[curve["step"] % 25 == 0]
    return [
        {"run_id": row.run_id, "step": row.step, "layer": layer, "cosine": row.cosine}
        for row in sparse.itertuples()
        for layer in range(1, depth + 1)
    ]


def _catapult_run(
    activation: str,
    net: str,
    schedule: str,
    c: float,
    seed: int,
    steps: int,
    highest: float,
    fails: bool,
) -> dict[str, Any]:
    constant = schedule == "constant"
    label = f"{schedule}-{c:g}" if constant else f"{schedule}({c:g})"
    return {
        **net_columns(net),
        "run_id": f"catapult-{activation}-{net}-{label}-{seed}",
        "experiment": "catapult",
        "dataset": "digits",
        "loss_name": "mse",
        "dtype": "float32",
        "depth": 4,
        "activation": activation,
        **schedule_columns(schedule, None if constant else c),
        "learning_rate": c / 4 if constant else None,
        "initial_sharpness": 4.0,
        "n_parameters": 400,
        "seed": seed,
        "steps": steps,
        "last_step": steps // 3 if fails else steps,
        "status": "diverged" if fails else "ok",
        "stable": not fails,
        "null_loss": 0.5,
        "initial_loss": 0.6,
        "late_loss": None if fails else 0.1,
        "max_loss": 0.6 * (1e5 if fails else highest),
    }


def _curve(
    run: Mapping[str, Any],
    schedule: str,
    c: float,
    fading: float,
    cosines: tuple[float, float, float],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Sawtooth spikes of period 12 whose size fades; the edge relaxes to 2 or stays.

    Steps of equal length move as their cosines say.
    """
    step = np.arange(int(run["last_step"]) + 1)
    size = (1.2 if c >= 1.6 else 0.05) * fading ** (step / run["steps"])
    loss = 0.3 * np.exp(size * (step % 12) / 12 + 0.01 * rng.normal(size=len(step)) - step / 2000)
    loss[0] = 0.6
    late = c if schedule != "constant" or c < 1.2 else 2.0
    edge = late + (c - late) * np.exp(-step / 60) + 0.02 * rng.normal(size=len(step))
    phase = np.digitize(edge, [1.8, 2.2])
    cosine = np.asarray(cosines)[phase] + 0.05 * rng.normal(size=len(step))
    cosine[0] = np.nan
    rate = np.where(step < run["steps"], edge / 4, np.nan)
    edge[step % 5 != 0] = np.nan
    lengths = np.full(len(step) - 1, 0.1)
    squares = compound(lengths, cosine[:-1])
    return pd.DataFrame(
        {
            "run_id": run["run_id"],
            "step": step,
            "loss": loss,
            "learning_rate": rate,
            "update_norm": np.append(lengths, np.nan),
            "displacement": np.sqrt(squares),
            "cosine": cosine,
            "edge": edge,
            "sharpness": np.where(np.isnan(edge), np.nan, 4.0),
        }
    )


def all_tables(activations: Sequence[str] = ("abs",), **catapult: Any) -> dict[str, pd.DataFrame]:
    """Every table that the claims read, all claims true."""
    parts = [
        depth_tables(activations),
        catapult_tables(activations, **catapult),
        comparisons.width_tables(activations),
        comparisons.scaling_tables(activations),
        comparisons.useful_tables(activations),
        cells_tables(activations),
    ]
    found = together(*parts)
    init = pd.concat([init_table(activations), kernel_table()], ignore_index=True)
    return {**found, "init": init, "phases": phase_table(activations)}
