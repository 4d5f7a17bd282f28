"""The claims of the paper, and their evaluation on the tables of a study.

``load_catalogue`` reads ``config/claims.yaml``; ``evaluate`` computes the tables ``claims`` and
``readings`` from the tidy tables. The file holds thresholds and ``nup.claims.estimators`` holds
estimators; neither depends on the other's numbers, so that a verdict follows from the data alone.
"""

from __future__ import annotations

from nup.claims.catalogue import Catalogue
from nup.claims.evaluation import Evaluation, evaluate
from nup.claims.loading import load_catalogue

__all__ = ["Catalogue", "Evaluation", "evaluate", "load_catalogue"]
