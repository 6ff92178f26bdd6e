"""Memory: what is worth keeping, bounded by the bytes that it holds; what was asked for longest ago goes first."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl

from core.data.values import Dictionary

T = TypeVar("T")

DEFAULT_BYTES: Final = 1 << 30
"""What a dataset holds unless it is opened with another bound."""

_ENTRY: Final = 500
"""Bytes of an entry beside its arrays."""

_VIEW: Final = 16
"""Bytes a text takes beside its characters."""


class Holder(ABC):
    """What tells by itself what it holds: it may grow, or hold what is no field of it."""

    @abstractmethod
    def holds(self) -> list[Any]:
        """The arrays and dictionaries that it holds."""


@dataclass(slots=True)
class _Entry:
    """A value, the bytes of what it holds by identity, and how often it was asked for."""

    value: Any
    parts: dict[int, int]
    asked: int = 0


class Memory:
    """Values by key. What several of them hold counts once. Several threads may use it; two that miss one key at once
    both make its value."""

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self.limit_bytes, self.held_bytes = limit_bytes, 0
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._holders: dict[int, int] = {}
        """By how many entries each part is held."""
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
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            entry.asked += 1
            if not entry.asked & (entry.asked - 1):  # values grow: a dictionary reads its texts when first asked to
                self._drop(key)
                self._add(key, _Entry(entry.value, parts_of(entry.value), entry.asked))
            return entry.value

    def keep(self, key: tuple[Any, ...], value: Any) -> None:
        """Sets the value of a key; one that is too big for this memory is not kept."""
        parts = parts_of(value)
        with self._lock:
            self._drop(key)
            self._add(key, _Entry(value, parts))

    def forget(self, kinds: Iterable[str]) -> None:
        """Drops every key that begins with one of these."""
        gone = set(kinds)
        with self._lock:
            for key in [key for key in self._entries if key[0] in gone]:
                self._drop(key)

    def limit(self, limit_bytes: int) -> None:
        """Sets another limit."""
        with self._lock:
            self.limit_bytes = limit_bytes
            self._fit()

    def drop(self, key: tuple[Any, ...]) -> None:
        """Drops a key, where it is known."""
        with self._lock:
            self._drop(key)

    def _add(self, key: tuple[Any, ...], entry: _Entry) -> None:
        if sum(entry.parts.values()) + _ENTRY > self.limit_bytes:
            return
        self._entries[key] = entry
        self.held_bytes += _ENTRY
        for part, size in entry.parts.items():
            holders = self._holders.get(part, 0)
            self._holders[part] = holders + 1
            self.held_bytes += 0 if holders else size
        self._fit()

    def _fit(self) -> None:
        while self.held_bytes > self.limit_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: tuple[Any, ...]) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.held_bytes -= _ENTRY
        for part, size in entry.parts.items():
            self._holders[part] -= 1
            if not self._holders[part]:
                del self._holders[part]
                self.held_bytes -= size


def weigh(value: Any) -> int:
    """The bytes of what a value holds; what is mapped from files costs nothing."""
    return sum(parts_of(value).values())


def parts_of(value: Any) -> dict[int, int]:
    """The bytes of the arrays, series and frames that a value holds, by their identity; mapped ones have none."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, np.ndarray):
            while isinstance(item.base, np.ndarray):
                item = item.base
            if item.base is None:
                found[id(item)] = item.nbytes
        elif isinstance(item, pl.Series | pl.DataFrame):
            found[id(item)] = int(item.estimated_size())
        elif isinstance(item, tuple | list):
            rest.extend(item)
        elif isinstance(item, Holder):
            rest.extend(item.holds())
        elif isinstance(item, dict):
            rest.extend(list(item.values()))
        elif id(item) not in seen and isinstance(item, Dictionary):
            seen.add(id(item))
            found[id(item.entries)] = _VIEW * len(item.entries)  # the characters are mapped, if there are many
            rest.extend(each for each in list(vars(item).values()) if each is not item.entries)
        elif id(item) not in seen and is_dataclass(item) and not isinstance(item, type):
            seen.add(id(item))
            rest.extend(getattr(item, field.name) for field in fields(item))
    return found
