"""Memory: what is worth keeping, within a bound of bytes that several memories may share."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar
from weakref import WeakSet

import numpy as np
import polars as pl

from core.data.coded import Dictionary

T = TypeVar("T")

DEFAULT_BYTES: Final = 1 << 30
"""What a dataset holds unless it is opened with another bound."""

PROFILE_BYTES: Final = 16
"""What is held of every profile, whatever is asked: its mpid and its hash."""

_ENTRY: Final = 500
"""Bytes of an entry beside its arrays."""

_GONE: Final = 10_000
"""So many keys that gave way are known."""

_VIEW: Final = 16
"""Bytes a text takes beside its characters."""


class Holder(ABC):
    """What tells by itself what it holds: it may grow, or hold what is no field of it."""

    @abstractmethod
    def holds(self) -> list[Any]:
        """The arrays and dictionaries that it holds."""


class _Entry:
    """A value, the bytes of what it held by identity when it was weighed, all of them together, how often it was asked
    for, and its place in an urn."""

    __slots__ = ("asked", "key", "parts", "place", "size", "value")

    def __init__(self, key: tuple[Any, ...], value: Any, parts: dict[int, int], asked: int = 0) -> None:
        self.key, self.value, self.parts, self.asked, self.place = key, value, parts, asked, 0
        self.size = sum(parts.values()) + _ENTRY


class _Urn:
    """Entries one of which is drawn, any byte as likely as any other; how many there are makes no difference."""

    def __init__(self) -> None:
        self._dice = random.Random(0)
        self._alike: defaultdict[int, list[_Entry]] = defaultdict(list)
        """By the bits of their sizes: none is twice as big as another."""
        self._bytes: defaultdict[int, int] = defaultdict(int)

    def put(self, entry: _Entry) -> None:
        bits = entry.size.bit_length()
        entry.place = len(self._alike[bits])
        self._alike[bits].append(entry)
        self._bytes[bits] += entry.size

    def take(self, entry: _Entry) -> None:
        bits = entry.size.bit_length()
        last = self._alike[bits].pop()
        if last is not entry:
            self._alike[bits][entry.place], last.place = last, entry.place
        self._bytes[bits] -= entry.size

    def draw(self) -> _Entry:
        bits = self._dice.choices(list(self._bytes), list(self._bytes.values()))[0]
        while True:
            entry = self._dice.choice(self._alike[bits])
            if self._dice.random() * (1 << bits) < entry.size:  # so is every second one, or more
                return entry


class Bound:
    """Bytes that several memories may hold together. Each may use what the others leave; when all is used, the one that
    is furthest beyond its share gives way."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes, self.held_bytes = limit_bytes, 0
        """Those of memories that nobody has any more are counted until they matter."""
        self.lock = threading.Lock()
        self.pools: WeakSet[_Pool] = WeakSet()

    def limit(self, limit_bytes: int) -> None:
        """Sets another limit."""
        with self.lock:
            self.limit_bytes = limit_bytes
            self.fit()

    def fit(self) -> None:
        """Has memories give way until the limit is kept; the lock is held."""
        if self.held_bytes <= self.limit_bytes:
            return
        pools = list(self.pools)  # held, lest one is gone that was counted
        self.held_bytes = sum(pool.held_bytes for pool in pools)
        while self.held_bytes > self.limit_bytes:
            max(pools, key=lambda pool: pool.held_bytes / pool.share).give_way()


