"""Snapshots: how far training has come, as named arrays and JSON, and back.

Nothing here names what is kept: a snapshot is of all fields that a state, a recorder and the data
have, so that a field added later is part of it. It holds numbers and text alone, and nothing of it
is executed when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Parts of a name are joined by this.
_DOT = "."


class SnapshotError(TypeError):
    """Something that a snapshot cannot hold."""


@dataclass(frozen=True)
class Snapshot:
    """What is kept: JSON, and the arrays that stand in it by name."""

    values: Any
    arrays: Mapping[str, Array]


class Follower(Protocol):
    """Is offered snapshots of one piece of work, and says where to go on from."""

    def load(self) -> Snapshot | None:
        """What was kept last; None if there is nothing to go on from."""

    def offer(self, take: Callable[[], Snapshot]) -> None:
        """A moment at which a snapshot can be taken.

        Raises:
            Interrupted: the process is to stop; what was computed is kept.
        """


class Keeper(Follower, Protocol):
    """Keeps snapshots. When and where is its own affair."""

    def put(self, snapshot: Snapshot) -> None:
        """A snapshot to be kept in any case."""

    def part(self, name: str) -> Keeper:
        """A keeper of a part of this work, which ends with the next snapshot of the whole."""


def take(tree: Any) -> Snapshot:
    """A snapshot of nested dictionaries, lists and tuples of tensors, arrays, numbers and text.

    Tensors on the CPU and arrays are shared, not copied: write them before they change.

    Raises:
        SnapshotError: something else is in the tree.
    """
    arrays: dict[str, Array] = {}
    return Snapshot(_packed(tree, "", arrays), arrays)


def restored(snapshot: Snapshot) -> Any:
    """The tree of which a snapshot was taken, its tensors on the CPU."""
    return _unpacked(snapshot.values, snapshot.arrays)


def _packed(tree: Any, name: str, arrays: dict[str, Array]) -> Any:
    """JSON of a tree in which containers and arrays are marked; the arrays are added by name."""
    import torch

    if tree is None or type(tree) in (bool, int, float, str):
        return tree
    if isinstance(tree, torch.Tensor):
        arrays[name] = np.ascontiguousarray(tree.detach().cpu().numpy()).reshape(tree.shape)
        return {"tensor": name}
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "biufUS":
        arrays[name] = tree
        return {"array": name}
    if isinstance(tree, dict) and all(type(key) in (int, str) for key in tree):
        items = list(tree.items())
        return {"dict": [[key, _packed(each, _join(name, key), arrays)] for key, each in items]}
    if type(tree) in (list, tuple):
        items = list(enumerate(tree))
        found = [_packed(each, _join(name, place), arrays) for place, each in items]
        return {type(tree).__name__: found}
    raise SnapshotError(
        f"{name}: expected tensors, arrays, numbers and text in dictionaries, lists and tuples, "
        f"got {type(tree).__name__}"
    )


def _join(name: str, part: int | str) -> str:
    return f"{name}{_DOT}{part}" if name else str(part)


def _unpacked(values: Any, arrays: Mapping[str, Array]) -> Any:
    import torch

    if not isinstance(values, dict):
        return values
    ((kind, content),) = values.items()
    if kind == "tensor":
        # A copy lies where torch wants its tensors: the order of a sum may depend on that.
        return torch.from_numpy(np.array(arrays[content])).clone()
    if kind == "array":
        return np.array(arrays[content])
    if kind == "dict":
        return {key: _unpacked(each, arrays) for key, each in content}
    found = [_unpacked(each, arrays) for each in content]
    return tuple(found) if kind == "tuple" else found
