"""A claim under its readings: bindings of each fill the placeholders of its criteria.

Where the paper leaves a thing open (the normalized update, the schedule, the gradient scaling, the
soft rank), ``config/claims.yaml`` lists its readings once, as a *dimension*. A claim names the
dimensions under which it is read and is judged under every combination of them. [operational]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nup.claims.catalogue import PLACEHOLDER, Claim, Criterion, ReadClaim, Reading, filled
from nup.errors import UserError

#: Between the labels of a combination of readings.
AND = " + "


def read(claim: Claim, dimensions: Mapping[str, Sequence[Reading]]) -> Claim:
    """The claim with its ``readings``, and the criteria of the first of them as its own.

    Args:
        claim: as written in the file.
        dimensions: name of a dimension → its readings.

    Returns:
        The claim; one that names no dimension has a single reading without a label.

    Raises:
        UserError: if a dimension is unknown, a placeholder has no value, or two readings come to
            the same criteria.
    """
    if unknown := [name for name in claim.under if name not in dimensions]:
        known = ", ".join(dimensions) or "none"
        raise UserError(
            f"claim {claim.id}: expected dimensions of readings among {known}; "
            f"got {', '.join(unknown)}"
        )
    found = [
        _read_under(claim, combination)
        for combination in itertools.product(*(dimensions[name] for name in claim.under))
    ]
    for one, other in itertools.combinations(found, 2):
        if one.criteria == other.criteria:
            raise UserError(
                f"claim {claim.id}: the readings {one.label!r} and {other.label!r} come to the "
                "same criteria; name only dimensions whose placeholders the criteria use"
            )
    return claim.model_copy(update={"readings": found, "criteria": found[0].criteria})


def _read_under(claim: Claim, combination: Sequence[Reading]) -> ReadClaim:
    bindings = {key: value for each in combination for key, value in each.bindings.items()}
    label = AND.join(each.label for each in combination)
    return ReadClaim(label=label, criteria=[_filled(claim.id, c, bindings) for c in claim.criteria])


def _filled(claim_id: str, criterion: Criterion, bindings: Mapping[str, Any]) -> Criterion:
    update = {
        "name": filled(criterion.name, bindings),
        "what": filled(criterion.what, bindings),
        "arguments": _value(criterion.arguments, bindings),
    }
    for text in _texts([*update.values()]):
        if left := PLACEHOLDER.search(text):
            raise UserError(
                f"claim {claim_id}, criterion {criterion.name!r}: no reading gives {left[0]}; "
                "name its dimension under `under`, or correct the placeholder"
            )
    return criterion.model_copy(update=update)


def _value(value: Any, bindings: Mapping[str, Any]) -> Any:
    """The value with its placeholders filled; one that is a placeholder alone keeps its type."""
    if isinstance(value, Mapping):
        return {key: _value(each, bindings) for key, each in value.items()}
    if isinstance(value, list):
        return [_value(each, bindings) for each in value]
    if not isinstance(value, str):
        return value
    alone = PLACEHOLDER.fullmatch(value)
    if alone and alone[1] in bindings and value == f"{{{alone[1]}}}":
        return bindings[alone[1]]
    return filled(value, bindings)


def _texts(value: Any) -> Iterator[str]:
    """All texts within nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
