"""The claims of the paper: how each is judged, and the judgement itself.

``load_catalogue`` reads ``config/claims.yaml``; ``judge`` turns the tidy tables into the claims
table. Thresholds are in the file and estimators in ``nup.claims.estimators``: neither sees the
other's numbers, so a verdict is what the data say.
"""

from __future__ import annotations

from nup.claims.catalogue import Catalogue, load_catalogue
from nup.claims.evaluation import evaluate

__all__ = ["Catalogue", "judge", "load_catalogue"]
