"""Interpretations: the criteria of the claims with another net, schedule or feature substituted.

Where the paper's formula is unknown, several operational interpretations of its words stand side by
side. The file ``config/readings.yaml`` and the table ``readings`` call them readings.
``load_interpretations`` reads the file; ``evaluate_interpretations`` computes the table. Estimators
and thresholds are those of the claims: an interpretation has none of its own.
"""

from __future__ import annotations

from nup.claims.interpretations.catalogue import Interpretations, load_interpretations
from nup.claims.interpretations.evaluation import evaluate_interpretations

__all__ = ["Interpretations", "evaluate_interpretations", "load_interpretations"]
