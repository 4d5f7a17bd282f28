"""Identity: equal specifications have equal digests, on every machine and in every study."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """First ``length`` hex digits of the SHA-256 of ``canonical_json(value)``.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Specification:
    """A frozen specification from which numbers follow.

    Everything that the numbers depend on is a field, with every default filled in by
    ``nup.study.grid``; so equal meaning gives an equal ``id``, however it was written down.
    """

    #: Fields that are specifications themselves.
    NESTED: ClassVar[Mapping[str, Any]] = {}
    #: Fields in which specifications may differ that are computed together, and options therein.
    APART: ClassVar[tuple[str, ...]] = ("seed", "data.seed")
    #: Cached properties that do not depend on these fields.
    KEYS: ClassVar[tuple[str, ...]] = ("group_key",)
    #: Fields that came later: left out where they are None, so that earlier ids stay as they are.
    LATER: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries, ready for JSON."""
        values = _plain(self)
        for name in self.LATER:
            if values[name] is None:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``to_dict``.

        Raises:
            TypeError: a field is missing or unknown.
            KeyError: a nested specification is missing.
        """
        nested = {name: kind(**values[name]) for name, kind in cls.NESTED.items()}
        return cls(**{**values, **nested})

    def at(self, **fields: Any) -> Self:
        """A copy with other values of fields of ``APART``, to be computed with this one.

        The copy shares the ``KEYS``, so that they are found once for all.
        """
        if unknown := fields.keys() - set(self.APART):
            raise TypeError(f"expected fields of {self.APART}, got {sorted(unknown)}")
        copy = replace(self, **fields)
        copy.__dict__.update((key, getattr(self, key)) for key in self.KEYS)
        return copy

    # Planning asks thousands of specifications for these again and again.

    @cached_property
    def id(self) -> str:
        """12 hex digits, stable across machines and versions of the grid around it."""
        return digest(self.to_dict())

    @cached_property
    def group_key(self) -> str:
        """Equal for specifications that are computed together."""
        values = self.to_dict()
        for name in self.APART:
            owner, _, key = name.rpartition(".")
            (values[owner] if owner else values).pop(key, None)
        return canonical_json(values)


#: Most values: they are their own plain form.
_ATOMS = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    """What ``dataclasses.asdict`` gives, faster: without copies of what cannot change."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    kind: Any = type(value)
    if names := _names(kind):
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


@lru_cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass; none of any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
