"""Memory: answers worth keeping, bounded by the bytes that they hold; what was asked for longest ago goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

import numpy as np

T = TypeVar("T")

DEFAULT_BYTES: Final = 1 << 30
"""What a dataset remembers unless it is opened with another bound."""

_ENTRY: Final = 500
"""Bytes of an entry beside its arrays."""


class Memory:
    """Values by key. Several threads may use it; two that miss one key at once both make its value."""

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes, self.held_bytes = limit_bytes, 0
        self._values: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """The value of a key, made by `make` where it is not known."""
        found: T | None = self.recall(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def recall(self, key: tuple[Any, ...]) -> Any:
        """The value of a key, None where it is not known."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def keep(self, key: tuple[Any, ...], value: Any) -> None:
        """Sets the value of a key; one that is too big for this memory is not kept."""
        weight = weigh(value) + _ENTRY
        with self._lock:
            if key in self._values:
                self.held_bytes -= self._values.pop(key)[1]
            if weight > self.limit_bytes:
                return
            self._values[key] = (value, weight)
            self.held_bytes += weight
            while self.held_bytes > self.limit_bytes:
                self.held_bytes -= self._values.popitem(last=False)[1][1]

    def forget(self, kinds: Iterable[str]) -> None:
        """Drops every key that begins with one of these."""
        gone = set(kinds)
        with self._lock:
            for key in [key for key in self._values if key[0] in gone]:
                self.held_bytes -= self._values.pop(key)[1]


def weigh(value: Any) -> int:
    """The bytes of the arrays that a value holds; those mapped from files cost nothing."""
    if isinstance(value, np.ndarray):
        root = value
        while isinstance(root.base, np.ndarray):
            root = root.base
        return root.nbytes if root.base is None else 0
    if is_dataclass(value):
        return sum(weigh(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple | list):
        return sum(weigh(item) for item in value)
    return 0
