"""A claim with a reading put in: the same estimators and thresholds on other arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nup.claims.catalogue import Claim, Criterion
from nup.claims.estimators import ESTIMATORS
from nup.errors import UserError
from nup.specs.specification import canonical_json

if TYPE_CHECKING:
    from nup.claims.interpretations.catalogue import Interpretation


def substituted(claim: Claim, reading: Interpretation) -> Claim:
    """The claim with the reading put into each of its criteria.

    A criterion that would compare a net with itself is left out, and of criteria that have become
    equal one is kept: the one that was so from the start, or else the first.

    Raises:
        UserError: if no criterion is left.
    """
    if reading.judged:
        return claim
    kept: dict[str, Criterion] = {}
    for criterion in claim.criteria:
        if reading.estimators and criterion.estimator not in reading.estimators:
            continue
        before = bound_arguments(criterion)
        after = _put_in(criterion, before, reading)
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


def bound_arguments(criterion: Criterion) -> dict[str, Any]:
    """The arguments of a criterion, with its estimator's defaults for those that it leaves out."""
    parameters = list(inspect.signature(ESTIMATORS[criterion.estimator]).parameters.values())[1:]
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    values = {**defaults, **criterion.arguments}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}


def argument_values(criterion: Criterion) -> list[Any]:
    """Values of the arguments of a criterion, those in lists one by one."""
    values = bound_arguments(criterion).values()
    return [each for value in values for each in (value if isinstance(value, list) else [value])]


def takes(criterion: Criterion, argument: str) -> bool:
    """Whether the estimator of a criterion takes an argument."""
    return argument in inspect.signature(ESTIMATORS[criterion.estimator]).parameters


def nets_of(claim: Claim) -> list[str]:
    """Nets that the criteria name."""
    arguments = [bound_arguments(criterion) for criterion in claim.criteria]
    named = [each.get(key) for each in arguments for key in ("net", "against")]
    return list(dict.fromkeys(net for net in named if net))


def substitution_text(reading: Interpretation) -> str:
    """What a reading puts in, in words: ``nup(r=1) for nup(r=2); no c``."""
    parts = [f"{new} for {old}" for old, new in reading.replace.items()]
    parts += [
        f"no {key}" if value is None else f"{key} = {value}"
        for key, value in reading.arguments.items()
    ]
    if reading.estimators:
        parts.append(f"only {', '.join(reading.estimators)}")
    return "; ".join(parts)


def _put_in(criterion: Criterion, arguments: Mapping[str, Any], reading: Interpretation) -> dict[str, Any]:
    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(each) for each in value]
        return reading.replace.get(value, value) if isinstance(value, (str, float)) else value

    found = {key: replaced(value) for key, value in arguments.items()}
    return {**found, **{k: v for k, v in reading.arguments.items() if takes(criterion, k)}}


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
