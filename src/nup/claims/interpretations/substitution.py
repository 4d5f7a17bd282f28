"""Interpretations: a claim with other arguments, and the same estimators and thresholds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from nup.claims.catalogue import Claim, Criterion, Entry
from nup.errors import UserError
from nup.specs.identity import canonical_json

#: A value that the arguments of a criterion may have.
Value = str | float


class Interpretation(Entry):
    """One interpretation: what it substitutes into the criteria of the claims.

    ``judged``      the claims table evaluates it: it substitutes nothing
    ``claims``      claims that it is evaluated on; all of the aspect's if empty
    ``replace``     values of arguments → their substitutes, all at once; in lists too
    ``arguments``   arguments → value, for every estimator that takes them; null is their absence
    ``estimators``  criteria with these estimators only; all if empty
    """

    label: str
    judged: bool = False
    claims: list[str] = Field(default_factory=list)
    replace: dict[Value, Value] = Field(default_factory=dict)
    arguments: dict[str, Any] = Field(default_factory=dict)
    estimators: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _puts_something_in(self) -> Interpretation:
        changes = bool(self.replace or self.arguments or self.estimators)
        if self.judged and (changes or self.claims):
            raise ValueError(
                f"{self.label!r} is judged by the claims table, so nothing may be put in: "
                "leave out all but its label"
            )
        if not self.judged and not changes:
            raise ValueError(
                f"{self.label!r} puts nothing in: give `replace`, `arguments` or `estimators`, or "
                "mark it `judged: true`"
            )
        return self


def substituted(claim: Claim, interpretation: Interpretation) -> Claim:
    """The claim with an interpretation substituted into each of its criteria.

    A criterion that would compare a net with itself is left out, and of criteria that have become
    equal one is kept: the one that was so from the start, or else the first.

    Raises:
        UserError: if no criterion is left.
    """
    if interpretation.judged:
        return claim
    kept: dict[str, Criterion] = {}
    for criterion in claim.criteria:
        if interpretation.estimators and criterion.estimator not in interpretation.estimators:
            continue
        before = criterion.bound
        after = _put_in(criterion, before, interpretation)
        if after.get("against") is not None and after["against"] == after.get("net"):
            continue
        key = canonical_json([criterion.estimator, criterion.threshold.model_dump(), after])
        if key not in kept or before == after:
            name, what = (
                _renamed(text, before, after) for text in (criterion.name, criterion.what)
            )
            update = {"name": name, "what": what, "arguments": after}
            kept[key] = criterion if before == after else criterion.model_copy(update=update)
    if not kept:
        raise UserError(f"no criterion of claim {claim.id} is left: leave the claim out")
    return claim.model_copy(update={"criteria": list(kept.values())})


def argument_values(criterion: Criterion) -> list[Any]:
    """Values of the arguments of a criterion, those in lists one by one."""
    values = criterion.bound.values()
    return [each for value in values for each in (value if isinstance(value, list) else [value])]


def substitution_text(interpretation: Interpretation) -> str:
    """The substitution in words: ``nup(r=1) for nup(r=2); no c``."""
    parts = [f"{new} for {old}" for old, new in interpretation.replace.items()]
    parts += [
        f"no {key}" if value is None else f"{key} = {value}"
        for key, value in interpretation.arguments.items()
    ]
    if interpretation.estimators:
        parts.append(f"only {', '.join(interpretation.estimators)}")
    return "; ".join(parts)


def _put_in(
    criterion: Criterion, arguments: Mapping[str, Any], interpretation: Interpretation
) -> dict[str, Any]:
    replace = interpretation.replace

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(each) for each in value]
        return replace.get(value, value) if isinstance(value, (str, float)) else value

    given = interpretation.arguments
    found = {key: replaced(value) for key, value in arguments.items()}
    return found | {key: given[key] for key in given if key in criterion.parameters}


def _renamed(text: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """A criterion's name with its arguments as they are now; ``any`` for one that is gone."""
    words = {_word(old): _word(after[key]) or "any" for key, old in before.items() if _word(old)}
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    pattern = rf"(?<![\w.])(?:{'|'.join(longest_first)})(?![\w.])"
    return re.sub(pattern, lambda match: words[match[0]], text) if words else text


def _word(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
