"""Files and values that users write: read whole, and refused where they are not what they seem.

YAML is more than studies need. Aliases multiply (nine lines can stand for a billion values), and of
a key that is repeated the last value would win without a word. So size, nesting and repetition are
checked while a document is read, before anything is made of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from nup.errors import UserError

#: Bytes of a file: the longest that is shipped has 30,000, and a megabyte takes seconds to read.
MOST_BYTES = 1_000_000
#: Values of a document, aliases counted as often as they are used; shipped files have 3,000.
MOST_VALUES = 50_000
#: Values within values: no key of a study is deeper than 10.
MOST_NESTING = 32
#: Characters of one value: more than a path may have.
MOST_CHARACTERS = 5_000

#: What Python's own reading of numbers, dates and the like may raise.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def is_file(path: str | Path) -> bool:
    """Whether there is a file; a name that no file system would have is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def read_text(path: str | Path) -> str:
    """The text of a file that a user wrote.

    Raises:
        UserError: there is no such file, it cannot be read, is too large, or is not UTF-8.
    """
    path = Path(path)
    if not is_file(path):
        got = "a folder" if path.is_dir() else "no such file"
        raise UserError(f"{path}: expected a text file, got {got}; check its path")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: expected a readable file, got: {error.strerror}; check its permissions"
        ) from error
    if len(content) > MOST_BYTES:
        raise UserError(
            f"{path}: expected at most {MOST_BYTES:,} bytes, got {len(content):,}; "
            "is this the file that you mean?"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected text in UTF-8, got byte 0x{content[error.start]:02x} at position "
            f"{error.start}; save it as UTF-8"
        ) from error


def read_yaml(path: str | Path) -> Any:
    """The value of a YAML file that a user wrote.

    Raises:
        UserError: as ``read_text``; or it is not valid YAML, repeats a key, or is too large.
    """
    try:
        return parse_yaml(read_text(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error


def parse_yaml(text: str) -> Any:
    """The value of a text in YAML, in which ``1e-3`` is a number.

    Raises:
        yaml.YAMLError: it is not valid, repeats a key, or is too large.
    """
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader within the bounds above."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nesting = 0
        self._extent: dict[int, tuple[int, int]] = {}  # of a node: values, and levels of them

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        _check(self._nesting, MOST_NESTING, "levels of nesting", event)
        self._nesting += 1
        node = super().compose_node(parent, index)
        self._nesting -= 1
        if node is None:
            return None
        if not isinstance(event, yaml.AliasEvent):
            self._extent[id(node)] = self._measured(node, event)
        elif id(node) not in self._extent:
            raise _refusal("expected an alias of something else, got one within itself", event)
        values, levels = self._extent[id(node)]
        _check(values, MOST_VALUES, "values, aliases counted as often as they are used", event)
        _check(self._nesting + levels, MOST_NESTING + 1, "levels of nesting", event)
        return node

    def _measured(self, node: yaml.Node, event: yaml.Event) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            _check(len(node.value), MOST_CHARACTERS, "characters in one value", event)
            return 1, 1
        inner = node.value
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [part for pair in inner for part in pair]
        extents = [self._extent[id(part)] for part in inner]
        return 1 + sum(n for n, _ in extents), 1 + max((n for _, n in extents), default=0)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _UNREADABLE as error:
            kind = node.tag.rpartition(":")[2]
            got = str(node.value)[:40]
            message = f"expected a value of type {kind}, got {got!r}; put a text in quotes"
            raise _refusal(message, node) from error


# YAML 1.1 takes 1e-3 and 1.5e3 for texts.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)


def _check_keys(node: yaml.MappingNode) -> None:
    """Refuse a key that stands twice in one mapping."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in lines:
            raise _refusal(
                f"expected each key once, got {key.value!r} again, first in line "
                f"{lines[key.value]}; keep one of the two",
                key,
            )
        lines[key.value] = key.start_mark.line + 1


def _check(count: int, most: int, what: str, where: Any) -> None:
    if count > most:
        raise _refusal(f"expected at most {most:,} {what}, got more", where)


def _refusal(message: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=where.start_mark)
