"""The file of interpretations, ``config/readings.yaml``, checked also against the claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from nup.claims.catalogue import Catalogue, Claim, Entry, read_checked, require_distinct
from nup.claims.interpretations.substitution import Interpretation, argument_values, substituted
from nup.errors import UserError


class Aspect(Entry):
    """Something that the paper does in an unknown way, and the interpretations of it.

    The key ``readings`` of the file holds the interpretations. With ``further_runs`` the runs of
    ``<experiment>-readings`` count as well, except for the interpretation that the claims table
    evaluates.
    """

    name: str
    question: str
    claims: list[str] = Field(min_length=1)
    further_runs: bool = False
    interpretations: list[Interpretation] = Field(min_length=2, alias="readings")

    @field_validator("interpretations")
    @classmethod
    def _one_is_judged(cls, interpretations: list[Interpretation]) -> list[Interpretation]:
        require_distinct("reading", (each.label for each in interpretations))
        judged = [each.label for each in interpretations if each.judged]
        if len(judged) != 1:
            raise ValueError(
                "expected one reading with `judged: true`, the one that the claims table judges; "
                f"got {', '.join(judged) or 'none'}"
            )
        return interpretations

    def claims_of(self, interpretation: Interpretation) -> list[str]:
        """Ids of the claims that an interpretation is evaluated on."""
        return interpretation.claims or self.claims


class Interpretations(Entry):
    """All aspects, in the order of the file."""

    aspects: list[Aspect] = Field(min_length=1)

    @field_validator("aspects")
    @classmethod
    def _distinct(cls, aspects: list[Aspect]) -> list[Aspect]:
        require_distinct("aspect", (aspect.name for aspect in aspects))
        return aspects

    def cases(self, catalogue: Catalogue) -> Iterator[tuple[Aspect, Interpretation, Claim, Claim]]:
        """Every aspect, interpretation and claim, and the claim after the substitution."""
        for aspect in self.aspects:
            for interpretation in aspect.interpretations:
                for claim_id in aspect.claims_of(interpretation):
                    claim = catalogue[claim_id]
                    yield aspect, interpretation, claim, substituted(claim, interpretation)


def load_interpretations(path: str | Path, catalogue: Catalogue) -> Interpretations:
    """Read the file of interpretations and check it, by itself and against the claims.

    Raises:
        UserError: if the file is missing, is not YAML, breaks the schema, names a claim that does
            not exist, or substitutes something that no criterion has.
    """
    found = read_checked(Interpretations, path, "readings")
    for aspect in found.aspects:
        for interpretation in aspect.interpretations:
            try:
                _check(aspect, interpretation, catalogue)
            except UserError as error:
                place = f"aspect {aspect.name!r}, reading {interpretation.label!r}"
                raise UserError(f"{path}: {place}: {error}") from None
    return found


def _check(aspect: Aspect, interpretation: Interpretation, catalogue: Catalogue) -> None:
    """Raise ``UserError`` if the interpretation does not fit the criteria of its claims."""
    if unknown := [each for each in interpretation.claims if each not in aspect.claims]:
        raise UserError(
            f"expected claims among those of the aspect, {', '.join(aspect.claims)}; "
            f"got {', '.join(unknown)}"
        )
    ids = aspect.claims_of(interpretation)
    claims = [catalogue[claim_id] for claim_id in ids]
    criteria = [criterion for claim in claims for criterion in claim.criteria]
    estimators = {criterion.estimator for criterion in criteria}
    if unknown := sorted(set(interpretation.estimators) - estimators):
        raise UserError(
            f"expected estimators among {', '.join(sorted(estimators))}; got {', '.join(unknown)}"
        )
    values = [value for criterion in criteria for value in argument_values(criterion)]
    if absent := [f"{value}" for value in interpretation.replace if value not in values]:
        raise UserError(
            f"nothing to replace: no criterion of {', '.join(ids)} has an argument "
            f"{', '.join(absent)}"
        )
    for argument in interpretation.arguments:
        if not any(argument in criterion.parameters for criterion in criteria):
            raise UserError(
                f"no estimator takes the argument {argument!r}: they are "
                f"{', '.join(sorted(estimators))}"
            )
    for claim in claims if not interpretation.judged else ():
        if substituted(claim, interpretation).criteria == claim.criteria:
            raise UserError(
                f"claim {claim.id} stays as it is: leave it out, or put something in that it has"
            )