class _Pool:
    """The entries of a memory by key, and their bytes; what several of them hold counts once."""

    def __init__(self, bound: Bound, share: float, in_circles: bool) -> None:
        self.bound, self.share, self.held_bytes, self.again_bytes = bound, share, 0, 0
        self.entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._urn = _Urn() if in_circles else None
        self._holders: dict[tuple[int, int], int] = {}
        """How many entries were found to hold a part, by its identity and bytes. Identity alone would not do: a value
        may have let go of a part since, and another part got its number."""
        self._gone: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        """The last keys that gave way."""
        with bound.lock:
            bound.pools.add(self)

    def add(self, entry: _Entry) -> None:
        if entry.size > self.bound.limit_bytes:
            return
        self.entries[entry.key] = entry
        if self._urn is not None:
            self._urn.put(entry)
        if entry.key in self._gone:
            del self._gone[entry.key]
            self.again_bytes += entry.size
        gained = _ENTRY
        for part in entry.parts.items():
            holders = self._holders.get(part, 0)
            self._holders[part] = holders + 1
            gained += 0 if holders else part[1]
        self._weigh(gained)
        self.bound.fit()

    def _weigh(self, gained: int) -> None:
        self.held_bytes += gained
        self.bound.held_bytes += gained

    def give_way(self) -> None:
        key = next(iter(self.entries)) if self._urn is None else self._urn.draw().key
        self.drop(key)
        self._gone[key] = None
        if len(self._gone) > _GONE:
            self._gone.popitem(last=False)

    def drop(self, key: tuple[Any, ...]) -> None:
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        if self._urn is not None:
            self._urn.take(entry)
        lost = _ENTRY
        for part in entry.parts.items():
            self._holders[part] -= 1
            if not self._holders[part]:
                del self._holders[part]
                lost += part[1]
        self._weigh(-lost)


