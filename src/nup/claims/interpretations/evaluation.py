"""Tables → table of readings: every claim judged in every reading, as ``nup.claims`` judges it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nup.claims.catalogue import Catalogue, Claim
from nup.claims.evaluation import evaluate
from nup.claims.interpretations.catalogue import Aspect, Interpretation, Interpretations
from nup.claims.interpretations.runs import at_common_depths, common_depths, with_further_runs
from nup.claims.interpretations.substitution import nets_of, substitution_text
from nup.claims.run_selection import with_net_labels
from nup.tables import schema


def evaluate_interpretations(
    tables: Mapping[str, pd.DataFrame], catalogue: Catalogue, readings: Interpretations
) -> pd.DataFrame:
    """Judge every reading with the estimators, thresholds and seeds of its claims.

    The reading that the claims table judges gets the rows of that table. The others are judged at
    the depths at which all the nets that their criteria name were run.

    Args:
        tables: as for ``nup.claims.judge``.
        catalogue: the claims.
        readings: what to put into them.

    Returns:
        The table ``readings`` with the columns of ``nup.tables.schema.READINGS``.
    """
    tables = with_net_labels(tables)
    parts = [
        _judged(tables, catalogue, aspect, reading, claim)
        for aspect, reading, _, claim in readings.cases(catalogue)
    ]
    return pd.concat(parts, ignore_index=True)[list(schema.READINGS)]


def _judged(
    tables: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    aspect: Aspect,
    reading: Interpretation,
    claim: Claim,
) -> pd.DataFrame:
    nets = nets_of(claim)
    if not reading.judged:
        if aspect.further_runs:
            tables = with_further_runs(tables, claim.experiment)
        tables = at_common_depths(tables, claim.experiment, nets)
    depths = common_depths(tables, claim.experiment, nets)
    rows = evaluate(tables, catalogue.model_copy(update={"claims": [claim]}))
    return rows.assign(
        aspect=aspect.name,
        reading=reading.label,
        judged=reading.judged,
        substitution=substitution_text(reading),
        depths=", ".join(map(str, depths)),
    )
