"""First fit: the first of many bins that has room, without a look at each of those before it."""

from __future__ import annotations

import math
from collections.abc import Iterator


class Bins:
    """Loads of numbered bins of one ``capacity``.

    The least load of each half, quarter, … of the bins is kept in a binary tree, so a bin is found
    in as many comparisons as the tree is high.
    """

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._size = 1  # leaves, a power of two; those without a bin are never chosen
        self._least = [math.inf] * 2
        self._count = 0

    def add(self, load: float) -> int:
        """The number of a new bin."""
        if self._count == self._size:
            loads = self._least[self._size :]
            self._size *= 2
            self._least = [math.inf] * (2 * self._size)
            self._count = 0
            for each in loads:
                self.add(each)
        number, self._count = self._count, self._count + 1
        self.load(number, load)
        return number

    def load(self, number: int, load: float) -> None:
        """Set the load of a bin."""
        node = self._size + number
        self._least[node] = load
        while node > 1:
            node //= 2
            self._least[node] = min(self._least[2 * node : 2 * node + 2])

    def with_room(self, size: float) -> Iterator[tuple[int, float]]:
        """Number and load, with ``size``, of each bin that then is not over its capacity."""
        waiting = [1]
        while waiting:
            node = waiting.pop()
            load = self._least[node] + size
            if load <= self._capacity:
                if node >= self._size:
                    yield node - self._size, load
                else:
                    waiting += (2 * node + 1, 2 * node)
