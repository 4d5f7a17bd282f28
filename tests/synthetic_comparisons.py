"""Tables of the experiments ``width``, ``scaling`` and ``useful``, made from known laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from nup.claims.estimators.curvature import UNSCALED
from nup.claims.estimators.features import RANKS
from synthetic_base import CONTROL, MATCHED, NUP, SEEDS, complete, run_columns, schedule_columns

WIDTHS = (16, 32, 64, 128)
BASELINES = (
    CONTROL,
    MATCHED,
    *(f"{name} matched to {NUP}" for name in ("mup_residual", "sp", "sp+adamw")),
)
SCHEDULES = ("sharpness", "taylor", "polyak")
#: Half octaves from 2^-10 to 2^3.
RATES = tuple(2.0 ** (k / 2) for k in range(-20, 7))


def _loss_around(best: float, rate: float) -> dict[str, Any]:
    """Late loss: a parabola in log2 LR around ``best``; stable up to 1.25 octaves beyond it."""
    offset = float(np.log2(rate)) - best
    ok = offset < 1.25
    loss = min(0.05 * 2 ** (0.5 * offset**2), 0.45) if ok else None
    return {"status": "ok" if ok else "diverged", "stable": ok, "late_loss": loss}


def width_tables(
    activations: Sequence[str] = ("abs",),
    slopes: Mapping[str, float] | None = None,
    movement: float = -0.5,
    seeds: Sequence[int] = SEEDS,
    widths: Sequence[int] = WIDTHS,
) -> dict[str, pd.DataFrame]:
    """Learning-rate grids over width with ``runs`` and ``layers``.

    ``slopes`` are those of log2 best LR in log2 width (default: −1 for sp, 0 for mup and ntp);
    ``movement`` is that of log2 e_k of ntp; the other nets move alike at every width.
    """
    rng = np.random.default_rng(4)
    slopes = {"mup": 0.0, "sp": -1.0, "ntp": 0.0, **(slopes or {})}
    runs, layers = [], []
    for activation, (net, slope), width, seed in product(
        activations, slopes.items(), widths, seeds
    ):
        best = -1 + slope * np.log2(width / 8) + 0.05 * rng.normal()
        evolution = 0.5 * (width / 16) ** (movement if net == "ntp" else 0.0)
        for rate in RATES:
            run = run_columns("width", activation, net, 3, seed, rate)
            run |= {"run_id": f"{run['run_id']}-{width}", "base_width": width, "width": width}
            run |= _loss_around(best, rate)
            runs.append(run)
            layers += [
                {"run_id": run["run_id"], "step": 200, "layer": layer, "evolution": evolution}
                for layer in (1, 2, 3)
            ]
    return {"runs": complete("runs", runs), "layers": complete("layers", layers)}


SCALINGS = ("depthwise", "equal", "per_sample", "gram")


def scaling_tables(
    activations: Sequence[str] = ("abs",),
    scalings: Sequence[str] = SCALINGS[:1],
    ratios: Mapping[str, float] | None = None,
    losses: Mapping[str, float] | None = None,
    trends: tuple[float, float] = (1.0, -1.0),
    seeds: Sequence[int] = SEEDS,
    rates: Sequence[float] = RATES,
    diverged_seed: int | None = None,
    edge: float = 3.5,
) -> dict[str, pd.DataFrame]:
    """Learning-rate grids with gradient scalings and without: ``runs``, ``steps``, ``layers``.

    ``ratios`` are those of the largest stable LR with ξ to 2^-1.75 (default: 4 for νP, 2 for the
    control), which is that without; ``losses`` the least final losses with ξ (0.01 and 0.03);
    ``trends`` the slopes of the ranks and of ln λ in log2 LR; ``edge`` is the mean of η_tλ_t.
    T2/T1² is four times the final rank. With ``diverged_seed``, one of νP's runs with ξ and this
    seed diverges at a small rate.
    """
    rng = np.random.default_rng(5)
    ratios = {NUP: 4.0, CONTROL: 2.0, **(ratios or {})}
    losses = {NUP: 0.01, CONTROL: 0.03, **(losses or {})}
    runs, steps, layers = [], [], []
    grid = product(activations, ratios, ("none", *scalings), (4, 6), seeds)
    for activation, net, scaling, depth, seed in grid:
        best = -3 + (np.log2(ratios[net]) if scaling != "none" else 0.0)
        for rate in rates:
            run = run_columns("scaling", activation, net, depth, seed, rate)
            run |= {"run_id": f"{run['run_id']}-{scaling}", "gradient_scaling": scaling}
            run |= _loss_around(best, rate)
            if (net, scaling, seed, rate) == (NUP, "depthwise", diverged_seed, 2.0**-4):
                run |= {"status": "diverged", "stable": False, "late_loss": None}
            runs.append(run)
            if run["status"] != "ok":
                continue
            log_rate = float(np.log2(rate))
            run["final_loss"] = run["late_loss"] / 0.05 * losses[net] * np.exp(0.1 * rng.normal())
            noise = 0.1 * rng.normal(size=2)
            curvature = float(np.exp(1 + trends[1] * log_rate + noise[0]))
            run["final_sharpness"] = curvature
            last = 20 + trends[0] * log_rate + noise[1]
            for step in (0, 100, 200):
                names = [("sharpness", curvature), ("hessian_sharpness", curvature), ("edge", edge)]
                taylor = {"taylor_1": -0.5, "taylor_2": last}
                steps.append({"run_id": run["run_id"], "step": step, **dict(names), **taylor})
            for step, rank in ((0, 2.0), (200, last)):
                record = {"run_id": run["run_id"], "step": step, "layer": depth - 1}
                layers.append({**record, **dict.fromkeys(RANKS, rank), "alignment": 0.3})
    return {
        "runs": complete("runs", runs),
        "steps": complete("steps", steps),
        "layers": complete("layers", layers),
    }


def with_unscaled(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with curvature without ξ recorded: the same as with it."""
    steps = tables["steps"]
    names = ("sharpness", "hessian_sharpness", "edge")
    return {**tables, "steps": steps.assign(**{f"{name}{UNSCALED}": steps[name] for name in names})}


