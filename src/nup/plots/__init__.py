"""Figures from the tidy tables: one function a figure, ``(tables, verdicts, claim) → Figure``.

Neither torch nor training is imported. Each function draws a column of panels per activation and
the thresholds of the claims file; where the runs are absent, the panel says so.
"""

from __future__ import annotations

from nup.plots.catapult import catapult_ends, catapult_prolonged
from nup.plots.depth import loss_against_rate, rates_against_depth
from nup.plots.edge import edge_of_stability
from nup.plots.evolution import preactivation_evolution
from nup.plots.initialization import norms_at_initialization
from nup.plots.kernels import kernel_concentration, kernel_spectrum
from nup.plots.phases import cosine_against_edge
from nup.plots.scorecard import forest, verdict_table
from nup.plots.style import save

__all__ = [
    "catapult_ends",
    "catapult_prolonged",
    "cosine_against_edge",
    "edge_of_stability",
    "forest",
    "kernel_concentration",
    "kernel_spectrum",
    "loss_against_rate",
    "norms_at_initialization",
    "preactivation_evolution",
    "rates_against_depth",
    "save",
    "verdict_table",
]
