"""Figures from the tidy tables: one function a figure, ``(tables, verdicts, claim) → Figure``.

Neither torch nor training is imported. Each function draws a column of panels per activation, its
rows once for each setting, and the thresholds of the claims file; where the runs are absent, the
panel says so.
"""

from __future__ import annotations

from nup.plots.catapult import catapult_ends, catapult_prolonged
from nup.plots.correlations import correlation_forest
from nup.plots.depth import loss_against_rate, rates_against_depth
from nup.plots.displacement import displacement_identity
from nup.plots.edge import edge_of_stability
from nup.plots.evolution import preactivation_evolution
from nup.plots.features import cosine_features, quantity_against_rate
from nup.plots.growth import growth_matters, width_settled
from nup.plots.initialization import norms_at_initialization
from nup.plots.kernels import kernel_concentration, kernel_spectrum
from nup.plots.layer_cosines import layer_cosines, phase_portraits
from nup.plots.nulls import null_cosines, null_displacements
from nup.plots.phase_diagrams import phase_diagram
from nup.plots.phases import cosine_against_edge
from nup.plots.reading_matrix import reading_matrix
from nup.plots.readings import (
    ranks_against_rate,
    scaling_by_width_pattern,
    spikes_by_schedule,
    update_rules,
    width_patterns,
)
from nup.plots.scaling import beyond_edge, quadratic_in_tandem
from nup.plots.scorecard import forest, verdict_table
from nup.plots.style import save
from nup.plots.usefulness import tuned_accuracies

__all__ = [
    "beyond_edge",
    "catapult_ends",
    "catapult_prolonged",
    "correlation_forest",
    "cosine_against_edge",
    "cosine_features",
    "displacement_identity",
    "edge_of_stability",
    "forest",
    "growth_matters",
    "kernel_concentration",
    "kernel_spectrum",
    "layer_cosines",
    "loss_against_rate",
    "norms_at_initialization",
    "null_cosines",
    "null_displacements",
    "phase_diagram",
    "phase_portraits",
    "preactivation_evolution",
    "quadratic_in_tandem",
    "quantity_against_rate",
    "ranks_against_rate",
    "rates_against_depth",
    "reading_matrix",
    "save",
    "scaling_by_width_pattern",
    "spikes_by_schedule",
    "tuned_accuracies",
    "update_rules",
    "verdict_table",
    "width_patterns",
    "width_settled",
]