#: Operations of a step, by schedule and whether it is νP's.
STEP_FLOPS = {"constant": 1e6, "sharpness": 8e6, "taylor": 2e6, "polyak": 1e6}
NUP_SHARE = 1.01


def useful_tables(
    activations: Sequence[str] = ("abs",),
    gain: Mapping[str, float] | None = None,
    seeds: Sequence[int] = SEEDS,
    baselines: Sequence[str] = BASELINES,
    rates: Sequence[float] = RATES,
    progress: float = 0.02,
) -> dict[str, pd.DataFrame]:
    """Accuracies of νP under all schedules and of the baselines, ``runs`` and ``steps``.

    The best baseline on validation data is the second one, with a test accuracy of 0.8; the third
    one is better on test data and worse on validation data. ``gain`` is what νP under a schedule
    has more (default 0.05). Every accuracy rises by ``progress`` in the course of the 200 steps,
    evenly, and is recorded every 10.
    """
    rng = np.random.default_rng(6)
    gain = {**dict.fromkeys(("constant", *SCHEDULES), 0.05), **(gain or {})}
    runs = []
    for activation, seed in product(activations, seeds):
        nets = {NUP: (0.8 + gain["constant"], 0.8 + gain["constant"])}
        levels = [(0.7, 0.7), (0.8, 0.8), (0.75, 0.95), (0.6, 0.6), (0.7, 0.7)]
        nets |= dict(zip(baselines, levels, strict=False))
        for (net, (validation, test)), rate in product(nets.items(), rates):
            run = run_columns("useful", activation, net, 4, seed, rate)
            run |= _loss_around(-2, rate)
            runs.append(run | _accuracies(run, validation, test + 0.005 * rng.normal()))
        for schedule, c in product(SCHEDULES, (1.0, 2.0)):
            best = 0.8 + gain[schedule] - 0.1 * (c == 1.0)
            label = f"{schedule}({c:g})"
            run = run_columns("useful", activation, NUP, 4, seed, None)
            run |= {"run_id": f"{run['run_id']}-{label}", "late_loss": 0.05}
            run |= schedule_columns(schedule, c)
            runs.append(run | _accuracies(run, best, best + 0.005 * rng.normal()))
    steps = [row for run in runs for row in _course(run, progress)]
    return {"runs": complete("runs", runs), "steps": complete("steps", steps)}


def _course(run: dict[str, Any], progress: float) -> list[dict[str, Any]]:
    """States of the run every 10 steps; its total of operations. It diverges at step 50."""
    share = NUP_SHARE if run["parameterization"] == "nup" else 1.0
    cost = STEP_FLOPS[run["schedule_name"]] * share
    ok = run["status"] == "ok"
    run["flops"] = cost * (200 if ok else 50)
    rows = []
    for step in range(0, 201 if ok else 51, 10):
        row = {"run_id": run["run_id"], "step": step, "flops": cost * step}
        for name in ("validation_accuracy", "test_accuracy"):
            row[name] = run.get(name, 0.99) - progress * (1 - step / 200)
        rows.append({**row, "validation_loss": run.get("validation_loss", 0.01)})
    return rows


def _accuracies(run: Mapping[str, Any], validation: float, test: float) -> dict[str, Any]:
    """Both fall with the late loss; a run that diverged has none."""
    if run["status"] != "ok":
        return {}
    lost = run["late_loss"] - 0.05
    return {
        "validation_accuracy": validation - lost,
        "test_accuracy": test - lost,
        "validation_loss": run["late_loss"],
    }
