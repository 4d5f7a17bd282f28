"""Identity: equal specifications have equal digests, on every machine and in every study."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property, lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, ClassVar, Self


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    """First ``length`` hex digits of the SHA-256 of ``canonical_json(value)``.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return digest_of(canonical_json(value), length)


def digest_of(text: str, length: int = 12) -> str:
    """``digest`` of the value whose ``canonical_json`` is ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


class Part:
    """A frozen part of specifications, which many of them share; its text is written once."""

    @cached_property
    def text(self) -> str:
        """Canonical JSON."""
        return canonical_json(_plain(self))


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
        nested = {
            name: kind(**values[name])
            for name, kind in cls.NESTED.items()
            if name in values or name not in cls.LATER
        }
        return cls(**{**values, **nested})

    def at(self, **fields: Any) -> Self:
        """A copy with other values of fields of ``APART``, to be computed with this one.

        The copy shares the ``KEYS``, so that they are found once for all. A nested specification
        that is given may differ in what ``APART`` names of it alone.
        """
        if unknown := fields.keys() - {name.partition(".")[0] for name in self.APART}:
            raise TypeError(f"expected fields of {self.APART}, got {sorted(unknown)}")
        kind: Any = type(self)
        copy: Self = object.__new__(kind)
        values = self.__dict__
        copy.__dict__.update((name, values[name]) for name in _names(kind))
        copy.__dict__.update(fields, _texts={**self._texts, **_texts(fields)})
        copy.__dict__.update((key, getattr(self, key)) for key in self.KEYS)
        return copy

    # Planning asks tens of thousands of specifications for these, again and again.

    @cached_property
    def id(self) -> str:
        """12 hex digits, stable across machines and versions of the grid around it."""
        return digest_of(self.text)

    @property
    def text(self) -> str:
        """``canonical_json(to_dict())``, of which the fields that copies share are written once."""
        texts = self._texts
        shown = ",".join(f'"{name}":{texts[name]}' for name in self._shown)
        return f"{{{shown}}}"

    @cached_property
    def _texts(self) -> dict[str, str]:
        """Canonical JSON of every field."""
        kind: Any = type(self)
        return _texts({name: self.__dict__[name] for name in _names(kind)})

    @property
    def _shown(self) -> list[str]:
        """Names of the fields that ``to_dict`` has, sorted."""
        kind: Any = type(self)
        absent = [name for name in self.LATER if getattr(self, name) is None]
        return [name for name in _sorted_names(kind) if name not in absent]

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


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    """Canonical JSON; of what specifications mostly consist of without the way through ``json``."""
    if isinstance(value, Part):
        return value.text
    if type(value) is str:
        return encode_basestring_ascii(value)
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return repr(value)
    return "null" if value is None else canonical_json(_plain(value))


@lru_cache
def _sorted_names(kind: type) -> tuple[str, ...]:
    return tuple(sorted(_names(kind)))


@lru_cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass; none of any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
