"""Evaluation of every claim under every interpretation: the table ``readings``."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nup.claims.catalogue import Catalogue, Claim
from nup.claims.evaluation import evaluate
from nup.claims.interpretations.catalogue import Aspect, Interpretations
from nup.claims.interpretations.runs import at_common_depths, common_depths, with_further_runs
from nup.claims.interpretations.substitution import Interpretation, substitution_text
from nup.tables import schema


def evaluate_interpretations(
    tables: Mapping[str, pd.DataFrame], catalogue: Catalogue, interpretations: Interpretations
) -> pd.DataFrame:
    """Evaluate every interpretation with the estimators, thresholds and seeds of its claims.

    The interpretation that the claims table evaluates gets the rows of that table. The others are
    evaluated at the depths at which all the nets that their criteria name were run.

    Args:
        tables: as for ``nup.claims.evaluate``.
        catalogue: the claims.
        interpretations: what to substitute into them.

    Returns:
        The table ``readings`` with the columns of ``nup.tables.schema.READINGS``.
    """
    parts = [
        _evaluated(tables, catalogue, aspect, interpretation, claim)
        for aspect, interpretation, _, claim in interpretations.cases(catalogue)
    ]
    return pd.concat(parts, ignore_index=True)[list(schema.READINGS)]


def _evaluated(
    tables: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    aspect: Aspect,
    interpretation: Interpretation,
    claim: Claim,
) -> pd.DataFrame:
    if not interpretation.judged:
        if aspect.further_runs:
            tables = with_further_runs(tables, claim.experiment)
        tables = at_common_depths(tables, claim.experiment, claim.nets)
    depths = common_depths(tables, claim.experiment, claim.nets)
    rows = evaluate(tables, catalogue.model_copy(update={"claims": [claim]}))
    return rows.assign(
        aspect=aspect.name,
        reading=interpretation.label,
        judged=interpretation.judged,
        substitution=substitution_text(interpretation),
        depths=", ".join(map(str, depths)),
    )
