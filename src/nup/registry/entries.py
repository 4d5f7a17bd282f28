"""Entries with their options, and the registry of one kind of them."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from nup.errors import UserError

#: Values that an option may have.
Value = float | int | bool | str


@dataclass(frozen=True)
class Option:
    """One option of a registered entry.

    Args:
        default: value where none is given; None: one must be given.
        kind: ``float``, ``int``, ``bool`` or ``str``. Whole numbers are accepted as floats.
        low, high: least and greatest value.
        above, below: bounds that are themselves not allowed.
        choices: the values allowed; all if empty.
        shown: the label names the option even at its default.
        file: the value is the path of a file, in a study relative to the study's own file.
        meaning: what it is, for the documentation.
    """

    default: Value | None = None
    kind: type = float
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    choices: tuple[Value, ...] = ()
    shown: bool = False
    file: bool = False
    meaning: str = ""

    def checked(self, value: Any, where: str) -> Value:
        """``value`` in the option's own type.

        Raises:
            UserError: it is of another kind or outside the range; ``where`` names the option.
        """
        value = plain(value)
        expected = f"{where}: expected {self.expected}, got {value!r}"
        if self.kind is float and type(value) is int:
            value = float(value) if abs(value) < 2**53 else math.inf
        if type(value) is not self.kind or (self.choices and value not in self.choices):
            raise UserError(expected)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            inside = self.low <= value <= self.high and self.above < value < self.below
            if not (math.isfinite(value) and inside):
                raise UserError(expected)
        return cast(Value, value + 0.0 if type(value) is float else value)  # −0.0 is 0.0

    @property
    def expected(self) -> str:
        """What values are allowed, in words: ``a number > 0``."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.kind in (bool, str):
            return "true or false" if self.kind is bool else "a text"
        bounds = {"≥": self.low, ">": self.above, "≤": self.high, "<": self.below}
        limits = [f"{sign} {end:g}" for sign, end in bounds.items() if math.isfinite(end)]
        noun = "a finite number" if self.kind is float and not limits else "a number"
        noun = "a whole number" if self.kind is int else noun
        return f"{noun} {' and '.join(limits)}".rstrip()


@dataclass(frozen=True)
class Entry:
    """A registered thing.

    ``rule`` is the function that defines it, ``module`` the Python module that it is from.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict, kw_only=True)
    module: str = field(default="", kw_only=True)
    rule: Callable[..., Any] | None = field(default=None, kw_only=True)

    @property
    def summary(self) -> str:
        """First line of the rule's documentation; for generated tables."""
        return (self.rule.__doc__ or "").partition("\n")[0] if self.rule else ""


E = TypeVar("E", bound=Entry)
Rule = TypeVar("Rule", bound=Callable[..., Any])


class Registry(Mapping[str, E], Generic[E]):
    """Entries of one kind by name.

    >>> colors: Registry[Entry] = Registry("color")
    >>> red = colors.add(Entry("red", options={"tint": Option(0.5, low=0.0)}))
    >>> colors.resolve("red", {"tint": 1}), colors.resolve("red", {})
    ({'tint': 1.0}, {'tint': 0.5})
    >>> colors.label("red", {"tint": 1}), colors.label("red", {"tint": 0.5})
    ('red(tint=1)', 'red')

    Args:
        kind: what messages call an entry: ``schedule``.
        package: the package whose modules register the shipped entries when they are imported.
    """

    def __init__(self, kind: str, package: str = "") -> None:
        self.kind, self.package = kind, package
        self._entries: dict[str, E] = {}
        self._loaded = not package

    def add(self, entry: E) -> E:
        """Register an entry.

        Raises:
            UserError: another module has registered this name.
        """
        known = self._entries.get(entry.name)
        if known is not None and known.module != entry.module:
            raise UserError(
                f"{self.kind} {entry.name!r} is registered already, by {known.module}; "
                "choose another name"
            )
        self._entries[entry.name] = entry
        return entry

    def decorator(self, make: Callable[..., E], **declared: Any) -> Callable[[Rule], Rule]:
        """A decorator that registers a function under its own name.

        Args:
            make: the entry's class; it is given the name, the module, the ``rule`` and the rest.
            declared: the entry's other fields.
        """

        def decorate(rule: Rule) -> Rule:
            self.add(make(rule.__name__, module=rule.__module__, rule=rule, **declared))
            return rule

        return decorate

    def __getitem__(self, name: str) -> E:
        """The entry.

        Raises:
            UserError: there is none of this name.
        """
        self._load()
        if name not in self._entries:
            raise UserError(f"unknown {self.kind} {name!r}: expected one of {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._load()
        return len(self._entries)

    def resolve(self, name: str, options: Mapping[str, Any]) -> dict[str, Value]:
        """Every option of an entry with its value: given, or else the default; sorted by name.

        Equal meaning gives equal values: 2 and 2.0, a default that is written and one that is not.

        Raises:
            UserError: an unknown entry or option, one that is missing, or a value out of range.
        """
        declared = self[name].options
        if unknown := sorted(set(options) - set(declared)):
            takes = f"takes {', '.join(declared)}" if declared else "takes no options"
            raise UserError(f"unknown option {unknown[0]!r}: {self.kind} {name!r} {takes}")
        found = {}
        for key in sorted(declared):
            option = declared[key]
            value = options.get(key, option.default)
            if value is None:
                raise UserError(f"{self.kind} {name!r} needs option {key!r}: {option.expected}")
            found[key] = option.checked(value, f"option {key!r} of {self.kind} {name!r}")
        return found

    def label(self, name: str, options: Mapping[str, Any]) -> str:
        """The canonical label: the name with every option that differs from its default.

        ``nup(r=2)``, ``cosine(warmup=0.3)``, ``constant``. Different options give different labels.
        """
        declared = self[name].options
        resolved = self.resolve(name, options)
        shown = [
            f"{key}={text(value)}"
            for key, value in resolved.items()
            if declared[key].shown or value != declared[key].default
        ]
        return f"{name}({','.join(shown)})" if shown else name

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")


def plain(value: Any) -> Any:
    """A number of numpy or torch as Python's own; all else as it is.

    What comes out is what goes into specifications, whose JSON knows Python's numbers alone.
    """
    if isinstance(value, (str, bytes, bool, int)) or type(value) is float:
        return value
    item = getattr(value, "item", None)
    return item() if item is not None and getattr(value, "shape", None) == () else value


def text(value: Value) -> str:
    """A value in a label: the shortest text that reads back; whole numbers without a point."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)
