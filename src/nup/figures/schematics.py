"""What the cosine, the catapult and the gradient scaling are, each on a small exact example."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nup.figures import style
from nup.figures.legends import one_legend

Floats = NDArray[np.float64]

#: Eigenvalues of the valley's Hessian.
_VALLEY = np.array([1.0, 12.0])


def cosine_schematic() -> Figure:
    """Gradient descent in a quadratic valley, below and near the edge of stability.

    The cosine is that of the last update with the displacement before it.
    """
    with style.theme():
        figure = Figure(figsize=(10.0, 3.9))
        axes = figure.subplots(1, 2, sharey=True)
        figure.suptitle(
            "The cosine of new and cumulative updates: forward, or across a valley",
            fontweight="bold",
        )
        for axis, edge, steps in zip(axes, (0.5, 1.95), (6, 7), strict=True):
            path = _descent(edge / _VALLEY[1], steps)
            _draw_descent(axis, path, edge)
        axes[0].set_ylabel("steep direction")
        axes[0].legend()
        one_legend(figure)
    return figure


def _descent(rate: float, steps: int) -> Floats:
    """Path of gradient descent on ½ Σ λ_i θ_i², ``[steps + 1, 2]``."""
    start = np.array([1.0, 0.35])
    return np.array([start * (1 - rate * _VALLEY) ** step for step in range(steps + 1)])


def cosine_of(path: Floats) -> float:
    """Cosine of the last update of a path with the displacement before it.

    Args:
        path: ``[steps + 1, dimensions]``.
    """
    update, displacement = path[-1] - path[-2], path[-2] - path[0]
    lengths = np.linalg.norm(update) * np.linalg.norm(displacement)
    return float(update @ displacement / lengths)


def _draw_descent(axis: Axes, path: Floats, edge: float) -> None:
    x, y = np.meshgrid(np.linspace(-0.15, 1.15, 80), np.linspace(-0.5, 0.5, 80))
    levels = np.geomspace(0.01, 2, 9)
    axis.contour(x, y, (_VALLEY[0] * x**2 + _VALLEY[1] * y**2) / 2, levels, colors="0.8")
    axis.plot(*path[:-1].T, color="0.45", marker="o", markersize=4, label="path θ₀ … θₜ")
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
    for start, end, color, label in (
        (path[0], path[-2], style.INDIGO, "displacement θₜ − θ₀"),
        (path[-2], path[-1], style.ROSE, "new update Δₜ"),
    ):
        axis.annotate("", end, start, arrowprops={**arrow, "color": color})
        axis.plot([], [], color=color, linewidth=2.2, label=label)
    axis.set_title(f"ηλ = {edge:g}: cosine {cosine_of(path):+.2f}".replace("-", "−"))
    axis.set_xlabel("flat direction")
    axis.set_xlim(-0.15, 1.15)
    axis.set_ylim(-0.5, 0.5)


def catapult(rate_of_edge: float, steps: int) -> tuple[Floats, Floats]:
    """Loss and ηλ of gradient descent on (uv)²/2, the two-layer net of one unit with target 0.

    The Gauss–Newton eigenvalue is λ = u² + v².

    Args:
        rate_of_edge: ηλ at the start; above 2 the loss rises first, from 4 on the net may be lost.
        steps: number of steps.

    Returns:
        Loss and ηλ before each step and after the last, ``[steps + 1]`` each.
    """
    u, v = 2.0, 0.1
    rate = rate_of_edge / (u**2 + v**2)
    losses, edges = [], []
    for _ in range(steps + 1):
        losses.append((u * v) ** 2 / 2)
        edges.append(rate * (u**2 + v**2))
        u, v = u - rate * u * v**2, v - rate * u**2 * v
    return np.array(losses), np.array(edges)


def catapult_schematic() -> Figure:
    """Loss and ηλ of a two-layer net of one unit, below the edge and beyond it."""
    with style.theme():
        figure = Figure(figsize=(10.0, 3.6))
        axes = figure.subplots(1, 2)
        figure.suptitle(
            "A catapult: the loss rises until the curvature has fallen below the edge",
            fontweight="bold",
        )
        looks = ((1.5, style.INDIGO, "o"), (3.0, style.ROSE, "s"))
        for edge, color, marker in looks:
            losses, edges = catapult(edge, 24)
            for axis, values in zip(axes, (losses, edges), strict=True):
                label = rf"$\eta\lambda_0$ = {edge:g}"
                axis.plot(values, color=color, marker=marker, markersize=4, label=label)
        axes[0].set_yscale("log")
        axes[0].set_ylim(1e-6, 10)
        axes[0].set_ylabel("loss (uv)²/2")
        axes[1].axhline(2, color="black", linestyle=":", label="edge of stability")
        axes[1].set_ylabel(r"$\eta\lambda_t$ = η(u² + v²)")
        for axis in axes:
            axis.set_xlabel("step t")
        axes[1].legend()
        one_legend(figure)
    return figure


def powers(depth: int = 6, width: int = 256, gain: float = 1.3, seed: int = 0) -> Floats:
    """Forward and backward powers of the layers of a ReLU net off the Edge of Chaos.

    Args:
        depth: number of layers l.
        width: units of every layer.
        gain: variance of the weights over that of the Edge of Chaos.
        seed: of weights and inputs.

    Returns:
        F_{k−1}, B_k (relative to the last layer) and ξ_k = 1/(F_{k−1}B_k), ``[3, l]``.
    """
    draw = np.random.default_rng(seed)
    weights = [draw.normal(0, (gain / width) ** 0.5, (width, width)) for _ in range(depth)]
    features, slopes = [draw.normal(size=(256, width))], []
    for weight in weights:
        h = features[-1] @ weight.T
        slopes.append(h > 0)
        features.append(np.maximum(h, 0) * 2**0.5)  # φ of unit power
    backward = [np.ones((256, width))]
    for weight, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        backward.append(backward[-1] @ weight * slope * 2**0.5)
    forward = np.array([np.mean(x**2) for x in features[:-1]])
    share = np.array([np.sum(each**2) for each in reversed(backward)])
    share = share / share[-1]
    return np.array([forward, share, 1 / (forward * share)])


def scaling_schematic() -> Figure:
    """Forward power, backward power and their inverse ξ, layer by layer."""
    forward, backward, xi = powers()
    layers = np.arange(1, len(xi) + 1)
    with style.theme():
        figure = Figure(figsize=(10.0, 3.4))
        axes = figure.subplots(1, 2)
        figure.suptitle("Gradient scaling ξ cancels forward and backward powers", fontweight="bold")
        axes[0].plot(
            layers, forward, "o-", color=style.INDIGO, label="forward power F of the input"
        )
        axes[0].plot(layers, backward, "s--", color=style.ROSE, label="backward power B")
        axes[0].set_ylabel("power")
        axes[1].plot(layers, xi, "D-", color=style.FOREST, label="ξ = 1/(F B)")
        axes[1].axhline(1, color="0.5", linewidth=0.8)
        axes[1].set_ylabel("factor ξ of the gradient")
        for axis in axes:
            axis.set_xlabel("layer k")
            axis.set_yscale("log", base=2)
            axis.legend()
        one_legend(
            figure,
            "A ReLU net of 6 layers of 256 units with 1.3 times the variance of "
            "the Edge of Chaos, 256 inputs.",
        )
    return figure
