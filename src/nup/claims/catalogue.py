"""The catalogue of claims: ``config/claims.yaml`` and files beside it, checked against a schema."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nup.claims.estimators import ESTIMATORS
from nup.errors import UserError

#: ``{net}``, ``{c:g}``, ``{activations[0]}``: the name is the first group.
PLACEHOLDER = re.compile(r"\{(\w+)[^{}]*\}")

Provenance = Literal["v1", "v2", "comp", "lit", "derived", "operational"]


class Entry(BaseModel):
    """A mapping that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(Entry):
    """The range in which a criterion holds; a missing end is infinite.

    The ends are included unless the range is ``open``: so that "larger" does not mean "equal".
    """

    low: float | None = None
    high: float | None = None
    open: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Threshold:
        if self.low is None and self.high is None:
            raise ValueError("a threshold needs `low`, `high` or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"`low` must be below `high`, got {self.low:g} and {self.high:g}")
        return self

    def __str__(self) -> str:
        left, right = ("(", ")") if self.open else ("[", "]")
        low = "(-inf" if self.low is None else f"{left}{self.low:g}"
        high = "inf)" if self.high is None else f"{self.high:g}{right}"
        return f"{low}, {high}"


class Criterion(Entry):
    """One condition of a claim.

    ``{placeholders}`` in names and arguments are filled by the bindings of each reading.
    ``estimator`` names a function of ``nup.claims.estimators``, called with ``arguments``.
    ``universal`` marks *every* and *never*: the worst seed is held against the threshold, not the
    mean over seeds. ``log`` marks a ratio, whose seeds are averaged as logarithms: ratios scatter
    to one side. ``for_each`` repeats the criterion over the product of its lists: every value is
    passed as an argument, and ``name`` and ``what`` are formatted with it.
    """

    name: str
    what: str
    estimator: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    for_each: dict[str, list[Any]] = Field(default_factory=dict)
    threshold: Threshold
    universal: bool = False
    log: bool = False
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _is_callable(self) -> Criterion:
        if self.estimator not in ESTIMATORS:
            known = ", ".join(sorted(ESTIMATORS))
            raise ValueError(
                f"expected an estimator among {known}; got {self.estimator!r}. "
                "Correct the name, or register such an estimator in a plug-in"
            )
        signature = ESTIMATORS[self.estimator].signature
        try:
            signature.bind(None, **self.arguments, **self.for_each)
        except TypeError as error:
            raise ValueError(f"estimator {self.estimator!r} takes {signature}: {error}") from None
        both_ends = self.threshold.low is not None and self.threshold.high is not None
        if self.universal and both_ends:
            raise ValueError("a universal criterion needs a threshold with one end only")
        return self

    @property
    def parameters(self) -> list[str]:
        """Names of the arguments that the estimator takes."""
        return list(ESTIMATORS[self.estimator].signature.parameters)[1:]

    @property
    def bound(self) -> dict[str, Any]:
        """The arguments, with the estimator's defaults for those that are left out."""
        parameters = ESTIMATORS[self.estimator].signature.parameters
        values = {
            name: self.arguments.get(name, parameters[name].default) for name in self.parameters
        }
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    def expanded(self) -> list[Criterion]:
        """The criteria that ``for_each`` stands for; the criterion itself without it."""
        criteria = []
        for values in itertools.product(*self.for_each.values()):
            chosen = dict(zip(self.for_each, values, strict=True))
            update = {
                "name": filled(self.name, chosen),
                "what": filled(self.what, chosen),
                "arguments": {**self.arguments, **chosen},
                "for_each": {},
            }
            criteria.append(self.model_copy(update=update))
        return criteria


class Reading(BaseModel):
    """One reading of what the paper leaves open: a label, and a value for each placeholder."""

    model_config = ConfigDict(extra="allow", frozen=True)

    label: str

    @property
    def bindings(self) -> dict[str, Any]:
        """Placeholder → value."""
        return dict(self.model_extra or {})


class ReadClaim(Entry):
    """The criteria of a claim under one reading; ``label`` is empty where there is but one."""

    label: str
    criteria: list[Criterion]


class Claim(Entry):
    """One claim: the quoted words, the experiment that tests it, and its criteria.

    ``select`` pins columns of the runs (``{dataset: digits}``) where an experiment varies more than
    the criteria name, or where the claim speaks of some runs only; null is a missing value
    (``{batch_size: null}``: full batch). ``under`` names the dimensions of readings under each of
    which (in all combinations) the claim is judged. ``readings`` is what they come to; ``criteria``
    are then those of the first reading.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    quote: str
    provenance: Provenance
    experiment: str
    select: dict[str, Any] = Field(default_factory=dict)
    under: list[str] = Field(default_factory=list)
    min_seeds: int | None = Field(default=None, ge=2)
    figure: str = Field(pattern=r"^\w[\w.-]*\.(png|svg)$", max_length=100)
    notebook: str = Field(pattern=r"^\w[\w.-]*\.ipynb$", max_length=100)
    criteria: list[Criterion] = Field(min_length=1)
    readings: list[ReadClaim] = Field(default_factory=list, exclude=True)

    @property
    def nets(self) -> list[str]:
        """Labels of the nets that all readings name as ``net`` or ``against``, in their order."""
        criteria = [each for reading in self.readings for each in reading.criteria]
        named = [
            each.bound.get(key) for each in criteria or self.criteria for key in ("net", "against")
        ]
        return list(dict.fromkeys(net for net in named if net))

    @field_validator("criteria")
    @classmethod
    def _expand(cls, criteria: list[Criterion]) -> list[Criterion]:
        expanded = [each for criterion in criteria for each in criterion.expanded()]
        require_distinct("criterion", (criterion.name for criterion in expanded))
        return expanded


class SeedRule(Entry):
    """How many seeds a verdict needs: ``least``, or as many as ``by_dataset`` says."""

    least: int = Field(default=8, ge=2)
    by_dataset: dict[str, int] = Field(default_factory=dict)

    def needed(self, dataset: str | None) -> int:
        """The least number of seeds for runs on this data set; None for untrained nets."""
        return self.by_dataset.get(dataset or "", self.least)


class Idea(Entry):
    """A sentence of the paper that several claims make together, by their ids."""

    sentence: str
    provenance: Provenance
    claims: list[str] = Field(min_length=1)


class Catalogue(Entry):
    """All claims, in the order of the file, and the dimensions along which they are read."""

    seeds: SeedRule = SeedRule()
    readings: dict[str, list[Reading]] = Field(default_factory=dict)
    ideas: list[Idea] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ideas_are_of_claims(self) -> Catalogue:
        known = {claim.id for claim in self.claims}
        for idea in self.ideas:
            if unknown := [name for name in idea.claims if name not in known]:
                raise ValueError(
                    f"idea {idea.sentence!r}: expected claims of this file, "
                    f"got {', '.join(unknown)}; correct the ids"
                )
        return self

    @field_validator("claims")
    @classmethod
    def _distinct(cls, claims: list[Claim]) -> list[Claim]:
        require_distinct("claim", (claim.id for claim in claims))
        return claims

    def __getitem__(self, claim_id: str) -> Claim:
        for claim in self.claims:
            if claim.id == claim_id:
                return claim
        known = ", ".join(claim.id for claim in self.claims)
        raise UserError(f"expected a claim among {known}; got {claim_id!r}")


def filled(text: str, values: Mapping[str, Any]) -> str:
    """The text with those of its ``{placeholders}`` filled that ``values`` has; formats apply."""

    def value(match: re.Match[str]) -> str:
        return match[0].format(**values) if match[1] in values else match[0]

    return PLACEHOLDER.sub(value, text)


def require_distinct(noun: str, names: Iterable[str]) -> None:
    """Raise ``ValueError`` if a name occurs twice; the message calls it a ``noun``."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"each {noun} needs its own name; {', '.join(twice)} occurs twice")
