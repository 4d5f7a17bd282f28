"""Readings: the criteria of the claims with another net, schedule or feature put in.

Where the paper's formula is unknown, several operational readings of its words stand side by side.
``load_readings`` reads ``config/readings.yaml``; ``judge_readings`` gives the table ``readings``.
Estimators and thresholds are those of the claims: a reading has none of its own.
"""

from __future__ import annotations

from nup.claims.interpretations.catalogue import Readings, load_readings
from nup.claims.interpretations.evaluation import judge_readings

__all__ = ["Readings", "judge_readings", "load_readings"]