class Memory:
    """Values by key. What several of them hold counts once. Several threads may use it; two that miss one key at once
    both make its value."""

    def __init__(self, bound: int | Bound = DEFAULT_BYTES, share: float = 1.0, *, in_circles: bool = False) -> None:
        """`bound`: bytes, or what it shares with other memories. What was asked for longest ago goes first.
        `in_circles`: it is asked for one shard's values after the other's, again and again. What was asked for longest
        ago would be what is needed next; so any byte is as likely to go as any other."""
        self._pool = _Pool(Bound(bound) if isinstance(bound, int) else bound, share, in_circles)
        self._owner: tuple[int, ...] = ()

    def of(self, *owner: int) -> Memory:
        """A part of this memory with keys of its own: that of a shard, for one."""
        other = copy(self)
        other._owner = (*self._owner, *owner)
        return other

    @property
    def common(self) -> Memory:
        """The memory of which this one is a part, or itself."""
        other = copy(self)
        other._owner = ()
        return other

    @property
    def limit_bytes(self) -> int:
        """The bound."""
        return self._pool.bound.limit_bytes

    @property
    def held_bytes(self) -> int:
        """What it holds, in all of its parts."""
        return self._pool.held_bytes

    @property
    def again_bytes(self) -> int:
        """What it was given again so far that had to give way before."""
        return self._pool.again_bytes

    def remember(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """The value of a key, made by `make` where it is not known."""
        found: T | None = self.recall(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def recall(self, key: tuple[Any, ...]) -> Any:
        """The value of a key, None where it is not known."""
        pool, own = self._pool, (self._owner, *key)
        with pool.bound.lock:
            entry = pool.entries.get(own)
            if entry is None:
                return None
            pool.entries.move_to_end(own)
            entry.asked += 1
            often = entry.asked
        if not often & (often - 1):  # values grow: a dictionary reads its texts when first asked to
            parts = parts_of(entry.value)  # nobody waits for it; it may take as long as another makes a vocabulary
            with pool.bound.lock:
                if pool.entries.get(own) is entry:
                    pool.drop(own)
                    pool.add(_Entry(own, entry.value, parts, entry.asked))
        return entry.value

    def keep(self, key: tuple[Any, ...], value: Any) -> None:
        """Sets the value of a key; one that is too big for this memory is not kept."""
        pool, own, parts = self._pool, (self._owner, *key), parts_of(value)
        with pool.bound.lock:
            pool.drop(own)
            pool.add(_Entry(own, value, parts))

    def forget(self, kinds: Collection[str]) -> None:
        """Drops every key that begins with one of these."""
        pool = self._pool
        with pool.bound.lock:
            for key in [key for key in pool.entries if key[0] == self._owner and key[1] in kinds]:
                pool.drop(key)

    def drop(self, key: tuple[Any, ...]) -> None:
        """Drops a key, where it is known."""
        with self._pool.bound.lock:
            self._pool.drop((self._owner, *key))


_SHARES: Final = {"facts": 0.5, "answers": 0.25, "beside": 0.125, "slice": 0.0625}
"""Parts of the bound; facts and answers of the slice have one each."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """How much of its bound a dataset uses, in bytes."""

    bound: int
    held: int
    again: int
    """Facts that were read again so far, after there was no room for them."""

    @property
    def tight(self) -> bool:
        """Whether a greater bound would help: more was read again than the bound holds."""
        return self.again > self.bound


class Memories:
    """What one dataset holds to give it again, by what it is for (decision 36). All of its shards share it."""

    def __init__(self, memory_bytes: int, profiles: int, *, shards: int = 0) -> None:
        self.bytes, self._bound = memory_bytes, Bound(memory_bytes)
        self.facts = Memory(self._bound, _SHARES["facts"], in_circles=shards > 0)
        """Facts taken from several segments or derived, and columns of events."""
        self.slice_facts = Memory(self._bound, _SHARES["slice"], in_circles=shards > 0)
        """The same of the sample's slice."""
        self._forget_answers()
        self.leave(profiles)

    def _forget_answers(self) -> None:
        self.answers = Memory(self._bound, _SHARES["answers"])
        self.beside = Memory(self._bound, _SHARES["beside"])
        """Answers of what is looked at beside; see `Dataset.aside`."""
        self.slice_answers = Memory(self._bound, _SHARES["slice"])

    def leave(self, profiles: int) -> None:
        """Takes what so many profiles need off the bound, at most half of it."""
        self._bound.limit(max(self.bytes - PROFILE_BYTES * profiles, self.bytes // 2))

    @property
    def use(self) -> MemoryUse:
        """How much of the bound is used."""
        bound = self._bound
        with bound.lock:
            held = sum(pool.held_bytes for pool in bound.pools)
        return MemoryUse(self.bytes, held, self.facts.again_bytes)

    def of(self, shard: int) -> Memories:
        """Those of a shard."""
        other = copy(self)
        for name, memory in vars(self).items():
            if isinstance(memory, Memory):
                setattr(other, name, memory.of(shard))
        return other

    def apart(self, profiles: int, shards: int) -> Memories:
        """Others for a shard of so many profiles that is looked at and left: its share of the bound, beside it. What
        is known of the sample's slice stays."""
        other = Memories(self.bytes // shards, profiles)
        other.slice_facts, other.slice_answers = self.slice_facts, self.slice_answers
        return other

    def aside(self) -> Memories:
        """Those for what is looked at beside."""
        other = copy(self)
        other.answers = self.beside
        return other

    def fresh(self) -> Memories:
        """The same facts and no answers."""
        other = copy(self)
        other._forget_answers()
        return other


def weigh(value: Any) -> int:
    """The bytes of what a value holds; what is mapped from files costs nothing."""
    return sum(parts_of(value).values())


def parts_of(value: Any) -> dict[int, int]:
    """The bytes of the arrays, series and frames that a value holds, by their identity; mapped ones have none."""
    found: dict[int, int] = {}
    seen: dict[int, Any] = {}  # held, lest another gets the number of one that is gone
    rest = [value]
    while rest:
        item = rest.pop()
        kind: Any = type(item)
        inside = _inside(kind)
        if inside is not None and id(item) not in seen:
            seen[id(item)] = item
            rest.extend(inside(item, found))
    return found


Inside = Callable[[Any, dict[int, int]], Iterable[Any]]
"""Notes the bytes of a value's own; gives what else it holds."""


@cache
def _inside(kind: type) -> Inside | None:
    """How values of a type are weighed; None: they hold nothing."""
    if issubclass(kind, np.ndarray):
        return _of_array
    if issubclass(kind, pl.Series | pl.DataFrame):
        return _of_series
    if issubclass(kind, tuple | list):
        return lambda item, found: item
    if issubclass(kind, Holder):
        return lambda item, found: item.holds()
    if issubclass(kind, dict):
        return lambda item, found: list(item.values())
    if issubclass(kind, Dictionary):
        return _of_dictionary
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return lambda item, found: [getattr(item, name) for name in names]
    return None


def _of_array(item: Any, found: dict[int, int]) -> Iterable[Any]:
    while isinstance(item.base, np.ndarray):
        item = item.base
    if item.base is None:
        found[id(item)] = item.nbytes
    return ()


def _of_series(item: Any, found: dict[int, int]) -> Iterable[Any]:
    found[id(item)] = int(item.estimated_size())
    return ()


def _of_dictionary(item: Any, found: dict[int, int]) -> Iterable[Any]:
    found[id(item.entries)] = _VIEW * len(item.entries)  # the characters are mapped, if there are many
    return [each for each in list(vars(item).values()) if each is not item.entries]
