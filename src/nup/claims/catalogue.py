"""The catalogue of claims: ``config/claims.yaml`` and files beside it, checked against a schema."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nup.claims.estimators import ESTIMATORS
from nup.errors import UserError

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

    ``estimator`` names a function of ``nup.claims.estimators``, called with ``arguments``.
    ``universal`` marks *every* and *never*: the worst seed is held against the threshold, not the
    mean over seeds. ``for_each`` repeats the criterion over the product of its lists: every value
    is passed as an argument, and ``name`` and ``what`` are formatted with it.
    """

    name: str
    what: str
    estimator: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    for_each: dict[str, list[Any]] = Field(default_factory=dict)
    threshold: Threshold
    universal: bool = False
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
                "name": self.name.format(**chosen),
                "what": self.what.format(**chosen),
                "arguments": {**self.arguments, **chosen},
                "for_each": {},
            }
            criteria.append(self.model_copy(update=update))
        return criteria


class Claim(Entry):
    """One claim: the quoted words, the experiment that tests it, and its criteria.

    ``select`` pins columns of the runs (``{dataset: digits}``) where an experiment varies more than
    the criteria name, or where the claim speaks of some runs only; null is a missing value
    (``{batch_size: null}``: full batch).
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    quote: str
    provenance: Provenance
    experiment: str
    select: dict[str, Any] = Field(default_factory=dict)
    min_seeds: int = Field(default=4, ge=2)
    figure: str
    notebook: str
    criteria: list[Criterion] = Field(min_length=1)

    @property
    def nets(self) -> list[str]:
        """Labels of the nets that the criteria name as ``net`` or ``against``, in their order."""
        named = [each.bound.get(key) for each in self.criteria for key in ("net", "against")]
        return list(dict.fromkeys(net for net in named if net))

    @field_validator("criteria")
    @classmethod
    def _expand(cls, criteria: list[Criterion]) -> list[Criterion]:
        expanded = [each for criterion in criteria for each in criterion.expanded()]
        require_distinct("criterion", (criterion.name for criterion in expanded))
        return expanded


class IntervalOptions(Entry):
    """Options of the bootstrap intervals over seeds."""

    confidence: float = Field(default=0.95, gt=0, lt=1)
    resamples: int = Field(default=5000, ge=2000)
    seed: int = 0


class Catalogue(Entry):
    """All claims, in the order of the file."""

    intervals: IntervalOptions = IntervalOptions()
    claims: list[Claim] = Field(min_length=1)

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


def require_distinct(noun: str, names: Iterable[str]) -> None:
    """Raise ``ValueError`` if a name occurs twice; the message calls it a ``noun``."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"each {noun} needs its own name; {', '.join(twice)} occurs twice")


def load_catalogue(path: str | Path, *further: str | Path) -> Catalogue:
    """Read and check one or more files of claims.

    Args:
        path: the first file; its ``intervals`` hold for all claims.
        further: files whose claims are added.

    Returns:
        All claims, in the order of the files.

    Raises:
        UserError: a file is missing, is not YAML, or breaks the schema (the message names each
            place at fault), or two files have a claim with the same id.
    """
    first = read_checked(Catalogue, path, "claims")
    claims, origin = list(first.claims), {claim.id: path for claim in first.claims}
    for other in further:
        for claim in read_checked(Catalogue, other, "claims").claims:
            if claim.id in origin:
                raise UserError(
                    f"claim {claim.id!r} is in {origin[claim.id]} and in {other}: "
                    "expected an id of its own; rename one of the two"
                )
            origin[claim.id] = other
            claims.append(claim)
    return first.model_copy(update={"claims": claims})


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def read_checked(model: type[AnyModel], path: str | Path, noun: str) -> AnyModel:
    """Read ``config/<noun>.yaml``, or another ``path``, and check it against a ``model``.

    Raises:
        UserError: as ``load_catalogue`` says.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"expected the {noun} file at {path}; there is no such file. "
            f"Give its path, or restore config/{noun}.yaml"
        )
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        raise UserError(_explain(path, error, noun)) from None


def _explain(path: Path, error: ValidationError, noun: str) -> str:
    """One line for each fault: where, and what was expected."""
    lines = [
        f"  {'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return "\n".join([f"{path} does not follow the schema of {noun}:", *lines])
