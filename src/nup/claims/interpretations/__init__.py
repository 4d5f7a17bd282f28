"""Interpretations: the criteria of the claims with another net, schedule or feature put in.

Where the paper's formula is unknown, several operational readings of its words stand side by side.
``load_interpretations`` reads ``config/readings.yaml``; ``evaluate_interpretations`` gives the table ``readings``.
Estimators and thresholds are those of the claims: a reading has none of its own.
"""

from __future__ import annotations

from nup.claims.interpretations.catalogue import Interpretations, load_interpretations
from nup.claims.interpretations.evaluation import evaluate_interpretations

__all__ = ["Interpretations", "evaluate_interpretations", "load_interpretations"]
