"""Figures from the tidy tables: one function a figure, ``(tables, verdicts, claim) → Figure``.

Neither torch nor training is imported. Each function draws a column of panels per activation, its
rows once for each regime, and the thresholds of the claims file; where the runs are absent, the
panel says so.
"""

from __future__ import annotations

from nup.figures.catapult import catapult_ends, catapult_prolonged
from nup.figures.correlations import correlation_forest
from nup.figures.depth import loss_against_rate, rates_against_depth
from nup.figures.displacement import displacement_identity
from nup.figures.edge import edge_of_stability
from nup.figures.evolution import preactivation_evolution
from nup.figures.features import cosine_features, quantity_against_rate
from nup.figures.growth import growth_matters, width_settled
from nup.figures.initialization import norms_at_initialization
from nup.figures.kernels import kernel_concentration, kernel_spectrum
from nup.figures.layer_cosines import layer_cosines, phase_portraits
from nup.figures.nulls import null_cosines, null_displacements
from nup.figures.phase_diagrams import phase_diagram
from nup.figures.phases import cosine_against_edge
from nup.figures.interpretation_matrix import interpretation_matrix
from nup.figures.readings import (
    ranks_against_rate,
    scaling_by_width_pattern,
    spikes_by_schedule,
    update_rules,
    width_patterns,
)
from nup.figures.scaling import beyond_edge, quadratic_in_tandem
from nup.figures.scorecard import forest, verdict_table
from nup.figures.style import save
from nup.figures.usefulness import tuned_accuracies

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
    "interpretation_matrix",
    "save",
    "scaling_by_width_pattern",
    "spikes_by_schedule",
    "tuned_accuracies",
    "update_rules",
    "verdict_table",
    "width_patterns",
    "width_settled",
]
